import {
  ApiGroup,
  ApiTransport,
  Clock,
  ContainerModule,
  Logger,
  MetricsSource,
  Part,
  PluginOptions,
} from '../../core/plugin-api/index.js';
import type { ApiResource, ContainerUsage, GroupData, KubeObject, NodeUsage } from '../../core/plugin-api/index.js';
import { definePlugin } from '../../core/plugin-api/descriptor.js';
import { contractToken } from '../../core/plugin-api/slots.js';
import { MetricsGroup } from '../../plugins/metrics/metrics-server/metrics-group.js';
import { metricsServerManifests } from '../../plugins/metrics/metrics-server/metrics-server-manifests.js';
import { MetricsServerPart } from '../../plugins/metrics/metrics-server/metrics-server-part.js';

interface Metrics {
  readonly kind: string;
  readonly metadata: { readonly name: string; labels?: object };
  timestamp: string;
  window: string;
  usage?: { cpu: string; memory: string };
  containers?: { usage: { cpu: string; memory: string } }[];
}

/** How a sound plugin is made to break a promise. */
interface Lies {
  /** Instead of what a source answers. */
  readonly source?: (ask: () => Promise<readonly NodeUsage[]>) => Promise<readonly NodeUsage[]>;
  /** Instead of what it tells. */
  readonly told?: (objects: Metrics[]) => Metrics[];
  readonly stored?: true;
  readonly never?: 'starts again' | 'stops';
}

export interface Fault {
  readonly name: string;
  /** The case of the suite that must notice it. */
  readonly noticedBy: string;
  /** Absent: the plugin without the role is taken. */
  readonly lies?: () => Lies;
}

const each = (change: (object: Metrics) => void) => (): Lies => ({
  told: objects =>
    objects.map(object => {
      const copy = structuredClone(object);
      change(copy);
      return copy;
    }),
});

const containers = (change: (container: ContainerUsage) => ContainerUsage | undefined) => (): Lies => ({
  source: async ask =>
    (await ask()).map(node => ({
      ...node,
      pods: node.pods.map(pod => ({ ...pod, containers: pod.containers.flatMap(container => change(container) ?? []) })),
    })),
});

function wraps(): Lies {
  const last = new Map<string, number>();
  return containers(container => {
    const before = last.get(container.name) ?? 0;
    let cpuUsageCoreNanos = container.cpuUsageCoreNanos;
    while (cpuUsageCoreNanos < before) cpuUsageCoreNanos += 2 ** 45;
    last.set(container.name, cpuUsageCoreNanos);
    return { ...container, cpuUsageCoreNanos };
  })();
}

function stuckAfterTwo(): Lies {
  const answers: (readonly NodeUsage[])[] = [];
  return {
    source: async ask => {
      if (answers.length < 2) answers.push(await ask());
      else await ask();
      return answers.at(-1)!;
    },
  };
}

/** Goes on telling what it once told. */
function remembers(): Lies {
  const known = new Map<string, Metrics>();
  return {
    told: objects => {
      for (const object of objects) known.set(object.metadata.name, object);
      return [...known.values()].filter(({ kind }) => kind === 'PodMetrics');
    },
  };
}

function forgetsAtFailure(): Lies {
  let isLost = false;
  return {
    source: async ask => {
      try {
        return await ask();
      } catch (error) {
        isLost = true;
        throw error;
      }
    },
    told: objects => (isLost ? [] : objects),
  };
}

function neverAsksAgain(): Lies {
  let failure: unknown;
  return {
    source: async ask => {
      if (failure) throw failure;
      return ask().catch(error => {
        failure = error;
        throw error;
      });
    },
  };
}

function waitsForEver(): Lies {
  let waiting: Promise<readonly NodeUsage[]> | undefined;
  return { source: ask => (waiting ??= ask().finally(() => (waiting = undefined))) };
}

const rates = 'CPU is what was used between two measurements, memory what is used now';
const restart = 'while it is away the API says so, and after a restart it measures again';
const selected = 'pods are found by namespace, name and label';

