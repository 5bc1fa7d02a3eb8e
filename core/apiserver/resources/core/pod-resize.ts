import type { Container, Pod, ResourceRequirements } from '../../../api/generated/types.js';
import { podQosClass } from '../../../api/pod-resources.js';
import type { FieldErrors, FieldPath } from '../../../machinery/field-errors.js';
import { fieldPath } from '../../../machinery/field-errors.js';
import { cloneJson, semanticEqual } from '../../../machinery/object.js';
import { mirrorAnnotation } from './pod-spec-validation.js';
import { validatePodAndSpec } from './pod-update-validation.js';
import { podOptions } from './pod-validation-options.js';

const specPath = fieldPath('spec');
const lists = ['containers', 'initContainers'] as const;
type ResourceList = Readonly<Record<string, string>>;

/** Keeps everything but resources and resize policies as it was. Source: dropNonResizeUpdates. */
export function keepResizeOnly(pod: Pod, old: Readonly<Pod>): void {
  if (lists.some(list => (pod.spec[list] ?? []).length !== (old.spec[list] ?? []).length)) return;
  const spec = cloneJson(old.spec);
  for (const list of lists) {
    const wanted = pod.spec[list] ?? [];
    if (wanted.some((container, index) => container.name !== spec[list]![index]!.name)) spec[list] = wanted;
    spec[list]?.forEach((container, index) => {
      container.resources = wanted[index]!.resources;
      const { resizePolicy } = wanted[index]!;
      if (resizePolicy) container.resizePolicy = resizePolicy;
      else delete container.resizePolicy;
    });
  }
  if (pod.spec.resources) spec.resources = pod.spec.resources;
  else delete spec.resources;
  pod.spec = spec;
  pod.status = cloneJson(old.status);
}

/** Source: ValidatePodResize. */
export function validatePodResize(pod: Pod, old: Readonly<Pod>, errors: FieldErrors): void {
  if (old.metadata.annotations?.[mirrorAnnotation] !== undefined)
    return errors.forbidden(fieldPath(''), 'static pods cannot be resized');
  if (old.spec.os?.name === 'windows') return errors.forbidden(fieldPath(''), 'windows pods cannot be resized');
  validatePodAndSpec(pod, errors, podOptions(old));
  if ((old.status?.qosClass || podQosClass(old.spec)) !== podQosClass(pod.spec)) {
    errors.invalid(specPath, pod.status?.qosClass ?? '', 'Pod QOS Class may not change as a result of resizing');
  }
  const running = (old.status?.containerStatuses ?? []).find(status => status.state?.running);
  if (running && !running.resources) errors.forbidden(specPath, 'Pod running on node without support for resize');
  const rest = cloneJson(pod.spec);
  if (hasResources(old.spec.resources) || hasResources(pod.spec.resources)) {
    if (old.spec.resources && !pod.spec.resources) {
      errors.forbidden(specPath.child('resources'), 'pod-level resources cannot be removed');
    } else {
      validatePodLevel(pod, old, errors);
      const resources = withOldCompute(rest.resources, old.spec.resources);
      if (resources) rest.resources = resources;
      else delete rest.resources;
      if (!semanticEqual(rest.resources, old.spec.resources)) {
        errors.forbidden(specPath, 'only cpu and memory resources are mutable at pod-level');
      }
    }
  }
  if (old.status?.nodeAllocatableResourceClaimStatuses?.length) {
    errors.forbidden(specPath, 'pods with node allocatable resource claims cannot be resized');
  }
  if (!sameOrder(pod, old, errors)) return;
  for (const list of [...lists].reverse()) {
    old.spec[list]?.forEach(({ resources }, index) => {
      validateContainer(
        pod.spec[list]![index]!.resources,
        resources,
        specPath.child(list).index(index).child('resources'),
        errors,
      );
    });
  }
  rest.containers?.forEach((container, index) => {
    const before = old.spec.containers[index]!;
    container.resources = withOldCompute(container.resources, before.resources) ?? {};
    if (!semanticEqual(container, before)) errors.forbidden(specPath, 'only cpu and memory resources are mutable');
  });
  rest.initContainers?.forEach((container, index) => {
    validateInitContainer(container, old.spec.initContainers![index]!, specPath.child('initContainers').index(index), errors);
  });
  if (errors.empty && !semanticEqual(rest, old.spec)) errors.forbidden(specPath, 'only cpu and memory resources are mutable');
}

