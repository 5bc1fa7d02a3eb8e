import type { ContainerPort, Pod, PodAffinityTerm, Toleration } from '../api/generated/types.js';
import { podRequestAmounts } from './resource-amounts.js';
import type { PodAmounts } from './resource-amounts.js';
import { jsonEqual } from '../machinery/object.js';
import type { ResourceAmounts, SchedulingPod } from '../contracts/scheduler-plugin.js';
import { LabelMatcher } from './label-matcher.js';

type Labels = Readonly<Record<string, string>>;
const noLabels: Labels = {};

/** A pod affinity term, compiled. */
export interface AffinityTerm {
  readonly topologyKey: string;
  readonly namespaces: ReadonlySet<string>;
  readonly namespaceSelector: LabelMatcher;
  readonly selector: LabelMatcher;
}

export interface WeightedAffinityTerm extends AffinityTerm {
  readonly weight: number;
}

/** Whether the term speaks of the pod; `namespaceLabels` are those of the pod's namespace, undefined where they are not known. */
export function termMatches(term: AffinityTerm, pod: Pod, namespaceLabels: Labels | undefined): boolean {
  const { namespace = '', labels } = pod.metadata;
  if (!term.namespaces.has(namespace) && !term.namespaceSelector.matches(namespaceLabels ?? noLabels)) return false;
  return term.selector.matches(labels ?? noLabels);
}

interface PodTerms {
  readonly requiredAffinity: readonly AffinityTerm[];
  readonly requiredAntiAffinity: readonly AffinityTerm[];
  readonly preferredAffinity: readonly WeightedAffinityTerm[];
  readonly preferredAntiAffinity: readonly WeightedAffinityTerm[];
  /** A selector was not valid; such a pod cannot be placed. */
  readonly error?: string;
}

const noTerms: PodTerms = { requiredAffinity: [], requiredAntiAffinity: [], preferredAffinity: [], preferredAntiAffinity: [] };

/** Where a pod is read from: an entry of the API's cache, which parses its bytes when somebody asks, or the pod itself. */
export interface PodSource {
  readonly object: Pod;
}

/**
 * A pod with what scheduling needs of it again and again, each worked out once. Thousands may wait, so it does not hold on to the
 * parsed pod where it was read from an entry.
 */
export class PodInfo implements SchedulingPod {
  readonly key: string;
  readonly uid: string;
  readonly priority: number;
  readonly terms: PodTerms;
  readonly hostPorts: readonly ContainerPort[];
  #source: PodSource;
  #amounts: PodAmounts | undefined;
  readonly #statusResources: string | undefined;

  /** `from`, the same pod in an earlier state with the same spec, saves the work. */
  constructor(source: PodSource, from?: PodInfo) {
    const pod = source.object;
    this.#source = source;
    this.key = podKey(pod);
    this.uid = pod.metadata.uid ?? '';
    this.priority = podPriority(pod);
    this.terms = from ? from.terms : compileTerms(pod);
    this.hostPorts = from ? from.hostPorts : hostPorts(pod);
    this.#amounts = from ? from.#amounts : undefined;
    this.#statusResources = statusResources(pod);
  }

  /** Of a pod on a node: thousands are kept, so of the pod itself only what filters and preemption look at stays. */
  static placed(pod: Pod, from?: PodInfo): PodInfo {
    const info = new PodInfo({ object: pod }, from);
    info.#amounts ??= podRequestAmounts(pod);
    info.#source = { object: slim(pod) };
    return info;
  }

  /** Not always the same object: the entry may have to parse it again. */
  get pod(): Pod {
    return this.#source.object;
  }

