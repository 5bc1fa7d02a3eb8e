import type { Lease, Node, NodeCondition } from '../api/generated/types.js';
import { formatTime, parseTime } from '../api/time.js';
import type { ControllersTuning } from './controller.js';

/** Pure parts of the node lifecycle. Source: pkg/controller/nodelifecycle. */
export interface NodeHealth {
  /** When the node last gave a sign of life, by our own clock that nobody sets. */
  probeMs: number;
  hasReady: boolean;
  heartbeat: string | null | undefined;
  renewTime: string | undefined;
}

/** One moment, by the wall clock and by the one that only goes on. */
export interface Moment {
  readonly nowMs: number;
  readonly monotonicMs: number;
}

const graceMs = 50_000;
const startupGraceMs = 60_000;
const watchedConditions = ['Ready', 'MemoryPressure', 'DiskPressure', 'PIDPressure'];

export function nodeCondition(node: Node, type: string): NodeCondition | undefined {
  return node.status?.conditions?.find(condition => condition.type === type);
}

/** The health after a look at the node and its lease. */
export function observeHealth(
  known: NodeHealth | undefined,
  node: Node,
  lease: Lease | undefined,
  { nowMs, monotonicMs }: Moment,
): NodeHealth {
  const ready = nodeCondition(node, 'Ready');
  const ageMs = Math.max(0, nowMs - (parseTime(node.metadata.creationTimestamp) ?? nowMs));
  const health: NodeHealth = known
    ? { ...known }
    : {
        probeMs: ready ? monotonicMs : monotonicMs - ageMs,
        hasReady: ready !== undefined,
        heartbeat: ready?.lastHeartbeatTime,
        renewTime: undefined,
      };
  if (health.hasReady !== (ready !== undefined) || (ready && health.heartbeat !== ready.lastHeartbeatTime)) {
    health.probeMs = monotonicMs;
    health.hasReady = ready !== undefined;
    health.heartbeat = ready?.lastHeartbeatTime;
  }
  const renewTime = lease?.spec?.renewTime;
  // Whatever it says: a node whose clock was set back is alive, too.
  if (renewTime && renewTime !== health.renewTime) {
    health.renewTime = renewTime;
    health.probeMs = monotonicMs;
  }
  return health;
}

/** The conditions of a node that has been silent for too long; undefined while there is nothing to write. */
export function silentConditions(
  node: Node,
  health: NodeHealth,
  { nowMs, monotonicMs }: Moment,
  { nodeMonitorGraceMs = graceMs, nodeStartupGraceMs = startupGraceMs }: ControllersTuning = {},
): NodeCondition[] | undefined {
  const ready = nodeCondition(node, 'Ready');
  if (monotonicMs <= health.probeMs + (ready ? nodeMonitorGraceMs : nodeStartupGraceMs)) return undefined;
  if (ready?.status === 'Unknown') return undefined;
  const now = formatTime(nowMs);
  const conditions = (node.status?.conditions ?? []).map(condition =>
    watchedConditions.includes(condition.type) && condition.status !== 'Unknown'
      ? {
          ...condition,
          status: 'Unknown',
          reason: 'NodeStatusUnknown',
          message: 'Kubelet stopped posting node status.',
          lastTransitionTime: now,
        }
      : condition,
  );
  for (const type of watchedConditions) {
    if (conditions.some(condition => condition.type === type)) continue;
    conditions.push({
      type,
      status: 'Unknown',
      reason: 'NodeStatusNeverUpdated',
      message: 'Kubelet never posted node status.',
      lastHeartbeatTime: node.metadata.creationTimestamp ?? now,
      lastTransitionTime: now,
    });
  }
  return conditions;
}

/** Region and zone; '' for a node without both. */
export function zoneOf({ metadata: { labels = {} } }: Node): string {
  const region = labels['topology.kubernetes.io/region'] ?? labels['failure-domain.beta.kubernetes.io/region'] ?? '';
  const zone = labels['topology.kubernetes.io/zone'] ?? labels['failure-domain.beta.kubernetes.io/zone'] ?? '';
  return region || zone ? `${region}:\0:${zone}` : '';
}

export type ZoneState = 'Initial' | 'Normal' | 'PartialDisruption' | 'FullDisruption';

const unhealthyThreshold = 0.55;
const largeClusterNodes = 50;
export const evictionsPerSecond = 0.1;
const secondaryEvictionsPerSecond = 0.01;

/** By whether the nodes of the zone are ready. */
export function zoneState(ready: readonly boolean[]): ZoneState {
  const healthy = ready.filter(Boolean).length;
  const unhealthy = ready.length - healthy;
  if (healthy === 0 && unhealthy > 0) return 'FullDisruption';
  return unhealthy > 2 && unhealthy / ready.length >= unhealthyThreshold ? 'PartialDisruption' : 'Normal';
}

/** How fast nodes of a zone are emptied, while not all zones are down. */
export function evictionRate(state: ZoneState, nodes: number): number {
  if (state !== 'PartialDisruption') return evictionsPerSecond;
  return nodes > largeClusterNodes ? secondaryEvictionsPerSecond : 0;
}

const conditionTaints: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  Ready: { False: 'node.kubernetes.io/not-ready', Unknown: 'node.kubernetes.io/unreachable' },
  MemoryPressure: { True: 'node.kubernetes.io/memory-pressure' },
  DiskPressure: { True: 'node.kubernetes.io/disk-pressure' },
  NetworkUnavailable: { True: 'node.kubernetes.io/network-unavailable' },
  PIDPressure: { True: 'node.kubernetes.io/pid-pressure' },
};
const unschedulableTaint = 'node.kubernetes.io/unschedulable';

/** Keys of NoSchedule taints that belong to conditions or to `unschedulable`. */
export const conditionTaintKeys: ReadonlySet<string> = new Set([
  unschedulableTaint,
  ...Object.values(conditionTaints).flatMap(byStatus => Object.values(byStatus)),
]);

/** Those that the node should have now. */
export function wantedConditionTaints(node: Node): Set<string> {
  const keys = new Set<string>();
  for (const { type, status } of node.status?.conditions ?? []) {
    const key = conditionTaints[type]?.[status];
    if (key) keys.add(key);
  }
  if (node.spec?.unschedulable) keys.add(unschedulableTaint);
  return keys;
}