function validateInitContainer(container: Container, before: Container, path: FieldPath, errors: FieldErrors): void {
  const changed = !semanticEqual(container, before);
  container.resources = withOldCompute(container.resources, before.resources) ?? {};
  if (!semanticEqual(container, before)) {
    errors.forbidden(path, 'only cpu and memory resources for init or sidecar containers are mutable');
  }
  if (!changed || container.restartPolicy === 'Always') return;
  for (const policy of container.resizePolicy ?? []) {
    if (policy.restartPolicy !== 'RestartContainer') continue;
    errors.forbidden(path, 'non-sidecar init containers with a resize policy of RestartContainer cannot be resized');
  }
}

const hasResources = (resources: ResourceRequirements | undefined): boolean =>
  Object.keys(resources?.requests ?? {}).length + Object.keys(resources?.limits ?? {}).length > 0;

function removed(after: ResourceList | undefined, before: ResourceList | undefined): boolean {
  return Object.keys(before ?? {}).some(name => after?.[name] === undefined);
}

function validatePodLevel(pod: Pod, old: Readonly<Pod>, errors: FieldErrors): void {
  const path = specPath.child('resources');
  const before = old.spec.resources;
  const after = pod.spec.resources;
  if (!before) return;
  if (removed(after?.requests, before.requests))
    errors.forbidden(path.child('requests'), 'pod-level resource requests cannot be removed');
  if (removed(after?.limits, before.limits))
    errors.forbidden(path.child('limits'), 'pod-level resource limits cannot be removed');
}

function sameOrder(pod: Pod, old: Readonly<Pod>, errors: FieldErrors): boolean {
  const before = errors.list.length;
  for (const list of lists) {
    const path = specPath.child(list);
    const containers = pod.spec[list] ?? [];
    const oldContainers = old.spec[list] ?? [];
    if (containers.length !== oldContainers.length) errors.forbidden(path, `${list} may not be added or removed on resize`);
    else {
      oldContainers.forEach(({ name }, index) => {
        if (containers[index]!.name === name) return;
        errors.forbidden(path.index(index).child('name'), `${list} may not be renamed or reordered on resize`);
      });
    }
  }
  return errors.list.length === before;
}

function validateContainer(
  after: ResourceRequirements,
  before: ResourceRequirements,
  path: FieldPath,
  errors: FieldErrors,
): void {
  if (removed(after?.requests, before?.requests)) errors.forbidden(path.child('requests'), 'resource requests cannot be removed');
  if (removed(after?.limits, before?.limits)) errors.forbidden(path.child('limits'), 'resource limits cannot be removed');
}

/** The new resources with CPU and memory put back to what they were; claims are left out, as upstream does. */
function withOldCompute(
  after: ResourceRequirements | undefined,
  before: ResourceRequirements | undefined,
): ResourceRequirements | undefined {
  if (!after) return undefined;
  const result: ResourceRequirements = {};
  for (const field of ['limits', 'requests'] as const) {
    const { cpu: _cpu, memory: _memory, ...others } = after[field] ?? {};
    const old = before?.[field];
    const list = {
      ...others,
      ...(old?.cpu === undefined ? {} : { cpu: old.cpu }),
      ...(old?.memory === undefined ? {} : { memory: old.memory }),
    };
    if (Object.keys(list).length) result[field] = list as Record<string, string>;
  }
  return before || hasResources(result) ? result : undefined;
}
