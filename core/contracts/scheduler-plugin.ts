import type { Node, Pod } from '../api/generated/types.js';

/**
 * Filters and scores of the scheduler, ours and third parties'. The scheduler calls them for one pod at a time, in the order of
 * registration (ours first), with upstream's extension points. Source: Kubernetes scheduling framework (KEP-624).
 *
 * `preEnqueue` to `normalizeScores` and `events` are synchronous: no cluster change happens between them, so what they are shown
 * is a snapshot. They must not keep or change it. A thrown error fails the attempt and the pod is tried again after a pause.
 */
export interface SchedulerPlugin {
  /** Unique; also the name in messages and in what the queue remembers of a rejection. */
  readonly name: string;
  /** Multiplies the plugin's scores; 1 when absent. */
  readonly weight?: number;

  /**
   * What may make a pod schedulable that this plugin rejected. Absent: any change in the cluster.
   */
  readonly events?: readonly PluginEvent[];

  /** Before a pod may wait for its turn. A rejected one stays out until an event of this plugin. */
  preEnqueue?(pod: Pod): SchedulingStatus | undefined;

  /** Once a pod and attempt. `Skip` leaves out this plugin's `filter`; a rejection holds for all nodes. */
  preFilter?(state: CycleState, pod: SchedulingPod, nodes: readonly SchedulingNode[]): PreFilterResult | undefined;
  /** Whether the pod may run on the node: undefined says yes. Called for every candidate node. */
  filter?(state: CycleState, pod: SchedulingPod, node: SchedulingNode): SchedulingStatus | undefined;
  /** Keeps the state of `preFilter` right when preemption tries a node with another pod (`added` is not yet or still counted). */
  addPod?(state: CycleState, pod: SchedulingPod, added: SchedulingPod, node: SchedulingNode): void;
  removePod?(state: CycleState, pod: SchedulingPod, removed: SchedulingPod, node: SchedulingNode): void;

  /** Once, when no node passed. Success with a node name nominates the node. */
  postFilter?(state: CycleState, pod: SchedulingPod, outcome: FilterOutcome): PostFilterResult;

  /** Once, with the nodes that passed, when there is more than one. `Skip` leaves out this plugin's `score`. */
  preScore?(state: CycleState, pod: SchedulingPod, nodes: readonly SchedulingNode[]): SchedulingStatus | undefined;
  /** A whole number; 0 to 100, or anything that `normalizeScores` brings there. */
  score?(state: CycleState, pod: SchedulingPod, node: SchedulingNode): number;
  /** Brings the scores into 0 to 100, in place; `nodes[i]` got `scores[i]`. */
  normalizeScores?(state: CycleState, pod: SchedulingPod, scores: number[], nodes: readonly SchedulingNode[]): void;

  /** The pod is taken to run on the node from here on. A failure calls `unreserve` of all plugins, this one included. */
  reserve?(state: CycleState, pod: SchedulingPod, nodeName: string): SchedulingStatus | undefined;
  /** Twice is harmless; must not throw. */
  unreserve?(state: CycleState, pod: SchedulingPod, nodeName: string): void;
  /** May hold a pod back (gangs, quotas): resolves when it may be bound, or with why not. Aborted when the pod goes away. */
  permit?(state: CycleState, pod: SchedulingPod, nodeName: string, signal: AbortSignal): Promise<SchedulingStatus | undefined>;
  /** Whether `preBind` has something to do; absent means yes. */
  needsPreBind?(state: CycleState, pod: SchedulingPod, nodeName: string): boolean;
  preBind?(state: CycleState, pod: SchedulingPod, nodeName: string, signal: AbortSignal): Promise<SchedulingStatus | undefined>;
  postBind?(state: CycleState, pod: SchedulingPod, nodeName: string): void;
}

export const SchedulerPlugin: unique symbol = Symbol.for('k3s/scheduler-plugins@1');

