import type { Binding, Eviction, LabelSelector, Pod, PodAffinityTerm } from '../../../api/generated/types.js';
import { Pods } from '../../../api/generated/resources.js';
import { podQosClass } from '../../../api/pod-resources.js';
import type { PodConnector } from '../../../contracts/pod-connector.js';
import { FieldErrors, fieldPath } from '../../../machinery/field-errors.js';
import { validateDns1123Label } from '../../../machinery/names.js';
import { cloneJson, semanticEqual } from '../../../machinery/object.js';
import type { RequestContext, ResourceDefinition } from '../../registry/resource-definition.js';
import { defineResource } from '../../registry/resource-definition.js';
import { appArmorFieldOf } from './app-armor-annotations.js';
import { bindPod, setPodCondition } from './pod-binding.js';
import { podRow } from './pod-columns.js';
import { podConnections } from './pod-connect.js';
import { everyContainer } from './pod-containers.js';
import { defaultPod } from '../../../api/pod-defaults.js';
import { dropDisabledPodFields } from './pod-disabled-fields.js';
import { evictPod } from './pod-eviction.js';
import { keepResizeOnly, validatePodResize } from './pod-resize.js';
import { podStatusWarnings, validatePodStatusUpdate } from './pod-status-validation.js';
import { appArmorPrefix } from './pod-template-validation.js';
import { validateEphemeralContainersUpdate, validatePodCreate, validatePodUpdate } from './pod-update-validation.js';
import { podSpecWarnings } from './pod-warnings.js';
import { validateAppArmorProfile } from './security-context-validation.js';

export interface PodDefinitionOptions {
  /** The way to the nodes, for logs and the like. */
  readonly connector?: PodConnector | undefined;
}

export function podDefinition({ connector }: PodDefinitionOptions = {}): ResourceDefinition {
  return defineResource<Pod>({
    reference: Pods,
    returnsDeleted: true,
    resetFields: { '': ['status'], status: ['spec', 'metadata.deletionTimestamp', 'metadata.ownerReferences'] },
    defaults: defaultPod,
    prepareForCreate,
    prepareForUpdate(pod, old) {
      pod.status = cloneJson(old.status);
      dropDisabledPodFields(pod.spec, old.spec);
    },
    validate: validatePodCreate,
    checks: { update: ['change', 'object', 'validateUpdate'] },
    validateUpdate: validatePodUpdate,
    warnings: (pod, old) => (old ? [] : [...nameWarnings(pod), ...podSpecWarnings(pod.spec, pod.metadata)]),
    row: podRow,
    selectableFields: {
      'spec.nodeName': pod => pod.spec.nodeName ?? '',
      'spec.restartPolicy': pod => pod.spec.restartPolicy ?? '',
      'spec.schedulerName': pod => pod.spec.schedulerName ?? '',
      'spec.serviceAccountName': pod => pod.spec.serviceAccountName ?? '',
      'spec.hostNetwork': pod => String(pod.spec.hostNetwork ?? false),
      'status.phase': pod => pod.status?.phase ?? '',
      'status.podIP': pod => pod.status?.podIPs?.[0]?.ip ?? '',
      'status.nominatedNodeName': pod => pod.status?.nominatedNodeName ?? '',
    },
    gracePeriodSeconds(pod, requested) {
      if (!pod.spec.nodeName || pod.status?.phase === 'Failed' || pod.status?.phase === 'Succeeded') return 0;
      const seconds = requested ?? pod.spec.terminationGracePeriodSeconds ?? 0;
      return seconds < 0 ? 1 : seconds;
    },
    subresources: {
      status: { type: 'update', prepareForUpdate: prepareStatus, validateUpdate: validateStatus },
      ephemeralcontainers: {
        type: 'update',
        prepareForUpdate(pod, old) {
          const { ephemeralContainers } = pod.spec;
          pod.spec = cloneJson(old.spec);
          if (ephemeralContainers) pod.spec.ephemeralContainers = ephemeralContainers;
          else delete pod.spec.ephemeralContainers;
          keepMetadataAndStatus(pod, old);
          dropDisabledPodFields(pod.spec, old.spec);
        },
        checks: ['change', 'object', 'validateUpdate'],
        validateUpdate: validateEphemeralContainersUpdate,
      },
      resize: {
        type: 'update',
        prepareForUpdate(pod, old) {
          keepResizeOnly(pod, old);
          keepMetadataAndStatus(pod, old);
          dropDisabledPodFields(pod.spec, old.spec);
        },
        checks: ['change', 'object', 'validateUpdate'],
        validateUpdate: validatePodResize,
      },
      binding: {
        type: 'object',
        kind: { group: '', version: 'v1', kind: 'Binding' },
        create: (body, store, context) => bindPod(body as Binding, context.name, store, context),
      },
      eviction: {
        type: 'object',
        kind: { group: 'policy', version: 'v1', kind: 'Eviction' },
        create: (body, store, context) => evictPod(body as Eviction, context.name, store, context),
      },
      ...podConnections(connector),
    },
  });
}

