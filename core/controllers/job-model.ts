import { Jobs } from '../api/generated/resources.js';
import type {
  ContainerStatus,
  EnvVar,
  Job,
  Pod,
  PodFailurePolicyOnExitCodesRequirement,
  PodTemplateSpec,
} from '../api/generated/types.js';
import { controllerReference } from '../api/owners.js';
import { isSidecar, podCondition } from '../api/pods.js';
import { parseTime } from '../api/time.js';
import { cloneJson } from '../machinery/object.js';
import { IndexSet } from './job-indexes.js';
import { podFromTemplate } from './pod-control.js';

/** Pure rules of Jobs. Source: pkg/controller/job. */
export const trackingFinalizer = 'batch.kubernetes.io/job-tracking';
const indexAnnotation = 'batch.kubernetes.io/job-completion-index';
const failureCountAnnotation = 'batch.kubernetes.io/job-index-failure-count';
const ignoredFailureCountAnnotation = 'batch.kubernetes.io/job-index-ignored-failure-count';
const indexVariable = 'JOB_COMPLETION_INDEX';
const builtInManager = 'kubernetes.io/job-controller';
const longestGeneratedPrefix = 58;
const firstBackoffMs = 10_000;
const longestBackoffMs = 600_000;

export const isIndexed = (job: Job): boolean => job.spec.completionMode === 'Indexed';
export const isSuspended = (job: Job): boolean => job.spec.suspend === true;
export const limitsPerIndex = (job: Job): boolean => job.spec.backoffLimitPerIndex !== undefined;
export const completionsOf = (job: Job): number => job.spec.completions ?? 0;
export const backoffLimitOf = (job: Job): number => job.spec.backoffLimit ?? 6;
export const isTracked = (pod: Pod): boolean => pod.metadata.finalizers?.includes(trackingFinalizer) ?? false;

/** Somebody else's controller runs the job. */
export function isManagedElsewhere(job: Job): boolean {
  return job.spec.managedBy !== undefined && job.spec.managedBy !== builtInManager;
}

/** A pod that is being deleted is replaced only when it has come to its end. */
export function replacesOnlyFailed(job: Job): boolean {
  return job.spec.podReplacementPolicy === 'Failed' || job.spec.podFailurePolicy !== undefined;
}

export function isFailed(job: Job, pod: Pod): boolean {
  if (pod.status?.phase === 'Failed') return true;
  if (replacesOnlyFailed(job)) return false;
  return pod.metadata.deletionTimestamp !== undefined && pod.status?.phase !== 'Succeeded';
}

/** The completion index of a pod; undefined when it carries none. */
export function indexOf(pod: Pod): number | undefined {
  const text = pod.metadata.annotations?.[indexAnnotation];
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
}

/** The index where the job has it: below its completions. */
export function validIndexOf(job: Job, pod: Pod): number | undefined {
  const index = indexOf(pod);
  return index !== undefined && index < completionsOf(job) ? index : undefined;
}

export function indexesOf(pods: readonly Pod[]): IndexSet {
  return IndexSet.of(pods.map(indexOf).filter(index => index !== undefined));
}

export interface PolicyVerdict {
  /** Why the job has failed at once. */
  readonly failsJob?: string;
  readonly counts: boolean;
  readonly action?: string;
}

