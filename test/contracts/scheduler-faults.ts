import { ContainerModule } from '../../core/plugin-api/index.js';
import type { Event, Node, Pod, PodSpec } from '../../core/plugin-api/index.js';
import { ApiTransport } from '../../core/contracts/api-transport.js';
import { Clock } from '../../core/contracts/clock.js';
import { Logger } from '../../core/contracts/logger.js';
import { Part } from '../../core/contracts/part.js';
import { PluginOptions } from '../../core/contracts/plugin-options.js';
import { ResourceCatalogue } from '../../core/contracts/resource-catalogue.js';
import { definePlugin } from '../../core/plugin-api/descriptor.js';
import { SchedulerPart } from '../../core/scheduler/scheduler-part.js';
import { faultyTransport } from './faulty-transport.js';
import type { Lies } from './faulty-transport.js';

export interface Fault {
  readonly name: string;
  /** The case of the suite that must notice it. */
  readonly noticedBy: string;
  readonly lies?: () => Lies;
  /** Starts that do nothing, and stops that leave everything running. */
  readonly never?: 'starts again' | 'stops';
}

/** The scheduler reads pods, or nodes, so. */
const pods = (change: (pod: Pod) => Pod | undefined) => (): Lies => ({
  read: (resource, object) => (resource === 'pods' ? change(structuredClone(object as Pod)) : object),
});
const nodes = (change: (node: Node) => Node | undefined) => (): Lies => ({
  read: (resource, object) => (resource === 'nodes' ? change(structuredClone(object as Node)) : object),
});
const spec = (...fields: (keyof PodSpec)[]) =>
  pods(pod => {
    for (const field of fields) delete (pod.spec as Partial<PodSpec>)[field];
    return pod;
  });
const affinity = (kind: 'nodeAffinity' | 'podAntiAffinity') =>
  pods(pod => {
    delete pod.spec.affinity?.[kind]?.requiredDuringSchedulingIgnoredDuringExecution;
    return pod;
  });
const deaf =
  (to: string, ...types: string[]) =>
  (): Lies => ({
    hears: (resource, { type }) => resource !== to || !types.includes(type),
  });
const writes =
  <T>(resource: string, change: (object: T) => T | undefined) =>
  (): Lies => ({
    write: (written, object) => (written === resource ? change(structuredClone(object as T)) : object),
  });

/** Those that name their node are there before the scheduler has seen them waiting. */
function hidesPlaced(): Lies {
  const waiting = new Set<string>();
  return {
    read(resource, object) {
      if (resource !== 'pods') return object;
      const { metadata, spec: of } = object as Pod;
      if (!of.nodeName) waiting.add(metadata.uid!);
      return waiting.has(metadata.uid!) ? object : undefined;
    },
  };
}

/** Once a pod was refused, nothing is heard of any. */
function blocks(): Lies {
  let isBlocked = false;
  return {
    write(resource, object) {
      if (resource === 'pods/status') isBlocked = true;
      return object;
    },
    hears: resource => resource !== 'pods' || !isBlocked,
  };
}

