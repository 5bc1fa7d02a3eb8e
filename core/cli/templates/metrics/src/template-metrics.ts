import { Client, errorText, serviceAccountIdentity, sleep } from 'k3s-ts/plugin';
import type { ApiTransport, Clock, Logger, MetricsSource, NodeUsage, Part } from 'k3s-ts/plugin';
import { account } from './manifests.js';
import type { MetricsApi } from './metrics-api.js';
import { UsageRates } from './rates.js';

export interface TemplateMetricsOptions {
  readonly api: MetricsApi;
  readonly transport: ApiTransport;
  readonly sources: readonly MetricsSource[];
  readonly clock: Clock;
  readonly logger: Logger;
}

const pauseMs = 10_000;
const answerWithinMs = 5000;
const keptMs = 60_000;

/** Measures again and again, and opens the API. */
export class TemplateMetrics implements Part {
  readonly #options: TemplateMetricsOptions;
  #stopping = new AbortController();
  #working: Promise<void> | undefined;

  constructor(options: TemplateMetricsOptions) {
    this.#options = options;
  }

  start(): void {
    const { api, transport } = this.#options;
    const rates = new UsageRates();
    const client = new Client(transport, serviceAccountIdentity(account.namespace, account.name), account.name);
    this.#stopping = new AbortController();
    this.#working = this.#work(rates, this.#stopping.signal);
    api.open({ client, rates });
  }

  async stop(): Promise<void> {
    this.#options.api.close();
    this.#stopping.abort();
    await this.#working;
  }

  async #work(rates: UsageRates, signal: AbortSignal): Promise<void> {
    const { clock, sources } = this.#options;
    while (!signal.aborted) {
      const answers = await Promise.all(sources.map(source => this.#measure(source, signal)));
      rates.add(answers.flat(), clock.now(), keptMs);
      await sleep(clock, pauseMs, signal).catch(() => undefined);
    }
  }

  /** Never rejects, and never takes longer than it may: one source must not keep the others waiting. */
  async #measure(source: MetricsSource, signal: AbortSignal): Promise<readonly NodeUsage[]> {
    const { clock, logger } = this.#options;
    const done = new AbortController();
    const either = AbortSignal.any([signal, done.signal]);
    const late = sleep(clock, answerWithinMs, either).then(() => Promise.reject(new Error('no answer in time')));
    try {
      return await Promise.race([source.usage(either), late]);
    } catch (error) {
      if (!signal.aborted) logger.warn('a source of metrics failed', { error: errorText(error) });
      return [];
    } finally {
      done.abort();
      late.catch(() => undefined);
    }
  }
}