/** What the pod failure policy says of a failed pod; the first rule that matches decides. Source: KEP-3329. */
export function judgeFailure(job: Job, pod: Pod): PolicyVerdict {
  for (const [position, rule] of (job.spec.podFailurePolicy?.rules ?? []).entries()) {
    const { action, onExitCodes, onPodConditions } = rule;
    let cause: string | undefined;
    const where = `${pod.metadata.namespace}/${pod.metadata.name}`;
    if (onExitCodes) {
      const status =
        findByExitCode(pod.status?.containerStatuses, onExitCodes) ??
        findByExitCode(pod.status?.initContainerStatuses, onExitCodes);
      if (!status) continue;
      cause = `Container ${status.name} for pod ${where} failed with exit code ${status.state.terminated?.exitCode}`;
    } else {
      const condition = pod.status?.conditions?.find(({ type, status }) =>
        onPodConditions?.some(pattern => pattern.type === type && pattern.status === status),
      );
      if (!condition) continue;
      cause = `Pod ${where} has condition ${condition.type}`;
    }
    if (action === 'Ignore') return { counts: false, action };
    if (action === 'FailIndex' || action === 'Count') return { counts: true, action };
    if (action === 'FailJob') return { failsJob: `${cause} matching ${action} rule at index ${position}`, counts: true, action };
  }
  return { counts: true };
}

function findByExitCode(
  statuses: readonly ContainerStatus[] | undefined,
  { containerName, operator, values }: PodFailurePolicyOnExitCodesRequirement,
): ContainerStatus | undefined {
  return statuses?.find(({ name, state }) => {
    const code = state.terminated?.exitCode;
    if (!code || (containerName !== undefined && containerName !== name)) return false;
    if (operator === 'In') return values.includes(code);
    return operator === 'NotIn' && !values.includes(code);
  });
}

/** The rule of the success policy that the succeeded indexes meet. Source: KEP-3998. */
export function metSuccessRule(job: Job, succeeded: IndexSet): string | undefined {
  if (succeeded.size === 0) return undefined;
  for (const [position, { succeededIndexes, succeededCount }] of (job.spec.successPolicy?.rules ?? []).entries()) {
    let met = false;
    if (succeededIndexes !== undefined) {
      const required = IndexSet.parse(succeededIndexes, completionsOf(job));
      if (required.size === 0) continue;
      const overlap = required.overlap(succeeded);
      met = overlap === required.size || (succeededCount !== undefined && overlap >= succeededCount);
    } else met = succeededCount !== undefined && succeeded.size >= succeededCount;
    if (met) return `Matched rules at index ${position}`;
  }
  return undefined;
}

const countOf = (pod: Pod, annotation: string): number => {
  const text = pod.metadata.annotations?.[annotation] ?? '0';
  return /^\d+$/.test(text) ? Number(text) : 0;
};

/** Failures of the pod's index before this pod, those that the policy ignores too. */
export const absoluteFailures = (pod: Pod): number =>
  countOf(pod, failureCountAnnotation) + countOf(pod, ignoredFailureCountAnnotation);

/** The pod's failure is the last that its index may have. */
export function failsIndex(job: Job, pod: Pod): boolean {
  if (!isFailed(job, pod)) return false;
  const verdict = judgeFailure(job, pod);
  if (verdict.action === 'FailIndex') return true;
  return verdict.counts && countOf(pod, failureCountAnnotation) >= job.spec.backoffLimitPerIndex!;
}

/** When a finished or failing pod came to its end, as well as can be told. */
export function finishedMs(pod: Pod): number {
  const sidecars = new Set((pod.spec.initContainers ?? []).filter(isSidecar).map(container => container.name));
  const statuses = [
    ...(pod.status?.containerStatuses ?? []),
    ...(pod.status?.initContainerStatuses ?? []).filter(status => sidecars.has(status.name)),
  ];
  const ends = statuses.map(status => parseTime(status.state.terminated?.finishedAt));
  if (ends.length > 0 && ends.every(end => end !== undefined)) return Math.max(...ends);
  const ready = podCondition(pod, 'Ready');
  const notReadyMs = ready?.status === 'False' ? parseTime(ready.lastTransitionTime) : undefined;
  if (notReadyMs !== undefined) return notReadyMs;
  const deletionMs = parseTime(pod.metadata.deletionTimestamp);
  if (deletionMs !== undefined) return deletionMs - (pod.metadata.deletionGracePeriodSeconds ?? 0) * 1000;
  return parseTime(pod.metadata.creationTimestamp) ?? 0;
}

