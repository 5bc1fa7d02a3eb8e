import { isRestartableInitContainer } from '../../api/pod-resources.js';
import type { ContainerStatus, Pod, PodCondition, PodStatus } from '../../api/generated/types.js';

/** Conditions that only the kubelet writes; all others it leaves as they are. Source: pkg/kubelet/types PodConditionByKubelet. */
export const kubeletConditions: ReadonlySet<string> = new Set([
  'PodScheduled',
  'Ready',
  'Initialized',
  'ContainersReady',
  'PodReadyToStartContainers',
  'PodResizePending',
  'PodResizeInProgress',
  'AllContainersRestarting',
]);

type Verdict = Pick<PodCondition, 'status' | 'reason' | 'message'>;

export interface ConditionInput {
  readonly pod: Pod;
  readonly phase: string;
  readonly containers: readonly ContainerStatus[];
  readonly initContainers: readonly ContainerStatus[];
  /** The pod's sandbox stands with its network. */
  readonly sandboxReady: boolean;
  /** Conditions of others, for readiness gates. */
  readonly others: readonly PodCondition[];
}

/** The kubelet's conditions without transition times. Source: pkg/kubelet/status/generate.go. */
export function podConditions(input: ConditionInput): PodCondition[] {
  const { pod, sandboxReady } = input;
  const containersReady = containersReadyVerdict(input);
  const make = (type: string, verdict: Verdict): PodCondition => ({
    type,
    ...(pod.metadata.generation ? { observedGeneration: pod.metadata.generation } : {}),
    ...verdict,
    lastProbeTime: null,
    lastTransitionTime: null,
  });
  return [
    make('PodReadyToStartContainers', { status: sandboxReady ? 'True' : 'False' }),
    make('Initialized', initializedVerdict(input)),
    make('Ready', containersReady.status === 'True' ? gatesVerdict(pod, input.others) : containersReady),
    make('ContainersReady', containersReady),
    make('PodScheduled', { status: 'True' }),
  ];
}

/** What Ready and ContainersReady say of a pod at its end. */
export function finishedVerdict(phase: string): Verdict {
  return { status: 'False', reason: phase === 'Failed' ? 'PodFailed' : 'PodCompleted' };
}

function containersReadyVerdict({ pod, phase, containers, initContainers }: ConditionInput): Verdict {
  const statuses = new Map([...initContainers, ...containers].map(status => [status.name, status]));
  const unknown: string[] = [];
  const unready: string[] = [];
  for (const { name } of [...(pod.spec.initContainers ?? []).filter(isRestartableInitContainer), ...pod.spec.containers]) {
    const status = statuses.get(name);
    if (!status) unknown.push(name);
    else if (!status.ready) unready.push(name);
  }
  if ((phase === 'Succeeded' && unknown.length === 0) || phase === 'Failed') return finishedVerdict(phase);
  const message = problems([
    ['unknown', unknown],
    ['unready', unready],
  ]);
  return message ? { status: 'False', reason: 'ContainersNotReady', message } : { status: 'True' };
}

function initializedVerdict({ pod, phase, containers, initContainers }: ConditionInput): Verdict {
  const statuses = new Map(initContainers.map(status => [status.name, status]));
  const unknown: string[] = [];
  const incomplete: string[] = [];
  for (const container of pod.spec.initContainers ?? []) {
    const status = statuses.get(container.name);
    if (!status) unknown.push(container.name);
    else if (!(isRestartableInitContainer(container) ? status.started : status.ready)) incomplete.push(container.name);
  }
  if (phase === 'Succeeded' && unknown.length === 0) return { status: 'True', reason: 'PodCompleted' };
  // A main container that has run tells that the pod was initialized once, though its sidecars may be restarting.
  if (containers.some(({ state, lastState }) => state.running || state.terminated || lastState.terminated)) {
    return { status: 'True' };
  }
  const message = problems([
    ['unknown', unknown],
    ['incomplete', incomplete],
  ]);
  return message ? { status: 'False', reason: 'ContainersNotInitialized', message } : { status: 'True' };
}

function gatesVerdict(pod: Pod, others: readonly PodCondition[]): Verdict {
  const messages: string[] = [];
  for (const { conditionType } of pod.spec.readinessGates ?? []) {
    const condition = others.find(({ type }) => type === conditionType);
    if (!condition) messages.push(`corresponding condition of pod readiness gate "${conditionType}" does not exist.`);
    else if (condition.status !== 'True') {
      messages.push(`the status of pod readiness gate "${conditionType}" is not "True", but ${condition.status}`);
    }
  }
  return messages.length > 0
    ? { status: 'False', reason: 'ReadinessGatesNotReady', message: messages.join(', ') }
    : { status: 'True' };
}

function problems(groups: readonly (readonly [string, readonly string[]])[]): string {
  return groups
    .filter(([, names]) => names.length > 0)
    .map(([word, names]) => `containers with ${word} status: [${names.join(' ')}]`)
    .join(', ');
}

/** Times of the last change of each condition's status, taken over from the conditions before. */
export function withTransitionTimes(next: PodStatus, previous: PodStatus | undefined, nowTime: string): PodStatus {
  const known = new Map((previous?.conditions ?? []).map(condition => [condition.type, condition]));
  return {
    ...next,
    conditions: (next.conditions ?? []).map(condition => {
      if (!kubeletConditions.has(condition.type) && condition.type !== 'DisruptionTarget') return condition;
      const before = known.get(condition.type);
      const lastTransitionTime = before?.status === condition.status ? before.lastTransitionTime : nowTime;
      return { ...condition, lastTransitionTime: lastTransitionTime ?? nowTime };
    }),
  };
}
