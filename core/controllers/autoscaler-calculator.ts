import { CodedError } from '../base/errors.js';
import type { Pod } from '../api/generated/types.js';
import { hasPodLevelRequests, podRequests } from '../api/pod-resources.js';
import { isPodReady, isSidecar, podCondition } from '../api/pods.js';
import { parseTime } from '../api/time.js';
import { Quantity } from '../machinery/quantity.js';
import type { PodMetricsByName } from './autoscaler-metrics.js';

/** How many replicas metrics ask for. Pure. Source: pkg/controller/podautoscaler replica_calculator. */
const cpuInitializationMs = 300_000;
const initialReadinessMs = 30_000;
const largest = 2 ** 31 - 1;

/** How far from its target a ratio may be without anything being done. */
export interface Tolerances {
  readonly down: number;
  readonly up: number;
}

export interface CalculatorInput {
  readonly pods: readonly Pod[];
  readonly metrics: PodMetricsByName;
  readonly currentReplicas: number;
  readonly tolerances: Tolerances;
  readonly nowMs: number;
  /** The resource measured; CPU of pods that just started does not count. */
  readonly resource?: string;
}

export interface Proposal {
  readonly replicas: number;
  /** Per pod, in thousandths. */
  readonly average: number;
  /** Percentage of requests. */
  readonly utilization?: number;
}

interface Measure {
  readonly ratio: number;
  readonly average: number;
  readonly utilization?: number;
}

function isWithin({ down, up }: Tolerances, ratio: number): boolean {
  return 1 - down <= ratio && ratio <= 1 + up;
}

/** By a share of what the pods request. Throws CodedError. */
export function replicasForUtilization(input: CalculatorInput, target: number, container?: string): Proposal {
  const resource = input.resource ?? '';
  const requests = new Map<string, number>();
  const fallback = Math.max(100, target);
  return calculate(input, {
    prepare: () => {
      for (const pod of input.pods) requests.set(pod.metadata.name, requestOf(pod, resource, container));
    },
    measure: metrics => {
      let used = 0;
      let requested = 0;
      let count = 0;
      for (const [name, { milliValue }] of metrics) {
        const request = requests.get(name);
        if (request === undefined) continue;
        used += milliValue;
        requested += request;
        count++;
      }
      if (requested === 0) throw new CodedError('NO_METRICS', 'no metrics returned matched known pods');
      const utilization = Math.trunc((used * 100) / requested);
      return { ratio: utilization / target, average: Math.trunc(used / count), utilization };
    },
    missing: name => Math.trunc(((requests.get(name) ?? 0) * fallback) / 100),
  });
}

/** By an amount per pod, in thousandths. Throws CodedError. */
export function replicasForAverage(input: CalculatorInput, targetMilli: number): Proposal {
  return calculate(input, {
    prepare: () => undefined,
    measure: metrics => {
      let total = 0;
      for (const { milliValue } of metrics.values()) total += milliValue;
      const average = Math.trunc(total / metrics.size);
      return { ratio: average / targetMilli, average };
    },
    missing: () => targetMilli,
  });
}

interface Rules {
  prepare(): void;
  measure(metrics: PodMetricsByName): Measure;
  /** What a pod without a sample is taken to use, where others use too little. */
  missing(podName: string): number;
}

function calculate(input: CalculatorInput, rules: Rules): Proposal {
  const { pods, currentReplicas, tolerances } = input;
  if (pods.length === 0) throw new CodedError('NO_PODS', 'no pods returned by selector while calculating replica count');
  const metrics: PodMetricsByName = new Map(input.metrics);
  const { ready, unready, missing, ignored } = groupPods(input);
  for (const name of [...ignored, ...unready]) metrics.delete(name);
  if (metrics.size === 0) {
    throw new CodedError('NO_METRICS', 'did not receive metrics for targeted pods (pods might be unready)');
  }
  rules.prepare();
  const { ratio, average, utilization } = rules.measure(metrics);
  const proposal = (replicas: number): Proposal => ({ replicas, average, ...(utilization === undefined ? {} : { utilization }) });
  const unreadyCount = unready.length > 0 && ratio > 1;
  if (!unreadyCount && missing.length === 0) {
    return proposal(isWithin(tolerances, ratio) ? currentReplicas : Math.ceil(ratio * ready));
  }
  // Whoever did not report is taken to stand against the change: as full where the others are idle, as idle where they are full.
  const pretend = (name: string, milliValue: number): unknown => metrics.set(name, { milliValue, timestampMs: 0, windowMs: 0 });
  if (ratio < 1) for (const name of missing) pretend(name, rules.missing(name));
  else if (ratio > 1) for (const name of missing) pretend(name, 0);
  if (unreadyCount) for (const name of unready) pretend(name, 0);
  const { ratio: second } = rules.measure(metrics);
  const turns = (ratio < 1 && second > 1) || (ratio > 1 && second < 1);
  if (isWithin(tolerances, second) || turns) return proposal(currentReplicas);
  const replicas = Math.ceil(second * metrics.size);
  const against = (second < 1 && replicas > currentReplicas) || (second > 1 && replicas < currentReplicas);
  return proposal(against ? currentReplicas : replicas);
}