export const faults: readonly Fault[] = [
  {
    name: 'makes no rate of the counter',
    noticedBy: rates,
    lies: each(({ usage }) => {
      if (usage) usage.cpu = '30';
    }),
  },
  {
    name: 'takes kilobytes for bytes',
    noticedBy: rates,
    lies: each(object => {
      for (const { usage } of object.containers ?? []) usage.memory = `${parseInt(usage.memory)}Ki`;
    }),
  },
  {
    name: 'does not measure again',
    noticedBy: 'what changes is seen at the next measurement, without what was before',
    lies: stuckAfterTwo,
  },
  {
    name: 'calls what it does not know nothing',
    noticedBy: 'what is not known yet is left out, and never told as nothing',
    lies: () => ({
      told: objects => {
        const nothing = { metadata: { name: 'web', namespace: 'default' }, containers: [] };
        const time = { timestamp: new Date().toISOString(), window: '1s' };
        return objects.length > 0
          ? objects
          : [{ kind: 'PodMetrics', apiVersion: 'metrics.k8s.io/v1beta1', ...nothing, ...time } as Metrics];
      },
    }),
  },
  {
    name: 'tells of half a pod',
    noticedBy: 'a pod is told of when all its containers are known',
    lies: containers(container => (container.name === 'late' ? undefined : container)),
  },
  {
    name: 'takes a counter that began again for one that went round',
    noticedBy: 'a counter that began again never makes a figure below zero or a wild one',
    lies: wraps,
  },
  {
    name: 'tells when it was asked, in another zone',
    noticedBy: 'time and window say when it was measured',
    lies: each(object => (object.timestamp = new Date(Date.now() + 7_200_000).toISOString())),
  },
  {
    name: 'tells a window that nobody can read',
    noticedBy: 'time and window say when it was measured',
    lies: each(object => (object.window = '20')),
  },
  { name: 'leaves labels out', noticedBy: selected, lies: each(({ metadata }) => delete metadata.labels) },
  { name: 'tells of the dead', noticedBy: 'what is gone is not told of, whatever the sources say', lies: remembers },
  { name: 'takes a name for a pod', noticedBy: 'a pod of the same name is another pod', lies: remembers },
  { name: 'lets itself be written to', noticedBy: 'nobody can write them', lies: () => ({ stored: true }) },
  { name: 'gives nobody the right to read', noticedBy: 'who may view a namespace may read its pods, and nobody else' },
  {
    name: 'forgets everything when a source fails',
    noticedBy: 'a source that fails is asked again, and what it said before is not taken back at once',
    lies: forgetsAtFailure,
  },
  {
    name: 'gives a source up',
    noticedBy: 'a source that fails is asked again, and what it said before is not taken back at once',
    lies: neverAsksAgain,
  },
  {
    name: 'waits for an answer for ever',
    noticedBy: 'a source that never answers keeps nobody waiting for ever',
    lies: waitsForEver,
  },
  { name: 'goes on telling while it is stopped', noticedBy: restart, lies: () => ({ never: 'stops' }) },
  { name: 'never starts again', noticedBy: restart, lies: () => ({ never: 'starts again' }) },
];

/** A group whose answers are altered. */
class FaultyGroup implements ApiGroup {
  readonly sound = new MetricsGroup();
  readonly data: GroupData = this.sound.data;
  readonly resources: Readonly<Record<string, ApiResource>>;

  constructor({ told = objects => objects, stored }: Lies) {
    this.resources = Object.fromEntries(
      Object.entries(this.sound.resources).map(([name, resource]): [string, ApiResource] => {
        if (stored || resource.type !== 'virtual') return [name, { type: 'stored' }];
        const list = async (namespace: string): Promise<KubeObject[]> =>
          told((await resource.list(namespace)) as unknown as Metrics[]) as unknown as KubeObject[];
        const get = async (namespace: string, wanted: string): Promise<KubeObject | undefined> =>
          (await list(namespace)).find(({ metadata }) => metadata.name === wanted);
        return [name, { ...resource, list, get }];
      }),
    );
  }
}

class FaultyMetrics implements Part {
  readonly #part: MetricsServerPart;
  readonly #never: Lies['never'];
  #starts = 0;

  constructor(part: MetricsServerPart, never: Lies['never']) {
    this.#part = part;
    this.#never = never;
  }

  start(): void {
    if (this.#never !== 'starts again' || this.#starts === 0) this.#part.start();
    this.#starts++;
  }

  async stop(): Promise<void> {
    // The second is the cluster's end.
    if (this.#never !== 'stops' || this.#starts > 1) await this.#part.stop();
  }
}

export const common = {
  slot: 'metrics',
  contract: 1,
  requires: ['apiserver'],
  after: ['core', 'kubelet', 'metrics-sources'],
  provides: [contractToken({ id: 'api-groups', contract: 1 })],
  load: async () => ({
    module: new ContainerModule(({ bind }) => {
      const lies = Symbol('lies');
      bind(lies).toResolvedValue(
        (options: { fault?: string }) => faults.find(({ name }) => name === options.fault)?.lies?.() ?? {},
        [PluginOptions],
      );
      bind(FaultyGroup).toResolvedValue((told: Lies) => new FaultyGroup(told), [lies]);
      bind(ApiGroup).toService(FaultyGroup);
      bind(Part).toResolvedValue(
        (told: Lies, group: FaultyGroup, transport: ApiTransport, all: MetricsSource[], clock: Clock, logger: Logger) => {
          const sources = all.map((source): MetricsSource => ({
            usage: signal => (told.source ? told.source(() => source.usage(signal)) : source.usage(signal)),
          }));
          const part = new MetricsServerPart({ group: group.sound, transport, sources, resolutionMs: 15_000, clock, logger });
          return new FaultyMetrics(part, told.never);
        },
        [lies, FaultyGroup, ApiTransport, { isMultiple: true, serviceIdentifier: MetricsSource }, Clock, Logger],
      );
    }),
  }),
};

/** Ours, made to break one promise: `--metrics-fault NAME`. */
export const plugin = definePlugin<{ fault: string }>({
  ...common,
  id: 'faulty-metrics',
  manifests: metricsServerManifests,
  options: { fault: { default: '', format: String, doc: 'name of the fault; empty: none' } },
  flags: { 'metrics-fault': { option: 'fault', kind: 'string', summary: 'what to break' } },
});