function prepareForCreate(pod: Pod, context: RequestContext): void {
  // Null where a client sent no list; that is told by validation.
  pod.spec.containers ??= [];
  // Admission may have chosen the account.
  if (pod.spec.serviceAccountName) pod.spec.serviceAccount = pod.spec.serviceAccountName;
  pod.status = { phase: 'Pending', qosClass: podQosClass(pod.spec) };
  dropDisabledPodFields(pod.spec);
  if (pod.spec.schedulingGates?.length) {
    const message = 'Scheduling is blocked due to non-empty scheduling gates';
    setPodCondition(pod.status, { type: 'PodScheduled', status: 'False', reason: 'SchedulingGated', message }, context.nowMs);
  }
  mergeLabelKeys(pod);
  fillAppArmorFields(pod, context);
}

/** Turns label keys into requirements on this pod's labels. Source: KEP-3633, KEP-3243. */
function mergeLabelKeys({ spec, metadata: { labels = {} } }: Pod): void {
  const add = (selector: LabelSelector | undefined, keys: readonly string[] | undefined, operator: 'In' | 'NotIn'): void => {
    if (!selector) return;
    for (const key of keys ?? []) {
      if (!Object.hasOwn(labels, key)) continue;
      (selector.matchExpressions ??= []).push({ key, operator, values: [labels[key]!] });
    }
  };
  const addToTerm = (term: PodAffinityTerm): void => {
    add(term.labelSelector, term.matchLabelKeys, 'In');
    add(term.labelSelector, term.mismatchLabelKeys, 'NotIn');
  };
  for (const affinity of [spec.affinity?.podAffinity, spec.affinity?.podAntiAffinity]) {
    for (const { podAffinityTerm } of affinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []) addToTerm(podAffinityTerm);
    for (const term of affinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []) addToTerm(term);
  }
  for (const { labelSelector, matchLabelKeys } of spec.topologySpreadConstraints ?? []) add(labelSelector, matchLabelKeys, 'In');
}

/** The old annotations of containers become fields. Source: applyAppArmorVersionSkew. */
function fillAppArmorFields({ spec, metadata: { annotations } }: Pod, context: RequestContext): void {
  if (!annotations || spec.os?.name === 'windows') return;
  for (const { container } of everyContainer(spec)) {
    const key = appArmorPrefix + container.name;
    const annotation = annotations[key];
    if (annotation === undefined || container.securityContext?.appArmorProfile) continue;
    const errors = new FieldErrors();
    const profile = appArmorFieldOf(annotation);
    validateAppArmorProfile(profile, fieldPath(), errors);
    if (profile && errors.empty) {
      if (semanticEqual(profile, spec.securityContext?.appArmorProfile)) continue;
      container.securityContext = { ...container.securityContext, appArmorProfile: profile };
    }
    const path = fieldPath('metadata', 'annotations').key(key);
    context.warn(`${path}: deprecated since v1.30; use the "appArmorProfile" field instead`);
  }
}

function nameWarnings({ metadata: { name } }: Pod): string[] {
  const texts = validateDns1123Label(name);
  const use = "this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is recommended";
  return texts.length ? [`metadata.name: ${use}: [${texts.join(' ')}]`] : [];
}

function prepareStatus(pod: Pod, old: Readonly<Pod>): void {
  pod.spec = cloneJson(old.spec);
  if (!old.metadata.deletionTimestamp) delete pod.metadata.deletionTimestamp;
  if (old.metadata.ownerReferences) pod.metadata.ownerReferences = cloneJson(old.metadata.ownerReferences);
  else delete pod.metadata.ownerReferences;
  pod.status ??= {};
  const { status } = pod;
  if (!status.qosClass && old.status?.qosClass) status.qosClass = old.status.qosClass;
  if (!status.observedGeneration && old.status?.observedGeneration) status.observedGeneration = old.status.observedGeneration;
  const known = new Map<string, number[]>();
  for (const { type, observedGeneration = 0 } of old.status?.conditions ?? []) {
    known.set(type, [...(known.get(type) ?? []), observedGeneration]);
  }
  for (const condition of status.conditions ?? []) {
    const generation = known.get(condition.type)?.shift();
    if (!condition.observedGeneration && generation) condition.observedGeneration = generation;
  }
  // Fields of features that are switched off.
  if (!old.status?.nodeAllocatableResourceClaimStatuses?.length) delete status.nodeAllocatableResourceClaimStatuses;
}

function validateStatus(pod: Pod, old: Readonly<Pod>, errors: FieldErrors, context: RequestContext): void {
  validatePodStatusUpdate(pod, old, errors);
  for (const text of podStatusWarnings(pod)) context.warn(text);
}

function keepMetadataAndStatus(pod: Pod, old: Readonly<Pod>): void {
  const { managedFields } = pod.metadata;
  pod.metadata = { ...cloneJson(old.metadata), ...(managedFields ? { managedFields } : {}) };
  pod.status = cloneJson(old.status);
}
