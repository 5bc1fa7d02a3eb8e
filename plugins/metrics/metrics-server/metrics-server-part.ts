import { Client, errorText, sleep } from '../../../core/plugin-api/index.js';
import type { ApiTransport, Clock, Logger, MetricsSource, NodeUsage, Part } from '../../../core/plugin-api/index.js';
import type { MetricsGroup } from './metrics-group.js';
import { serviceAccountName, serviceAccountNamespace } from './metrics-server-manifests.js';
import { UsageStore } from './usage-store.js';

export interface MetricsServerPartOptions {
  readonly group: MetricsGroup;
  readonly transport: ApiTransport;
  readonly sources: readonly MetricsSource[];
  readonly resolutionMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The second measurement comes sooner, so that there are rates soon. */
const firstWaitMs = 3000;
const sourceDeadlineMs = 10_000;

/** Measures all nodes again and again, and opens the group metrics.k8s.io. */
export class MetricsServerPart implements Part {
  readonly #options: MetricsServerPartOptions;
  #stopping = new AbortController();
  #running: Promise<void> | undefined;
  readonly #failing = new Set<MetricsSource>();

  constructor(options: MetricsServerPartOptions) {
    this.#options = options;
  }

  start(): void {
    if (this.#running) return;
    const { group, transport, clock } = this.#options;
    this.#stopping = new AbortController();
    const store = new UsageStore();
    group.open({ client: new Client(transport, identity, 'metrics-server'), store, nowMs: () => clock.now() });
    this.#running = this.#run(store, this.#stopping.signal);
  }

  async stop(): Promise<void> {
    this.#options.group.close();
    this.#stopping.abort();
    await this.#running;
    this.#running = undefined;
  }

  async #run(store: UsageStore, signal: AbortSignal): Promise<void> {
    const { clock, resolutionMs } = this.#options;
    for (let waitMs = Math.min(firstWaitMs, resolutionMs); !signal.aborted; waitMs = resolutionMs) {
      const answers = await Promise.all(this.#options.sources.map(source => this.#ask(source, signal)));
      store.add(answers.flat());
      try {
        await sleep(clock, waitMs, signal);
      } catch {
        return;
      }
    }
  }

  /** A source that fails is told of once, and holds nobody up. */
  async #ask(source: MetricsSource, signal: AbortSignal): Promise<readonly NodeUsage[]> {
    const { clock, logger } = this.#options;
    const deadline = new AbortController();
    const giveUp = Promise.withResolvers<never>();
    const timer = clock.setTimer(sourceDeadlineMs, () => deadline.abort());
    const both = AbortSignal.any([signal, deadline.signal]);
    const onAbort = (): void => giveUp.reject(new Error('it did not answer in time'));
    both.addEventListener('abort', onAbort, { once: true });
    giveUp.promise.catch(() => undefined);
    try {
      const answer = await Promise.race([source.usage(both), giveUp.promise]);
      this.#failing.delete(source);
      return answer;
    } catch (error) {
      if (!signal.aborted && !this.#failing.has(source)) {
        this.#failing.add(source);
        logger.warn(`a source of metrics failed: ${errorText(error)}`);
      }
      return [];
    } finally {
      both.removeEventListener('abort', onAbort);
      await timer.dispose();
    }
  }
}

const identity = {
  name: `system:serviceaccount:${serviceAccountNamespace}:${serviceAccountName}`,
  groups: ['system:serviceaccounts', `system:serviceaccounts:${serviceAccountNamespace}`, 'system:authenticated'],
};
