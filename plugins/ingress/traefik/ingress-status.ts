import { backoffMs, errorText, isStatusError, jsonEqual, Resources, sleep } from '../../../core/plugin-api/index.js';
import type {
  Client,
  Clock,
  Ingress,
  IngressLoadBalancerIngress,
  LoadBalancerIngress,
  Logger,
} from '../../../core/plugin-api/index.js';

export interface IngressStatusWriterOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly logger: Logger;
}

const retry = { initialMs: 500, maximumMs: 30_000, jitter: 0.2 };

/** Says at each Ingress where it is reached: where the Service of the listeners is. */
export class IngressStatusWriter {
  readonly #options: IngressStatusWriterOptions;
  readonly #stopping = new AbortController();
  readonly #wanted = new Map<string, { readonly ingress: Ingress; readonly status: readonly IngressLoadBalancerIngress[] }>();
  #working: Promise<void> | undefined;

  constructor(options: IngressStatusWriterOptions) {
    this.#options = options;
  }

  write(ingresses: readonly Ingress[], reachedAt: readonly LoadBalancerIngress[]): void {
    const status = reachedAt.map(({ ip, hostname }): IngressLoadBalancerIngress => ({
      ...(ip && { ip }),
      ...(hostname && { hostname }),
    }));
    for (const ingress of ingresses) {
      const key = `${ingress.metadata.namespace}/${ingress.metadata.name}`;
      const current = (ingress.status?.loadBalancer?.ingress ?? []).map(({ ip, hostname }) => ({
        ...(ip && { ip }),
        ...(hostname && { hostname }),
      }));
      if (jsonEqual(current, status)) this.#wanted.delete(key);
      else this.#wanted.set(key, { ingress, status });
    }
    if (this.#wanted.size > 0 && !this.#stopping.signal.aborted) {
      this.#working ??= this.#work().finally(() => (this.#working = undefined));
    }
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#working;
  }

  async #work(): Promise<void> {
    const { client, clock, logger } = this.#options;
    const { signal } = this.#stopping;
    for (let failures = 0; !signal.aborted;) {
      const [next] = this.#wanted;
      if (!next) return;
      const [key, { ingress, status }] = next;
      const { namespace, name } = ingress.metadata;
      try {
        const statuses = client.resource(Resources.Ingresses, namespace).subresource('status');
        await statuses.patch(name!, 'merge', { status: { loadBalancer: { ingress: status } } }, { signal });
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        if (!isStatusError(error, 'NotFound')) {
          logger.warn('the status of an Ingress could not be written, trying again', { name, error: errorText(error) });
          await sleep(clock, backoffMs(retry, failures++), signal).catch(() => undefined);
          continue;
        }
      }
      if (this.#wanted.get(key) === next[1]) this.#wanted.delete(key);
    }
  }
}