/** The wait before the next pod after so many failures, the last of which was at `lastMs`. */
export function remainingBackoffMs(failures: number, lastMs: number, nowMs: number): number {
  if (failures === 0) return 0;
  const backoffMs = Math.min(longestBackoffMs, firstBackoffMs * 2 ** Math.min(failures - 1, 30));
  return Math.max(0, lastMs + backoffMs - nowMs);
}

export interface Backoff {
  readonly failures: number;
  readonly lastMs: number;
}

/** Failures since the last success, with the pods that newly came to their end. */
export function nextBackoff(known: Backoff, succeeded: readonly Pod[], failed: readonly Pod[]): Backoff {
  const times = failed.map(finishedMs);
  if (succeeded.length === 0) {
    if (failed.length === 0) return known;
    return { failures: known.failures + failed.length, lastMs: Math.max(...times) };
  }
  const lastSuccessMs = Math.max(...succeeded.map(finishedMs));
  const later = times.filter(time => time > lastSuccessMs);
  return { failures: later.length, lastMs: later.length > 0 ? Math.max(...later) : 0 };
}

/** Restarts in place count as failures when the template says OnFailure. */
export function pastBackoffLimitByRestarts(job: Job, pods: readonly Pod[]): boolean {
  if (job.spec.template.spec.restartPolicy !== 'OnFailure') return false;
  let restarts = 0;
  for (const { status } of pods) {
    if (status?.phase !== 'Running' && status?.phase !== 'Pending') continue;
    for (const container of [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])]) {
      restarts += container.restartCount;
    }
  }
  const limit = backoffLimitOf(job);
  return limit === 0 ? restarts > 0 : restarts >= limit;
}

/** The job's template as its pods have it, but for what belongs to an index. */
export function jobPodTemplate(job: Job): PodTemplateSpec {
  const template = cloneJson(job.spec.template);
  template.metadata ??= {};
  const finalizers = template.metadata.finalizers ?? [];
  if (!finalizers.includes(trackingFinalizer)) template.metadata.finalizers = [...finalizers, trackingFinalizer];
  if (!isIndexed(job)) return template;
  for (const container of [...(template.spec.initContainers ?? []), ...template.spec.containers]) {
    if (container.env?.some(variable => variable.name === indexVariable)) continue;
    const variable = {
      name: indexVariable,
      valueFrom: { fieldRef: { fieldPath: `metadata.labels['${indexAnnotation}']` } },
    } as EnvVar;
    container.env = [...(container.env ?? []), variable];
  }
  return template;
}

/** A pod of the job; `replaced` is the failed pod whose index it takes up again. */
export function jobPod(job: Job, template: PodTemplateSpec, index?: number, replaced?: Pod): Pod {
  const pod = podFromTemplate(template, job.metadata.name, controllerReference(job, Jobs));
  if (index === undefined) return pod;
  const suffix = `-${index}-`;
  const annotations: Record<string, string> = { ...pod.metadata.annotations, [indexAnnotation]: String(index) };
  if (limitsPerIndex(job)) {
    const counted = replaced && judgeFailure(job, replaced).counts;
    const failures = replaced ? countOf(replaced, failureCountAnnotation) + (counted ? 1 : 0) : 0;
    const ignored = replaced ? countOf(replaced, ignoredFailureCountAnnotation) + (counted ? 0 : 1) : 0;
    annotations[failureCountAnnotation] = String(failures);
    if (ignored > 0) annotations[ignoredFailureCountAnnotation] = String(ignored);
  }
  return {
    ...pod,
    metadata: {
      ...pod.metadata,
      generateName: job.metadata.name.slice(0, longestGeneratedPrefix - suffix.length) + suffix,
      labels: { ...pod.metadata.labels, [indexAnnotation]: String(index) },
      annotations,
    },
    spec: { ...pod.spec, hostname: `${job.metadata.name}-${index}` },
  };
}