  get requests(): ResourceAmounts {
    return (this.#amounts ??= podRequestAmounts(this.pod)).requests;
  }

  /** CPU and memory with upstream's guesses for containers that ask for none, as scores count them. */
  get scoringRequests(): { readonly milliCpu: number; readonly memoryBytes: number } {
    return (this.#amounts ??= podRequestAmounts(this.pod)).scoring;
  }

  get hasAffinity(): boolean {
    return this.terms !== noTerms;
  }

  /** Takes a newer version of a placed pod that differs only in what scheduling does not look at; false when it differs in more. */
  refresh(next: Pod): boolean {
    const { metadata } = this.pod;
    const same =
      metadata.uid === next.metadata.uid &&
      metadata.generation === next.metadata.generation &&
      metadata.deletionTimestamp === next.metadata.deletionTimestamp &&
      this.#statusResources === statusResources(next) &&
      jsonEqual(metadata.labels, next.metadata.labels);
    if (same) this.#source = { object: slim(next) };
    return same;
  }
}

function slim({ apiVersion, kind, metadata, spec, status }: Pod): Pod {
  const { name, namespace, uid, generation, labels, deletionTimestamp, ownerReferences } = metadata;
  const { nodeName, schedulerName, priority, volumes } = spec;
  const condition = status.conditions?.find(({ type }) => type === 'DisruptionTarget');
  return {
    apiVersion,
    kind,
    metadata: { name, namespace, uid, generation, labels, deletionTimestamp, ownerReferences },
    spec: { containers: [], nodeName, schedulerName, priority, volumes },
    status: { startTime: status.startTime, phase: status.phase, conditions: condition && [condition] },
  };
}

/** The parts of a status that in-place resizes change, as text; undefined before there are any. */
function statusResources({ status }: Pod): string | undefined {
  const { containerStatuses, initContainerStatuses, allocatedResources, resources, conditions } = status;
  if (!containerStatuses && !initContainerStatuses && !resources) return undefined;
  return JSON.stringify([
    allocatedResources,
    resources,
    containerStatuses?.map(container => [container.name, container.resources, container.allocatedResources]),
    initContainerStatuses?.map(container => [container.name, container.resources, container.allocatedResources]),
    conditions?.find(condition => condition.type === 'PodResizePending')?.reason,
  ]);
}

export function podKey(pod: Pod): string {
  return `${pod.metadata.namespace ?? ''}/${pod.metadata.name}`;
}

export function podPriority(pod: Pod): number {
  return pod.spec.priority ?? 0;
}

export function podTolerations(pod: Pod): readonly Toleration[] {
  return pod.spec.tolerations ?? [];
}

/** When the pod started, in milliseconds; `nowMs` for one that has not. */
export function podStartMs(pod: Pod, nowMs: number): number {
  return pod.status.startTime ? Date.parse(pod.status.startTime) : nowMs;
}

export function isTerminal(pod: Pod): boolean {
  return pod.status.phase === 'Succeeded' || pod.status.phase === 'Failed';
}

function hostPorts(pod: Pod): readonly ContainerPort[] {
  let ports: ContainerPort[] | undefined;
  const collect = (list: readonly ContainerPort[] | undefined): void => {
    for (const port of list ?? []) if (port.hostPort) (ports ??= []).push(port);
  };
  for (const container of pod.spec.containers) collect(container.ports);
  for (const container of pod.spec.initContainers ?? []) if (container.restartPolicy === 'Always') collect(container.ports);
  return ports ?? [];
}

function compileTerms(pod: Pod): PodTerms {
  const { podAffinity, podAntiAffinity } = pod.spec.affinity ?? {};
  if (!podAffinity && !podAntiAffinity) return noTerms;
  try {
    const plain = (terms: readonly PodAffinityTerm[] | undefined): AffinityTerm[] =>
      (terms ?? []).map(term => compileTerm(pod, term));
    const required = 'requiredDuringSchedulingIgnoredDuringExecution';
    const preferred = 'preferredDuringSchedulingIgnoredDuringExecution';
    const weighted = (from: typeof podAffinity): WeightedAffinityTerm[] =>
      (from?.[preferred] ?? []).map(({ weight, podAffinityTerm }) => ({ ...compileTerm(pod, podAffinityTerm), weight }));
    return {
      requiredAffinity: plain(podAffinity?.[required]),
      requiredAntiAffinity: plain(podAntiAffinity?.[required]),
      preferredAffinity: weighted(podAffinity),
      preferredAntiAffinity: weighted(podAntiAffinity),
    };
  } catch (error) {
    return { ...noTerms, error: error instanceof Error ? error.message : String(error) };
  }
}

function compileTerm(pod: Pod, term: PodAffinityTerm): AffinityTerm {
  // The API server has merged matchLabelKeys and mismatchLabelKeys into the selector when the pod was created.
  const selector = LabelMatcher.of(term.labelSelector);
  const namespaceSelector = LabelMatcher.of(term.namespaceSelector);
  const own = !term.namespaces?.length && !term.namespaceSelector;
  return {
    topologyKey: term.topologyKey,
    namespaces: new Set(own ? [pod.metadata.namespace ?? ''] : term.namespaces),
    namespaceSelector,
    selector,
  };
}
