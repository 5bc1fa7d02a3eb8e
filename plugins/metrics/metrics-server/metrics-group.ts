import {
  formatDuration,
  formatTime,
  groupData,
  Quantity,
  Resources,
  serviceUnavailable,
} from '../../../core/plugin-api/index.js';
import type {
  ApiGroup,
  ApiResource,
  Client,
  ColumnData,
  GroupData,
  KubeObject,
  ObjectEntry,
} from '../../../core/plugin-api/index.js';
import type { UsageRate, UsageStore } from './usage-store.js';

type Metrics = KubeObject & { timestamp: string; window: string };
type Usage = Readonly<Record<string, string>>;

/** What the group answers from, once the part runs. */
export interface MetricsReader {
  readonly client: Client;
  readonly store: UsageStore;
  readonly nowMs: () => number;
}

const column = (name: string, format = ''): ColumnData => ({ name, type: 'string', format, priority: 0 });
const columns = [column('Name', 'name'), column('cpu', 'quantity'), column('memory', 'quantity'), column('Window', 'duration')];

/** The group metrics.k8s.io. Until `open` it answers ServiceUnavailable. Source: metrics-server pkg/api. */
export class MetricsGroup implements ApiGroup {
  readonly data: GroupData;
  readonly resources: Readonly<Record<string, ApiResource>>;
  // As metrics-server's own APIService has it.
  readonly priority = { group: 100, version: 100 };
  #reader: MetricsReader | undefined;

  constructor() {
    const data = groupData('metrics.k8s.io')!;
    this.data = { ...data, resources: data.resources.map(resource => ({ ...resource, columns })) };
    this.resources = {
      nodes: {
        type: 'virtual',
        row: object => rowOf(object as Metrics, [(object as unknown as { usage: Usage }).usage]),
        get: async (_namespace, name) => this.#node(await entryOf(this.reader.client.resource(Resources.Nodes), name)),
        list: async () => {
          const { entries } = await this.reader.client.resource(Resources.Nodes).list();
          return entries.flatMap(entry => this.#node(entry) ?? []);
        },
      },
      pods: {
        type: 'virtual',
        row: object => {
          const { containers } = object as unknown as { containers: { usage: Usage }[] };
          return rowOf(
            object as Metrics,
            containers.map(({ usage }) => usage),
          );
        },
        get: async (namespace, name) => this.#pod(await entryOf(this.reader.client.resource(Resources.Pods, namespace), name)),
        list: async namespace => {
          const { entries } = await this.reader.client.resource(Resources.Pods, namespace || undefined).list();
          return entries.flatMap(entry => this.#pod(entry) ?? []);
        },
      },
    };
  }

  open(reader: MetricsReader): void {
    this.#reader = reader;
  }

  close(): void {
    this.#reader = undefined;
  }

  get reader(): MetricsReader {
    if (!this.#reader) throw serviceUnavailable('metrics are not gathered yet');
    return this.#reader;
  }

  #node(entry: ObjectEntry<unknown> | undefined): KubeObject | undefined {
    const rate = entry && this.reader.store.node(entry.name);
    if (!rate) return undefined;
    return { ...this.#head('NodeMetrics', entry, [rate]), usage: usageOf(rate) } as KubeObject;
  }

  #pod(entry: ObjectEntry<unknown> | undefined): KubeObject | undefined {
    const rates = entry && this.reader.store.pod(entry.namespace, entry.name);
    // Its name may have been another pod's.
    if (!rates || rates.uid !== entry.uid) return undefined;
    const containers = rates.containers.map(rate => ({ name: rate.name, usage: usageOf(rate) }));
    return { ...this.#head('PodMetrics', entry, rates.containers), containers } as KubeObject;
  }

  #head(kind: string, { name, namespace, labels }: ObjectEntry<unknown>, rates: readonly UsageRate[]): Metrics {
    const earliest = rates.reduce((a, b) => (b.timeMs < a.timeMs ? b : a));
    const scope = namespace ? { namespace } : {};
    const creationTimestamp = formatTime(this.reader.nowMs());
    return {
      kind,
      apiVersion: 'metrics.k8s.io/v1beta1',
      metadata: { name, ...scope, creationTimestamp, ...(Object.keys(labels).length > 0 ? { labels } : {}) },
      timestamp: formatTime(earliest.timeMs),
      window: formatDuration(BigInt(Math.round(earliest.windowMs)) * 1_000_000n),
    };
  }
}

async function entryOf(
  resource: { list(options: { fieldSelector: string }): Promise<{ entries: readonly ObjectEntry<unknown>[] }> },
  name: string,
): Promise<ObjectEntry<unknown> | undefined> {
  return (await resource.list({ fieldSelector: `metadata.name=${name}` })).entries[0];
}

function usageOf({ cpuNanocores, memoryBytes }: UsageRate): Usage {
  return {
    cpu: Quantity.parse(`${cpuNanocores}n`).toString(),
    memory: Quantity.parse(String(Math.round(memoryBytes)))
      .withFormat('BinarySI')
      .toString(),
  };
}

function rowOf({ metadata, window }: Metrics, usages: readonly Usage[]): unknown[] {
  const sum = (name: string): string =>
    usages
      .map(usage => Quantity.parse(usage[name] ?? '0'))
      .reduce((a, b) => a.add(b))
      .toString();
  return [metadata.name, sum('cpu'), sum('memory'), window];
}