/**
 * Why not. `Unschedulable`: removing pods might help. `UnschedulableAndUnresolvable`: it would not. `Pending`: the plugin itself
 * will see to it, no back-off afterwards. `Skip`: nothing to do for this pod. `Error`: something broke; tried again.
 * Success is `undefined`.
 */
export interface SchedulingStatus {
  readonly code: 'Error' | 'Unschedulable' | 'UnschedulableAndUnresolvable' | 'Pending' | 'Skip';
  /** As users read them, counted over nodes: `node(s) had untolerated taint(s)`. */
  readonly reasons: readonly string[];
  /** The plugin that said so; filled in by the framework. */
  readonly plugin?: string;
}

export interface PreFilterResult {
  readonly status?: SchedulingStatus;
  /** The only nodes worth a look; absent: all. */
  readonly nodeNames?: ReadonlySet<string>;
}

export interface PostFilterResult {
  readonly status?: SchedulingStatus;
  /** The node that the pod waits for; '' takes an older nomination back, absent leaves it. */
  readonly nominatedNodeName?: string;
}

/** What the filters said, by node name; `absent` holds for nodes that were not asked. */
export interface FilterOutcome {
  readonly byNode: ReadonlyMap<string, SchedulingStatus>;
  readonly absent: SchedulingStatus;
}

/** What plugins remember through one attempt. Preemption works on copies: `clone` is called then. */
export interface CycleState {
  read<T extends StateData>(key: string): T | undefined;
  write(key: string, data: StateData): void;
}

export interface StateData {
  /** A copy that may be changed by `addPod` and `removePod`; `this` where they change nothing. */
  clone(): StateData;
}

export interface ResourceAmounts {
  readonly milliCpu: number;
  readonly memoryBytes: number;
  readonly ephemeralStorageBytes: number;
  /** Extended resources, huge pages and attachable volumes. */
  readonly scalars: ReadonlyMap<string, number>;
}

export interface SchedulingPod {
  /**
   * Whole while the pod is being scheduled. Of pods on nodes only names, labels, owners, deletion, node, scheduler, priority, volumes,
   * start time and the DisruptionTarget condition.
   */
  readonly pod: Pod;
  /** `namespace/name`. */
  readonly key: string;
  readonly priority: number;
  readonly requests: ResourceAmounts;
}

export interface SchedulingNode {
  readonly node: Node;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Bound pods and those about to be. */
  readonly pods: Iterable<SchedulingPod>;
  readonly podCount: number;
  readonly allowedPods: number;
  readonly allocatable: ResourceAmounts;
  readonly requested: ResourceAmounts;
}

export type ClusterEventResource =
  | 'Pod'
  | 'AssignedPod'
  | 'UnscheduledPod'
  | 'Node'
  | 'PersistentVolume'
  | 'PersistentVolumeClaim'
  | 'StorageClass'
  | 'CSINode'
  | 'CSIDriver'
  | 'CSIStorageCapacity'
  | 'VolumeAttachment'
  | 'DeviceClass'
  | 'ResourceClaim'
  | 'ResourceSlice'
  | '*';

/** Bits, so that one event can name several actions. */
export const ClusterAction = {
  Add: 1,
  Delete: 2,
  UpdateNodeAllocatable: 4,
  UpdateNodeLabel: 8,
  UpdateNodeTaint: 16,
  UpdateNodeCondition: 32,
  UpdateNodeAnnotation: 64,
  UpdatePodLabel: 128,
  UpdatePodScaleDown: 256,
  UpdatePodToleration: 512,
  UpdatePodSchedulingGatesEliminated: 1024,
  UpdateOther: 2048,
  /** Any update. */
  Update: 4 + 8 + 16 + 32 + 64 + 128 + 256 + 512 + 1024 + 2048,
  All: 4095,
} as const;

export interface ClusterEvent {
  readonly resource: ClusterEventResource;
  readonly action: number;
}

export interface PluginEvent extends ClusterEvent {
  /** Whether the change may help `pod`; absent: it may. `previous` and `next` as in an informer's handlers. */
  readonly mayHelp?: (pod: SchedulingPod, previous: unknown, next: unknown) => boolean;
}
