import type { Container, NodeAffinity, NodeSelectorTerm, Pod, PodSpec, Toleration } from '../../../api/generated/types.js';
import { internalValue } from '../../../api/internal-value.js';
import type { FieldErrors, FieldPath } from '../../../machinery/field-errors.js';
import { fieldPath, quote } from '../../../machinery/field-errors.js';
import { rangeError } from '../../../machinery/names.js';
import { cloneJson, semanticEqual } from '../../../machinery/object.js';
import { maximumInt32 } from './checks.js';
import { validateImageText } from './container-validation.js';
import { internalDiff } from './line-diff.js';
import { mirrorAnnotation, validatePodSpec } from './pod-spec-validation.js';
import { appArmorPrefix, validateAnnotationsMatchFields, validatePodAnnotations } from './pod-template-validation.js';
import type { PodValidationOptions } from './pod-validation-options.js';
import { podOptions } from './pod-validation-options.js';
import { validateTolerations } from './scheduling-validation.js';

const specPath = fieldPath('spec');
const annotationsPath = fieldPath('metadata', 'annotations');
const changeableFields = [
  '`spec.containers[*].image`',
  '`spec.initContainers[*].image`',
  '`spec.activeDeadlineSeconds`',
  '`spec.tolerations` (only additions to existing tolerations)',
  '`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)',
];

/** Source: ValidatePodCreate. */
export function validatePodCreate(pod: Pod, errors: FieldErrors): void {
  validatePodAndSpec(pod, errors, podOptions());
  const { spec } = pod;
  if (spec.ephemeralContainers?.length) errors.forbidden(specPath.child('ephemeralContainers'), 'cannot be set on create');
  if (spec.nodeName && spec.schedulingGates?.length) {
    errors.forbidden(specPath.child('nodeName'), 'cannot be set until all schedulingGates have been cleared');
  }
  validateAnnotationsMatchFields(pod.metadata, spec, specPath, errors);
}

/** Annotations and spec of a pod, new or changed. */
export function validatePodAndSpec(pod: Pod, errors: FieldErrors, options: PodValidationOptions): void {
  const { spec, metadata } = pod;
  validatePodAnnotations(metadata, spec, { path: annotationsPath, errors, options });
  validatePodSpec(spec, specPath, errors, { options, podMetadata: metadata });
  if (!spec.serviceAccountName) {
    for (const [index, { projected }] of (spec.volumes ?? []).entries()) {
      for (const [sourceIndex, source] of (projected?.sources ?? []).entries()) {
        if (!source.serviceAccountToken) continue;
        const at = specPath
          .child('volumes')
          .index(index)
          .child('projected', 'sources')
          .index(sourceIndex)
          .child('serviceAccountToken');
        errors.forbidden(at, 'must not be specified when serviceAccountName is not set');
      }
    }
  }
  for (const list of ['containers', 'initContainers'] as const) {
    spec[list]?.forEach((container, index) => validateImageText(container, specPath.child(list).index(index), errors));
  }
}

/** Annotations that stay as a pod was made with them. Source: ValidatePodSpecificAnnotationUpdates. */
export function validatePodAnnotationUpdate(
  pod: Pod,
  old: Readonly<Pod>,
  errors: FieldErrors,
  options: PodValidationOptions,
): void {
  const after = pod.metadata.annotations ?? {};
  const before = old.metadata.annotations ?? {};
  for (const key of Object.keys(before)) {
    if (after[key] === before[key]) continue;
    if (key.startsWith(appArmorPrefix))
      errors.forbidden(annotationsPath.key(key), 'may not remove or update AppArmor annotations');
    if (key === mirrorAnnotation) errors.forbidden(annotationsPath.key(key), 'may not remove or update mirror pod annotation');
  }
  for (const key of Object.keys(after)) {
    if (Object.hasOwn(before, key)) continue;
    if (key.startsWith(appArmorPrefix)) errors.forbidden(annotationsPath.key(key), 'may not add AppArmor annotations');
    if (key === mirrorAnnotation) errors.forbidden(annotationsPath.key(key), 'may not add mirror pod annotation');
  }
  validatePodAnnotations(pod.metadata, pod.spec, { path: annotationsPath, errors, options });
}