function groupPods({ pods, metrics, resource, nowMs }: CalculatorInput): {
  ready: number;
  unready: string[];
  missing: string[];
  ignored: string[];
} {
  const groups = { ready: 0, unready: [] as string[], missing: [] as string[], ignored: [] as string[] };
  for (const pod of pods) {
    const { name, deletionTimestamp } = pod.metadata;
    const metric = metrics.get(name);
    if (deletionTimestamp || pod.status?.phase === 'Failed') groups.ignored.push(name);
    else if (pod.status?.phase === 'Pending') groups.unready.push(name);
    else if (!metric) groups.missing.push(name);
    else if (resource === 'cpu' && isStarting(pod, metric.timestampMs - metric.windowMs, nowMs)) groups.unready.push(name);
    else groups.ready++;
  }
  return groups;
}

/** Whether the CPU that the pod uses may be that of its start. */
function isStarting(pod: Pod, sampledSinceMs: number, nowMs: number): boolean {
  const ready = podCondition(pod, 'Ready');
  const startedMs = parseTime(pod.status?.startTime);
  if (!ready || startedMs === undefined) return true;
  const changedMs = parseTime(ready.lastTransitionTime) ?? 0;
  const isUnready = ready.status === 'False';
  if (startedMs + cpuInitializationMs > nowMs) return isUnready || sampledSinceMs < changedMs;
  return isUnready && startedMs + initialReadinessMs > changedMs;
}

function requestOf(pod: Pod, resource: string, container: string | undefined): number {
  const { name } = pod.metadata;
  if (container === undefined && hasPodLevelRequests(pod.spec)) {
    const request = podRequests(pod).get(resource);
    if (!request) throw new CodedError('NO_REQUEST', `missing pod-level request for ${resource} in Pod ${name}`);
    return request.milliValue();
  }
  let total = 0;
  let found = false;
  for (const candidate of [...pod.spec.containers, ...(pod.spec.initContainers ?? []).filter(isSidecar)]) {
    if (container !== undefined && candidate.name !== container) continue;
    found = true;
    const request = candidate.resources?.requests?.[resource];
    if (request === undefined) {
      throw new CodedError('NO_REQUEST', `missing request for ${resource} in container ${candidate.name} of Pod ${name}`);
    }
    total += Quantity.parse(request).milliValue();
  }
  if (container !== undefined && !found) throw new CodedError('NO_REQUEST', `container ${container} not found in Pod ${name}`);
  return total;
}

/** By one value for all pods together. */
export function replicasForValue(
  input: Pick<CalculatorInput, 'pods' | 'currentReplicas' | 'tolerances'>,
  valueMilli: number,
  targetMilli: number,
): number {
  const ratio = valueMilli / targetMilli;
  if (input.currentReplicas === 0) return Math.ceil(ratio);
  if (isWithin(input.tolerances, ratio)) return input.currentReplicas;
  if (input.pods.length === 0) {
    const text = 'unable to calculate ready pods: no pods returned by selector while calculating replica count';
    throw new CodedError('NO_PODS', text);
  }
  const ready = input.pods.filter(pod => pod.status?.phase === 'Running' && isPodReady(pod)).length;
  return Math.min(largest, Math.ceil(ratio * ready));
}

/** By one value that is to be shared by the pods. */
export function replicasForShare(
  statusReplicas: number,
  tolerances: Tolerances,
  valueMilli: number,
  targetMilli: number,
): Proposal {
  const ratio = valueMilli / (targetMilli * statusReplicas);
  const replicas = isWithin(tolerances, ratio) ? statusReplicas : Math.min(largest, Math.ceil(valueMilli / targetMilli));
  return { replicas, average: Math.ceil(valueMilli / statusReplicas) };
}
