import type { AppArmorProfile, ObjectMeta, PodSpec, PodTemplateSpec, SeccompProfile } from '../../../api/generated/types.js';
import type { FieldErrors, FieldPath } from '../../../machinery/field-errors.js';
import { quote } from '../../../machinery/field-errors.js';
import type { LabelSelector as Selector } from '../../../machinery/label-selector.js';
import { labelSelectorFromMap, validateLabels } from '../../../machinery/label-selector.js';
import { isJsonObject } from '../../../machinery/object.js';
import { validateAnnotations } from './annotations-validation.js';
import { descendingPath } from './checks.js';
import { containerPath, everyContainer } from './pod-containers.js';
import { mirrorAnnotation, validatePodSpec } from './pod-spec-validation.js';
import type { PodValidationOptions } from './pod-validation-options.js';
import { deletionCostError, podTemplateOptions } from './pod-validation-options.js';
import { validateTolerations } from './scheduling-validation.js';

export const appArmorPrefix = 'container.apparmor.security.beta.kubernetes.io/';
export const seccompPodAnnotation = 'seccomp.security.alpha.kubernetes.io/pod';
export const seccompContainerPrefix = 'container.seccomp.security.alpha.kubernetes.io/';
const tolerationsAnnotation = 'scheduler.alpha.kubernetes.io/tolerations';
const costAnnotation = 'controller.kubernetes.io/pod-deletion-cost';

type Annotated = Pick<Partial<ObjectMeta>, 'annotations' | 'labels'>;

/** A template of pods; `old` is the stored one of an update. Source: ValidatePodTemplateSpec. */
export function validatePodTemplateSpec(
  template: PodTemplateSpec,
  path: FieldPath,
  errors: FieldErrors,
  old?: PodTemplateSpec,
): void {
  const options = podTemplateOptions(old);
  const { spec } = template;
  const metadata = template.metadata ?? {};
  validateLabels(metadata.labels, path.child('labels'), errors);
  validateAnnotations(metadata.annotations, path.child('annotations'), errors);
  validatePodAnnotations(metadata, spec, { path: path.child('annotations'), errors, options });
  validatePodSpec(spec, path.child('spec'), errors, { options });
  validateAnnotationsMatchFields(metadata, spec, path.child('spec'), errors);
  if (spec.ephemeralContainers?.length) {
    errors.forbidden(path.child('spec', 'ephemeralContainers'), 'ephemeral containers not allowed in pod template');
  }
}

/** A template whose pods go on for ever and match the owner's selector: ReplicaSets, StatefulSets, DaemonSets and the like. */
export interface LongRunningTemplate {
  /** `spec.template` of the owner. */
  readonly path: FieldPath;
  readonly errors: FieldErrors;
  /** What pods the owner counts as its own; no check when absent. */
  readonly selector?: Selector | undefined;
  /** `activeDeadlineSeconds in DaemonSet is not Supported`: the kind's name in there. */
  readonly kind: string;
  readonly old?: PodTemplateSpec | undefined;
}

/** Source: ValidatePodTemplateSpecForRC and ...ForReplicaSet. */
export function validateLongRunningTemplate(template: PodTemplateSpec | undefined, check: LongRunningTemplate): void {
  const { path, errors, selector, kind, old } = check;
  if (!template) return errors.required(path);
  const labels = template.metadata?.labels;
  if (selector && !selector.empty && !selector.matches(labels)) {
    errors.invalid(path.child('metadata', 'labels'), labels, '`selector` does not match template `labels`');
  }
  validatePodTemplateSpec(template, path, errors, old);
  if (template.spec.restartPolicy !== 'Always') {
    errors.notSupported(path.child('spec', 'restartPolicy'), template.spec.restartPolicy ?? '', ['Always']);
  }
  if (template.spec.activeDeadlineSeconds !== undefined) {
    errors.forbidden(path.child('spec', 'activeDeadlineSeconds'), `activeDeadlineSeconds in ${kind} is not Supported`);
  }
}

/** The selector of a ReplicationController: plain labels, at least one. */
export function validateMapSelector(
  selector: Readonly<Record<string, string>> | undefined,
  path: FieldPath,
  errors: FieldErrors,
): Selector {
  if (!Object.keys(selector ?? {}).length) errors.required(path);
  return labelSelectorFromMap(selector);
}

interface AnnotationCheck {
  readonly path: FieldPath;
  readonly errors: FieldErrors;
  readonly options: PodValidationOptions;
}