/** Source: ValidatePodUpdate. */
export function validatePodUpdate(pod: Pod, old: Readonly<Pod>, errors: FieldErrors): void {
  const options = podOptions(old);
  validatePodAndSpec(pod, errors, options);
  validatePodAnnotationUpdate(pod, old, errors, options);
  for (const list of ['containers', 'initContainers'] as const) {
    const containers = pod.spec[list] ?? [];
    if (containers.length !== (old.spec[list] ?? []).length) {
      return errors.forbidden(specPath.child(list), 'pod updates may not add or remove containers');
    }
    validateImages(containers, specPath.child(list), errors);
  }
  if (!validateDeadline(pod.spec, old.spec, errors)) return;
  validateOnlyAddedTolerations(pod.spec.tolerations ?? [], old.spec.tolerations ?? [], errors, options);
  validateOnlyRemovedGates(pod.spec, old.spec, errors);
  if (semanticEqual(pod.spec, old.spec)) return;
  const rest = withoutChangeable(pod.spec, old.spec);
  if (old.spec.schedulingGates?.length) validateGatedChanges(rest, old.spec, errors);
  if (semanticEqual(rest, old.spec)) return;
  const text = `pod updates may not change fields other than ${changeableFields.join(',')}\n${internalDiff('core.PodSpec', old.spec, rest)}`;
  errors.forbidden(specPath, text);
}

function validateImages(containers: readonly Container[], path: FieldPath, errors: FieldErrors): void {
  containers.forEach((container, index) => {
    if (!container.image) errors.required(path.index(index).child('image'));
    validateImageText(container, path.index(index), errors);
  });
}

/** False when nothing more is to be checked. */
function validateDeadline(spec: PodSpec, old: PodSpec, errors: FieldErrors): boolean {
  const path = specPath.child('activeDeadlineSeconds');
  const { activeDeadlineSeconds: after } = spec;
  const { activeDeadlineSeconds: before } = old;
  if (after === undefined) {
    if (before !== undefined) errors.invalid(path, null, 'must not update from a positive integer to nil value');
    return true;
  }
  if (after < 0 || after > maximumInt32) errors.invalid(path, after, rangeError(0, maximumInt32));
  else if (before !== undefined && before < after) errors.invalid(path, after, 'must be less than or equal to previous value');
  else return true;
  return false;
}

function validateOnlyAddedTolerations(
  tolerations: readonly Toleration[],
  old: readonly Toleration[],
  errors: FieldErrors,
  options: PodValidationOptions,
): void {
  const path = specPath.child('tolerations');
  const withoutSeconds = ({ tolerationSeconds: _seconds, ...rest }: Toleration): Toleration => rest;
  const kept = old.every(before => tolerations.some(after => semanticEqual(withoutSeconds(before), withoutSeconds(after))));
  if (!kept) errors.forbidden(path, 'existing toleration can not be modified except its tolerationSeconds');
  else validateTolerations(tolerations, path, errors, options.tolerationComparison);
}

function validateOnlyRemovedGates(spec: PodSpec, old: PodSpec, errors: FieldErrors): void {
  const before = new Set((old.schedulingGates ?? []).map(gate => gate.name));
  spec.schedulingGates?.forEach(({ name }, index) => {
    if (before.has(name)) return;
    const at = specPath.child('schedulingGates').index(index).child('name');
    errors.forbidden(at, `only deletion is allowed, but found new scheduling gate '${name}'`);
  });
}

/** The new spec with what may change put back. */
function withoutChangeable(spec: PodSpec, old: PodSpec): PodSpec {
  const rest = cloneJson(spec);
  for (const list of ['containers', 'initContainers'] as const) {
    rest[list]?.forEach((container, index) => {
      const { image } = old[list]![index]!;
      if (image === undefined) delete container.image;
      else container.image = image;
    });
  }
  const put = <K extends 'activeDeadlineSeconds' | 'schedulingGates' | 'tolerations'>(field: K): void => {
    if (old[field] === undefined) delete rest[field];
    else rest[field] = cloneJson(old[field]);
  };
  put('activeDeadlineSeconds');
  put('schedulingGates');
  put('tolerations');
  const grace = old.terminationGracePeriodSeconds;
  if (grace !== undefined && grace < 0 && rest.terminationGracePeriodSeconds === 1) rest.terminationGracePeriodSeconds = grace;
  return rest;
}

