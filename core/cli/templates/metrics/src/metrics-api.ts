import { formatDuration, formatTime, groupData, Quantity, Resources, serviceUnavailable } from 'k3s-ts/plugin';
import type { ApiGroup, ApiResource, Client, GroupData, KubeObject, ObjectEntry } from 'k3s-ts/plugin';
import type { Rate, UsageRates } from './rates.js';

/** What the group answers from while the part runs. */
interface Source {
  readonly client: Client;
  readonly rates: UsageRates;
}

/** The group metrics.k8s.io: for every node and pod that there is, what is known of it. */
export class MetricsApi implements ApiGroup {
  readonly data: GroupData = groupData('metrics.k8s.io')!;
  readonly resources: Readonly<Record<string, ApiResource>> = {
    nodes: {
      type: 'virtual',
      get: async (_namespace, name) => (await this.#nodes(`metadata.name=${name}`))[0],
      list: () => this.#nodes(),
    },
    pods: {
      type: 'virtual',
      get: async (namespace, name) => (await this.#pods(namespace, `metadata.name=${name}`))[0],
      list: namespace => this.#pods(namespace),
    },
  };
  #source: Source | undefined;

  open(source: Source): void {
    this.#source = source;
  }

  close(): void {
    this.#source = undefined;
  }

  async #nodes(fieldSelector?: string): Promise<KubeObject[]> {
    const { client, rates } = this.#opened();
    const { entries } = await client.resource(Resources.Nodes).list({ fieldSelector });
    return entries.flatMap(entry => {
      const rate = rates.get(`node/${entry.name}`)?.byContainer.get('');
      return rate ? [{ ...head('NodeMetrics', entry, rate), usage: usageOf(rate) }] : [];
    });
  }

  async #pods(namespace: string, fieldSelector?: string): Promise<KubeObject[]> {
    const { client, rates } = this.#opened();
    const { entries } = await client.resource(Resources.Pods, namespace || undefined).list({ fieldSelector });
    return entries.flatMap(entry => {
      const known = rates.get(`pod/${entry.namespace}/${entry.name}`);
      // The name may have been another pod's.
      if (known?.uid !== entry.uid) return [];
      const containers = Array.from(known.byContainer, ([name, rate]) => ({ name, usage: usageOf(rate) }));
      const [first] = known.byContainer.values();
      return [{ ...head('PodMetrics', entry, first!), containers }];
    });
  }

  #opened(): Source {
    if (!this.#source) throw serviceUnavailable('nothing is measured now');
    return this.#source;
  }
}

function head(kind: string, { name, namespace, labels }: ObjectEntry<unknown>, { timeMs, windowMs }: Rate): KubeObject {
  return {
    kind,
    apiVersion: 'metrics.k8s.io/v1beta1',
    metadata: { name, ...(namespace && { namespace }), labels, creationTimestamp: formatTime(timeMs) },
    timestamp: formatTime(timeMs),
    window: formatDuration(BigInt(Math.round(windowMs)) * 1_000_000n),
  } as KubeObject;
}

function usageOf({ cpuNanocores, memoryBytes }: Rate): { cpu: string; memory: string } {
  const memory = Quantity.parse(String(Math.round(memoryBytes))).withFormat('BinarySI');
  return { cpu: Quantity.parse(`${cpuNanocores}n`).toString(), memory: memory.toString() };
}
