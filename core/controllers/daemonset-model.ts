import { DaemonSets } from '../api/generated/resources.js';
import type { Affinity, DaemonSet, Node, Pod, PodSpec, Toleration } from '../api/generated/types.js';
import { requiredNodeAffinityMatches } from '../api/node-affinity.js';
import { controllerReference } from '../api/owners.js';
import { firstUntoleratedTaint, keepsPodsAway } from '../api/taints.js';
import { scaledIntOrPercent } from '../machinery/int-or-string.js';
import { podFromTemplate } from './pod-control.js';

/** Pure rules of DaemonSets. Source: pkg/controller/daemon and its util. */
export const hashLabel = 'controller-revision-hash';
const generationLabel = 'pod-template-generation';
const generationAnnotation = 'deprecated.daemonset.template.generation';
const nodeNameField = 'metadata.name';

/** Every daemon stays on nodes in trouble: often it is what mends them. */
function daemonTolerations(spec: PodSpec): Toleration[] {
  const tolerations = [...(spec.tolerations ?? [])];
  const add = (key: string, effect: string): void => {
    const wanted: Toleration = { key: `node.kubernetes.io/${key}`, operator: 'Exists', effect };
    const same = tolerations.findIndex(
      known => known.key === wanted.key && known.effect === effect && (known.operator ?? 'Equal') === 'Exists' && !known.value,
    );
    if (same < 0) tolerations.push(wanted);
    else tolerations[same] = wanted;
  };
  add('not-ready', 'NoExecute');
  add('unreachable', 'NoExecute');
  add('disk-pressure', 'NoSchedule');
  add('memory-pressure', 'NoSchedule');
  add('pid-pressure', 'NoSchedule');
  add('unschedulable', 'NoSchedule');
  if (spec.hostNetwork) add('network-unavailable', 'NoSchedule');
  return tolerations;
}

export interface NodeFit {
  readonly shouldRun: boolean;
  /** A pod that is there may stay though a new one would not be placed. */
  readonly mayStay: boolean;
}

export function fitNode(set: DaemonSet, node: Node): NodeFit {
  const { template } = set.spec;
  if (template.spec.nodeName && template.spec.nodeName !== node.metadata.name) return { shouldRun: false, mayStay: false };
  const pod = { metadata: template.metadata, spec: template.spec } as Pod;
  if (!requiredNodeAffinityMatches(pod, node)) return { shouldRun: false, mayStay: false };
  const tolerations = daemonTolerations(template.spec);
  if (!firstUntoleratedTaint(node.spec?.taints, tolerations, keepsPodsAway)) return { shouldRun: true, mayStay: true };
  const evicts = firstUntoleratedTaint(node.spec.taints, tolerations, taint => taint.effect === 'NoExecute');
  return { shouldRun: false, mayStay: !evicts };
}

/** The affinity that lets only one node have the pod; other terms about nodes were decided by `fitNode`. */
function pinnedTo(affinity: Affinity | undefined, nodeName: string): Affinity {
  return {
    ...affinity,
    nodeAffinity: {
      ...affinity?.nodeAffinity,
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: [{ matchFields: [{ key: nodeNameField, operator: 'In', values: [nodeName] }] }],
      },
    },
  };
}

/** The node of a bound pod, or the one it is pinned to. */
export function targetNode(pod: Pod): string | undefined {
  if (pod.spec.nodeName) return pod.spec.nodeName;
  const terms = pod.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [];
  for (const { matchFields } of terms) {
    for (const { key, operator, values } of matchFields ?? []) {
      if (key === nodeNameField && operator === 'In') return values?.length === 1 ? values[0] : undefined;
    }
  }
  return undefined;
}

export function daemonPod(set: DaemonSet, nodeName: string, hash: string): Pod {
  const { template } = set.spec;
  const pod = podFromTemplate(template, set.metadata.name, controllerReference(set, DaemonSets));
  const generation = templateGeneration(set);
  return {
    ...pod,
    metadata: {
      ...pod.metadata,
      labels: { ...pod.metadata.labels, ...(generation ? { [generationLabel]: generation } : {}), [hashLabel]: hash },
    },
    spec: {
      ...pod.spec,
      tolerations: daemonTolerations(template.spec),
      affinity: pinnedTo(template.spec.affinity, nodeName),
    },
  };
}

function templateGeneration(set: DaemonSet): string | undefined {
  const text = set.metadata.annotations?.[generationAnnotation];
  return text !== undefined && /^\d+$/.test(text) ? text : undefined;
}

export function isUpdated(set: DaemonSet, pod: Pod, hash: string): boolean {
  const generation = templateGeneration(set);
  return (
    pod.metadata.labels?.[hashLabel] === hash ||
    (generation !== undefined && pod.metadata.labels?.[generationLabel] === generation)
  );
}

/** Bound pods before unbound ones, then by age. */
export function byBindingAndAge(a: Pod, b: Pod): number {
  const bound = Number(Boolean(b.spec.nodeName)) - Number(Boolean(a.spec.nodeName));
  if (bound !== 0) return bound;
  const timeA = a.metadata.creationTimestamp ?? '';
  const timeB = b.metadata.creationTimestamp ?? '';
  if (timeA !== timeB) return timeA < timeB ? -1 : 1;
  return a.metadata.name < b.metadata.name ? -1 : 1;
}

export interface Limits {
  readonly surge: number;
  readonly unavailable: number;
}

export function rollingLimits(set: DaemonSet, desired: number): Limits {
  const { type, rollingUpdate } = set.spec.updateStrategy;
  if (type !== 'RollingUpdate') return { surge: 0, unavailable: 0 };
  const surge = scaledIntOrPercent(rollingUpdate?.maxSurge ?? 0, { total: desired, roundUp: true });
  const unavailable = scaledIntOrPercent(rollingUpdate?.maxUnavailable ?? 0, { total: desired, roundUp: true });
  return { surge, unavailable: desired > 0 && surge === 0 && unavailable === 0 ? 1 : unavailable };
}

export const allowsSurge = (set: DaemonSet): boolean => rollingLimits(set, 1).surge > 0;

export interface PodsOnNode {
  readonly updated: Pod | undefined;
  readonly old: Pod | undefined;
}

/** The updated and the old pod of a node; undefined when there are more than one of a sort. */
export function splitPods(set: DaemonSet, pods: readonly Pod[], hash: string): PodsOnNode | undefined {
  const living = pods.filter(pod => !pod.metadata.deletionTimestamp);
  const updated = living.filter(pod => isUpdated(set, pod, hash));
  const old = living.filter(pod => !isUpdated(set, pod, hash));
  return updated.length > 1 || old.length > 1 ? undefined : { updated: updated[0], old: old[0] };
}