/** A gated pod may be narrowed to fewer nodes. Puts back in `rest` what it checked. */
function validateGatedChanges(rest: PodSpec, old: PodSpec, errors: FieldErrors): void {
  if (!semanticEqual(rest.nodeSelector, old.nodeSelector)) {
    for (const [key, value] of Object.entries(old.nodeSelector ?? {})) {
      if (rest.nodeSelector?.[key] === value) continue;
      const text = 'only additions to spec.nodeSelector are allowed (no mutations or deletions)';
      errors.invalid(specPath.child('nodeSelector'), rest.nodeSelector ?? {}, text);
      break;
    }
    if (old.nodeSelector === undefined) delete rest.nodeSelector;
    else rest.nodeSelector = old.nodeSelector;
  }
  const before = old.affinity?.nodeAffinity;
  if (semanticEqual(rest.affinity?.nodeAffinity, before)) return;
  validateNodeAffinityChange(rest.affinity?.nodeAffinity, before, errors);
  if (!rest.affinity) rest.affinity = { ...(before ? { nodeAffinity: before } : {}) };
  else if (!old.affinity && !rest.affinity.podAffinity && !rest.affinity.podAntiAffinity) delete rest.affinity;
  else if (before) rest.affinity.nodeAffinity = before;
  else delete rest.affinity.nodeAffinity;
}

function validateNodeAffinityChange(
  after: NodeAffinity | undefined,
  before: NodeAffinity | undefined,
  errors: FieldErrors,
): void {
  const required = before?.requiredDuringSchedulingIgnoredDuringExecution;
  if (!required) return;
  const path = specPath.child('affinity', 'nodeAffinity', 'requiredDuringSchedulingIgnoredDuringExecution', 'nodeSelectorTerms');
  const oldTerms = required.nodeSelectorTerms ?? [];
  const terms = after?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [];
  if (oldTerms.length && oldTerms.length !== terms.length) {
    return errors.invalid(
      path,
      internalValue('[]core.NodeSelectorTerm', terms),
      'no additions/deletions to non-empty NodeSelectorTerms list are allowed',
    );
  }
  oldTerms.forEach((term, index) => {
    if (!onlyAdds(terms[index]!, term))
      errors.invalid(
        path.index(index),
        internalValue('core.NodeSelectorTerm', terms[index]),
        'only additions are allowed (no mutations or deletions)',
      );
  });
}

function onlyAdds(term: NodeSelectorTerm, old: NodeSelectorTerm): boolean {
  const lists = ['matchExpressions', 'matchFields'] as const;
  // An empty term matches nothing, so anything put into it would widen it.
  if (lists.every(list => !old[list]?.length)) return lists.every(list => !term[list]?.length);
  return lists.every(list => {
    const before = old[list] ?? [];
    return semanticEqual((term[list] ?? []).slice(0, before.length), before);
  });
}

/** Source: ValidatePodEphemeralContainersUpdate. */
export function validateEphemeralContainersUpdate(pod: Pod, old: Readonly<Pod>, errors: FieldErrors): void {
  if (old.metadata.annotations?.[mirrorAnnotation] !== undefined) {
    return errors.forbidden(fieldPath(''), 'static pods do not support ephemeral containers');
  }
  const options = podOptions(old);
  validatePodAndSpec(pod, errors, options);
  validatePodAnnotationUpdate(pod, old, errors, options);
  const path = specPath.child('ephemeralContainers');
  for (const before of old.spec.ephemeralContainers ?? []) {
    const after = pod.spec.ephemeralContainers?.findLast(container => container.name === before.name);
    if (!after) errors.forbidden(path, `existing ephemeral containers ${quote(before.name)} may not be removed\n`);
    else if (!semanticEqual(before, after)) {
      errors.forbidden(
        path,
        `existing ephemeral containers ${quote(before.name)} may not be changed\n${internalDiff('core.EphemeralContainer', before, after)}`,
      );
    }
  }
}