export const faults: readonly Fault[] = [
  {
    name: 'loses its bindings',
    noticedBy: 'a pod is bound to a node that fits, and condition and event say so',
    lies: writes('pods/binding', () => undefined),
  },
  {
    name: 'writes no event of a binding',
    noticedBy: 'a pod is bound to a node that fits, and condition and event say so',
    lies: writes<Event>('events', event => (event.reason === 'Scheduled' ? undefined : event)),
  },
  {
    name: 'never sees a gate go',
    noticedBy: 'what scheduling gates hold back is left alone until the last gate is gone',
    lies: pods(pod =>
      pod.metadata.name === 'gated' ? { ...pod, spec: { ...pod.spec, schedulingGates: [{ name: 'x' }] } } : pod,
    ),
  },
  {
    name: "takes another's pods",
    noticedBy: "another scheduler's pods are left alone, and those that it bound count",
    lies: pods(pod => ({ ...pod, spec: { ...pod.spec, schedulerName: 'default-scheduler' } })),
  },
  {
    name: "does not count another's pods",
    noticedBy: "another scheduler's pods are left alone, and those that it bound count",
    lies: pods(pod => (pod.spec.schedulerName === 'default-scheduler' ? pod : undefined)),
  },
  {
    name: 'does not count pods that name their node',
    noticedBy: 'a pod that names its node counts there',
    lies: hidesPlaced,
  },
  {
    name: 'fills one node first',
    noticedBy: 'pods spread over equal nodes instead of filling one',
    lies: nodes(node => (node.metadata.name === 'n1' ? node : undefined)),
  },
  {
    name: 'ignores preferences',
    noticedBy: 'of nodes that fit, the preferred one is taken',
    lies: nodes(node => (node.metadata.name === 'n2' ? undefined : node)),
  },
  {
    name: 'does not count CPU',
    noticedBy: 'of many pods at once each is bound once, and no node gets more than it has',
    lies: pods(withoutRequests('cpu')),
  },
  {
    name: 'does not count memory',
    noticedBy: 'no node gets more than it has: CPU, memory, pods, resources of others',
    lies: pods(withoutRequests('memory')),
  },
  {
    name: 'does not count what others add to a node',
    noticedBy: 'no node gets more than it has: CPU, memory, pods, resources of others',
    lies: pods(withoutRequests('x.org/gpu')),
  },
  {
    name: 'does not count pods',
    noticedBy: 'no node gets more than it has: CPU, memory, pods, resources of others',
    lies: nodes(node => {
      if (node.status.allocatable) node.status.allocatable.pods = '110';
      return node;
    }),
  },
  {
    name: 'does not count init containers',
    noticedBy: 'init containers count with the most that they ask for, sidecars with all',
    lies: spec('initContainers'),
  },
  {
    name: 'takes sidecars for init containers',
    noticedBy: 'init containers count with the most that they ask for, sidecars with all',
    lies: pods(pod => {
      for (const container of pod.spec.initContainers ?? []) delete container.restartPolicy;
      return pod;
    }),
  },
  { name: 'ignores nodeSelector', noticedBy: 'nodeSelector and required node affinity', lies: spec('nodeSelector') },
  { name: 'ignores node affinity', noticedBy: 'nodeSelector and required node affinity', lies: affinity('nodeAffinity') },
  {
    name: 'ignores taints',
    noticedBy: 'taints and cordons keep pods away that do not tolerate them',
    lies: nodes(node => {
      delete node.spec?.taints;
      return node;
    }),
  },
  {
    name: 'takes a preference for a rule',
    noticedBy: 'a taint that only prefers others is a matter of taste',
    lies: nodes(node => {
      for (const taint of node.spec?.taints ?? []) taint.effect = 'NoSchedule';
      return node;
    }),
  },
  {
    name: 'ignores host ports',
    noticedBy: 'two pods never share a host port',
    lies: pods(pod => {
      for (const container of pod.spec.containers) delete container.ports;
      return pod;
    }),
  },
  {
    name: 'takes every host port for the same',
    noticedBy: 'two pods never share a host port',
    lies: pods(pod => {
      for (const { ports = [] } of pod.spec.containers) for (const port of ports) port.protocol = 'TCP';
      return pod;
    }),
  },
  { name: 'ignores anti-affinity', noticedBy: 'required pod affinity and anti-affinity', lies: affinity('podAntiAffinity') },
  {
    name: 'ignores topology spread',
    noticedBy: 'topology spread that must not be broken',
    lies: spec('topologySpreadConstraints'),
  },
  {
    name: 'ignores volumes',
    noticedBy: 'a pod goes where its volumes are, and waits for those that are not there',
    lies: spec('volumes'),
  },
  {
    name: 'does not know priorities',
    noticedBy: 'a pod of higher priority drives others out where nothing else helps',
    lies: spec('priority'),
  },
  {
    name: 'does not say why a pod waits',
    noticedBy: 'a pod that fits nowhere waits, and condition and event say why',
    lies: writes('pods/status', () => undefined),
  },
  {
    name: 'calls a pod that does not fit an error',
    noticedBy: 'a pod that fits nowhere waits, and condition and event say why',
    lies: writes<Pick<Pod, 'status'>>('pods/status', patch => {
      for (const condition of patch.status.conditions ?? []) condition.reason = 'SchedulerError';
      return patch;
    }),
  },
  {
    name: 'writes no event of a pod that waits',
    noticedBy: 'a pod that fits nowhere waits, and condition and event say why',
    lies: writes<Event>('events', event => (event.reason === 'FailedScheduling' ? undefined : event)),
  },
  { name: 'stands still behind a pod that waits', noticedBy: 'a waiting pod holds nobody up', lies: blocks },
  {
    name: 'hears of no new node',
    noticedBy: 'a waiting pod is bound when a node comes',
    lies: deaf('nodes', 'ADDED', 'MODIFIED'),
  },
  {
    name: 'never looks at a node again',
    noticedBy: 'a waiting pod is bound when a node changes so that it fits',
    lies: () => ({
      hears: (resource, { object }) => resource !== 'nodes' || keepsAll(object as Node),
    }),
  },
  {
    name: 'does not see pods go',
    noticedBy: 'a waiting pod is bound when another one goes or ends',
    lies: deaf('pods', 'DELETED'),
  },
  {
    name: 'does not see pods end',
    noticedBy: 'a waiting pod is bound when another one goes or ends',
    lies: () => ({ hears: (resource, { object }) => resource !== 'pods' || (object as Pod).status.phase !== 'Succeeded' }),
  },
  {
    name: 'does not see nodes go',
    noticedBy: 'a node that is gone gets no more pods, and one of its name is a new one',
    lies: deaf('nodes', 'DELETED'),
  },
  {
    name: 'never starts again',
    noticedBy: 'after a restart it goes on: what was bound counts, what came or went meanwhile too',
    never: 'starts again',
  },
  {
    name: 'has forgotten after a restart what it bound',
    noticedBy: 'after a restart it goes on: what was bound counts, what came or went meanwhile too',
    lies: hidesPlaced,
  },
  {
    name: 'takes pods in the order of their names',
    noticedBy: 'while it is stopped nothing is bound, and then what waited is taken by priority',
    lies: spec('priority'),
  },
  {
    name: 'does not stop',
    noticedBy: 'while it is stopped nothing is bound, and then what waited is taken by priority',
    never: 'stops',
  },
];