/** Annotations that mean something for pods. Source: ValidatePodSpecificAnnotations. */
export function validatePodAnnotations(
  { annotations }: Annotated,
  spec: PodSpec,
  { path, errors, options }: AnnotationCheck,
): void {
  if (!annotations) return;
  const mirror = annotations[mirrorAnnotation];
  if (mirror !== undefined && !spec.nodeName) {
    errors.invalid(path.key(mirrorAnnotation), mirror, 'must set spec.nodeName if mirror pod annotation is set');
  }
  if (annotations[tolerationsAnnotation]) validateAnnotatedTolerations(annotations[tolerationsAnnotation], path, errors, options);
  if (!options.invalidDeletionCost && deletionCostError(annotations)) {
    errors.invalid(path.key(costAnnotation), annotations[costAnnotation], 'must be a 32bit integer');
  }
  for (const [key, value] of Object.entries(annotations)) {
    if (key === seccompPodAnnotation || key.startsWith(seccompContainerPrefix))
      validateSeccompText(value, path.child(key), errors);
    if (!key.startsWith(appArmorPrefix)) continue;
    const name = key.slice(appArmorPrefix.length);
    if (!everyContainer(spec).some(({ container }) => container.name === name))
      errors.invalid(path.key(key), name, 'container not found');
    if (!['', 'runtime/default', 'unconfined'].includes(value) && !value.startsWith('localhost/')) {
      errors.invalid(path.key(key), value, `invalid AppArmor profile name: ${quote(value)}`);
    }
  }
}

function validateAnnotatedTolerations(text: string, path: FieldPath, errors: FieldErrors, options: PodValidationOptions): void {
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch (error) {
    return errors.invalid(path, tolerationsAnnotation, error instanceof Error ? error.message : String(error));
  }
  if (!Array.isArray(list))
    return errors.invalid(path, tolerationsAnnotation, 'json: cannot unmarshal into Go value of type []core.Toleration');
  validateTolerations(list.filter(isJsonObject), path.child(tolerationsAnnotation), errors, options.tolerationComparison);
}

function validateSeccompText(value: string, path: FieldPath, errors: FieldErrors): void {
  if (['runtime/default', 'docker/default', 'unconfined'].includes(value)) return;
  if (value.startsWith('localhost/')) descendingPath(errors, path, value.slice('localhost/'.length));
  else errors.invalid(path, value, 'must be a valid seccomp profile');
}

/** Profiles that stand both in annotations and in fields must agree. */
export function validateAnnotationsMatchFields(
  { annotations }: Annotated,
  spec: PodSpec,
  path: FieldPath,
  errors: FieldErrors,
): void {
  if (!annotations) return;
  const own = spec.securityContext;
  if (own?.seccompProfile && annotations[seccompPodAnnotation] !== undefined) {
    matchProfile('seccomp', annotations[seccompPodAnnotation], own.seccompProfile, {
      path: path.child('securityContext', 'seccompProfile'),
      errors,
    });
  }
  for (const place of everyContainer(spec)) {
    const { name, securityContext } = place.container;
    const annotation = annotations[seccompContainerPrefix + name];
    if (!securityContext?.seccompProfile || annotation === undefined) continue;
    const at = containerPath(path, place).child('securityContext', 'seccompProfile');
    matchProfile('seccomp', annotation, securityContext.seccompProfile, { path: at, errors });
  }
  if (spec.os?.name === 'windows') return;
  for (const place of everyContainer(spec)) {
    const { name, securityContext } = place.container;
    const profile = securityContext?.appArmorProfile ?? own?.appArmorProfile;
    const annotation = annotations[appArmorPrefix + name];
    if (!profile || annotation === undefined) continue;
    matchProfile('apparmor', annotation, profile, {
      path: containerPath(path, place).child('securityContext', 'appArmorProfile'),
      errors,
    });
  }
}

function matchProfile(
  what: 'seccomp' | 'apparmor',
  annotation: string,
  { type, localhostProfile }: SeccompProfile | AppArmorProfile,
  { path, errors }: { path: FieldPath; errors: FieldErrors },
): void {
  const differs = (): void => errors.forbidden(path.child('type'), `${what} type in annotation and field must match`);
  if (type === 'Unconfined') {
    if (annotation !== 'unconfined') differs();
  } else if (type === 'RuntimeDefault') {
    if (annotation !== 'runtime/default' && !(what === 'seccomp' && annotation === 'docker/default')) differs();
  } else if (type === 'Localhost') {
    if (!annotation.startsWith('localhost/')) differs();
    else if (annotation.slice('localhost/'.length) !== localhostProfile) {
      errors.forbidden(path.child('localhostProfile'), `${what} profile in annotation and field must match`);
    }
  }
}
