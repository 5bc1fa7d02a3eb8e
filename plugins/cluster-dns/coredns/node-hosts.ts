import { Resources } from '../../../core/plugin-api/index.js';
import type { Client, Clock, Logger, Node } from '../../../core/plugin-api/index.js';
import { backoffMs, errorText, sleep } from '../../../core/plugin-api/index.js';
import type { DnsHosts } from './dataplane/state.js';

const nodeHostsTtlSeconds = 60;
const retry = { initialMs: 500, maximumMs: 30_000, jitter: 0.2 };

interface NodeLine {
  readonly address: string;
  readonly name: string;
}

/** Every node's addresses by its name, in a stable order. */
function lines(nodes: readonly Node[]): NodeLine[] {
  return nodes
    .flatMap(({ metadata, status }) => {
      const addresses = status?.addresses ?? [];
      const name = addresses.find(({ type }) => type === 'Hostname')?.address ?? metadata.name!;
      return addresses.filter(({ type }) => type === 'InternalIP').map(({ address }) => ({ address, name }));
    })
    .sort((left, right) => (`${left.name} ${left.address}` < `${right.name} ${right.address}` ? -1 : 1));
}

export function nodeHosts(nodes: readonly Node[]): DnsHosts {
  const entries = lines(nodes).map(({ address, name }) => ({ address, names: [name] }));
  return { entries, ttlSeconds: nodeHostsTtlSeconds, fallthrough: true, reverse: true };
}

/** As K3s writes it: `address name`, a line each. */
export function nodeHostsText(nodes: readonly Node[]): string {
  return lines(nodes)
    .map(({ address, name }) => `${address} ${name}\n`)
    .join('');
}

export interface NodeHostsWriterOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Keeps the key NodeHosts of ConfigMap coredns, for those who read it there. Source: K3s' node controller. */
export class NodeHostsWriter {
  readonly #options: NodeHostsWriterOptions;
  readonly #stopping = new AbortController();
  #wanted: string | undefined;
  #written: string | undefined;
  #working: Promise<void> | undefined;

  constructor(options: NodeHostsWriterOptions) {
    this.#options = options;
  }

  write(text: string): void {
    this.#wanted = text;
    if (!this.#stopping.signal.aborted) this.#working ??= this.#work().finally(() => (this.#working = undefined));
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#working;
  }

  async #work(): Promise<void> {
    const { client, clock, logger } = this.#options;
    const { signal } = this.#stopping;
    for (let failures = 0; this.#wanted !== this.#written && !signal.aborted;) {
      const text = this.#wanted!;
      try {
        const metadata = { name: 'coredns', namespace: 'kube-system' };
        const patch = { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { NodeHosts: text } };
        const maps = client.resource(Resources.ConfigMaps, metadata.namespace);
        await maps.patch(metadata.name, 'apply', patch, { fieldManager: 'k3s-node-hosts', force: true, signal });
        this.#written = text;
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        logger.warn('NodeHosts could not be written, trying again', { error: errorText(error) });
        await sleep(clock, backoffMs(retry, failures++), signal).catch(() => undefined);
      }
    }
  }
}