const keepsAll = ({ spec: of }: Node): boolean => Boolean(of?.unschedulable ?? of?.taints?.length);

function withoutRequests(name: string): (pod: Pod) => Pod {
  return pod => {
    for (const { resources } of pod.spec.containers) {
      delete resources?.requests?.[name];
      delete resources?.limits?.[name];
    }
    return pod;
  };
}

class FaultyScheduler implements Part {
  readonly #fault: Fault | undefined;
  readonly #make: () => SchedulerPart;
  #part: SchedulerPart | undefined;
  #starts = 0;

  constructor(fault: Fault | undefined, make: () => SchedulerPart) {
    this.#fault = fault;
    this.#make = make;
  }

  async start(): Promise<void> {
    if (this.#starts++ > 0 && this.#fault?.never === 'starts again') return;
    this.#part = this.#make();
    this.#part.start();
  }

  ready(signal: AbortSignal): Promise<void> | undefined {
    return this.#part?.ready(signal);
  }

  async stop(): Promise<void> {
    const part = this.#part;
    this.#part = undefined;
    if (this.#fault?.never !== 'stops') await part?.stop();
  }
}

/** Ours, made to break one promise: `--scheduler-fault NAME`. */
export const plugin = definePlugin<{ fault: string }>({
  id: 'faulty-scheduler',
  slot: 'scheduler',
  contract: 1,
  requires: ['apiserver'],
  options: { fault: { default: '', format: String, doc: 'name of the fault; empty: none' } },
  flags: { 'scheduler-fault': { option: 'fault', kind: 'string', summary: 'what to break' } },
  load: async () => ({
    module: new ContainerModule(({ bind }) => {
      bind(Part).toResolvedValue(
        (transport: ApiTransport, catalogue: ResourceCatalogue, clock: Clock, logger: Logger, options: { fault: string }) => {
          const fault = faults.find(({ name }) => name === options.fault);
          return new FaultyScheduler(fault, () => {
            // Each start has lies of its own, as it has memories of its own.
            const lied = faultyTransport(transport, fault?.lies?.() ?? {});
            return new SchedulerPart({ transport: lied, catalogue, clock, logger });
          });
        },
        [ApiTransport, ResourceCatalogue, Clock, Logger, PluginOptions],
      );
    }),
  }),
});
