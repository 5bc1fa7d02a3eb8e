import type {
  Container,
  ContainerPort,
  ContainerResizePolicy,
  EphemeralContainer,
  VolumeDevice,
  VolumeMount,
} from '../../../api/generated/types.js';
import type { FieldErrors, FieldPath } from '../../../machinery/field-errors.js';
import { validatePortName, validatePortNumber } from '../../../machinery/names.js';
import { addInvalid, descendingPath, dnsLabel, required, requiredOneOf, supported } from './checks.js';
import { validateEnvironment, validateEnvironmentSources } from './environment-validation.js';
import { validateLifecycle, validateProbe } from './handler-validation.js';
import { validateResourceRequirements } from './resource-requirements-validation.js';
import { validateSecurityContext } from './security-context-validation.js';
import type { SpecContext } from './spec-context.js';
import { pullPolicies } from './volume-validation.js';

const protocols = ['SCTP', 'TCP', 'UDP'];
const messagePolicies = ['File', 'FallbackToLogsOnError'];
const restartPolicies = ['Always', 'Never', 'OnFailure'];
const propagations = ['Bidirectional', 'HostToContainer', 'None'];
const recursiveReadOnly = ['Disabled', 'Enabled', 'IfPossible'];

/** Source: validateContainers. */
export function validateContainers(containers: readonly Container[], path: FieldPath, context: SpecContext): void {
  const { errors } = context;
  if (!containers.length) return errors.required(path);
  const names = new Set<string>();
  for (const [index, container] of containers.entries()) {
    const at = path.index(index);
    validateCommon(container, at, context);
    if (names.has(container.name)) errors.duplicate(at.child('name'), container.name);
    names.add(container.name);
    validateHandlers(container, at, context);
    if (container.restartPolicy !== undefined || container.restartPolicyRules) validateRestartRules(container, at, errors);
  }
  validateHostPorts(containers, path, errors);
}

/** Source: validateInitContainers. */
export function validateInitContainers(containers: readonly Container[], path: FieldPath, context: SpecContext): void {
  const { errors, options, spec } = context;
  const names = new Set((spec.containers ?? []).map(container => container.name));
  for (const [index, container] of containers.entries()) {
    const at = path.index(index);
    validateCommon(container, at, context);
    if (container.restartPolicy !== undefined) validateRestartRules(container, at, errors);
    else if (container.restartPolicyRules?.length) {
      errors.required(at.child('restartPolicy'), 'must specify restartPolicy when restart rules are used');
    }
    const sidecar = container.restartPolicy === 'Always';
    if (names.has(container.name)) errors.duplicate(at.child('name'), container.name);
    else if (container.name) names.add(container.name);
    validateHostPorts([container], path, errors);
    if (sidecar) validateHandlers(container, at, context);
    else {
      for (const field of ['lifecycle', 'livenessProbe', 'readinessProbe', 'startupProbe'] as const) {
        if (container[field])
          errors.forbidden(at.child(field), 'may not be set for init containers without restartPolicy=Always');
      }
    }
    if (sidecar || options.initContainerRestartOnResize) continue;
    container.resizePolicy?.forEach(({ restartPolicy }, policy) => {
      if (restartPolicy !== 'RestartContainer') return;
      const text = "must not be set to 'RestartContainer' for non-sidecar initContainers";
      errors.invalid(at.child('resizePolicy').index(policy).child('restartPolicy'), restartPolicy, text);
    });
  }
}

const refusedForEphemeral = [
  'ports',
  'resources',
  'resizePolicy',
  'restartPolicy',
  'restartPolicyRules',
  'livenessProbe',
  'readinessProbe',
  'startupProbe',
  'lifecycle',
] as const;

/** Source: validateEphemeralContainers. */
export function validateEphemeralContainers(
  containers: readonly EphemeralContainer[],
  path: FieldPath,
  context: SpecContext,
): void {
  const { errors, spec } = context;
  const others = new Set([...(spec.containers ?? []), ...(spec.initContainers ?? [])].map(container => container.name));
  const names = new Set(others);
  for (const [index, container] of containers.entries()) {
    const at = path.index(index);
    validateCommon(container, at, context);
    validateImageText(container, at, errors);
    if (names.has(container.name)) errors.duplicate(at.child('name'), container.name);
    names.add(container.name);
    if (container.targetContainerName && !others.has(container.targetContainerName)) {
      errors.notFound(at.child('targetContainerName'), container.targetContainerName);
    }
    for (const field of refusedForEphemeral) {
      const value: unknown = container[field];
      if (value === undefined || (field === 'resources' && Object.keys(value as object).length === 0)) continue;
      errors.forbidden(at.child(field), 'cannot be set for an Ephemeral Container');
    }
    container.volumeMounts?.forEach((mount, mountIndex) => {
      const mountPath = at.child('volumeMounts').index(mountIndex);
      for (const field of ['subPath', 'subPathExpr'] as const) {
        if (mount[field]) errors.forbidden(mountPath.child(field), 'cannot be set for an Ephemeral Container');
      }
    });
  }
}

/** Templates may have images with spaces around them; pods may not. */
export function validateImageText(container: Pick<Container, 'image'>, path: FieldPath, errors: FieldErrors): void {
  const { image = '' } = container;
  if (image.trim() !== image) errors.invalid(path.child('image'), image, 'must not have leading or trailing whitespace');
}

function validateHandlers(container: Container, path: FieldPath, { errors, spec }: SpecContext): void {
  if (container.lifecycle) validateLifecycle(container.lifecycle, spec, path.child('lifecycle'), errors);
  if (container.livenessProbe) validateProbe('liveness', container.livenessProbe, path.child('livenessProbe'), errors);
  if (container.readinessProbe) validateProbe('readiness', container.readinessProbe, path.child('readinessProbe'), errors);
  if (container.startupProbe) validateProbe('startup', container.startupProbe, path.child('startupProbe'), errors);
}

function validateCommon(container: Container | EphemeralContainer, path: FieldPath, context: SpecContext): void {
  const { errors, options, spec } = context;
  if (required(errors, path.child('name'), container.name)) dnsLabel(errors, path.child('name'), container.name);
  required(errors, path.child('image'), container.image);
  requiredOneOf(errors, path.child('terminationMessagePolicy'), container.terminationMessagePolicy, messagePolicies);
  if (container.ports) validatePorts(container.ports, path.child('ports'), errors);
  if (container.env) validateEnvironment(container.env, path.child('env'), errors);
  if (container.envFrom) validateEnvironmentSources(container.envFrom, path.child('envFrom'), errors);
  if (container.volumeMounts) validateMounts(container, container.volumeMounts, path.child('volumeMounts'), context);
  if (container.volumeDevices) validateDevices(container, container.volumeDevices, path.child('volumeDevices'), context);
  requiredOneOf(errors, path.child('imagePullPolicy'), container.imagePullPolicy, pullPolicies);
  validateResourceRequirements(container.resources, path.child('resources'), errors, {
    claimNames: context.claimNames,
    indivisibleHugePages: options.indivisibleHugePages,
  });
  if (container.resizePolicy)
    validateResizePolicies(container.resizePolicy, path.child('resizePolicy'), errors, spec.restartPolicy);
  validateSecurityContext(container.securityContext, path.child('securityContext'), errors, spec.hostUsers !== false);
}

function validatePorts(ports: readonly ContainerPort[], path: FieldPath, errors: FieldErrors): void {
  const names = new Set<string>();
  for (const [index, port] of ports.entries()) {
    const at = path.index(index);
    if (port.name) {
      const texts = validatePortName(port.name);
      if (texts.length) addInvalid(errors, at.child('name'), port.name, texts);
      else if (names.has(port.name)) errors.duplicate(at.child('name'), port.name);
      else names.add(port.name);
    }
    if (!port.containerPort) errors.required(at.child('containerPort'));
    else addInvalid(errors, at.child('containerPort'), port.containerPort, validatePortNumber(port.containerPort));
    if (port.hostPort) addInvalid(errors, at.child('hostPort'), port.hostPort, validatePortNumber(port.hostPort));
    requiredOneOf(errors, at.child('protocol'), port.protocol, protocols);
  }
}

function validateHostPorts(containers: readonly Container[], path: FieldPath, errors: FieldErrors): void {
  const taken = new Set<string>();
  for (const [index, container] of containers.entries()) {
    for (const [portIndex, port] of (container.ports ?? []).entries()) {
      if (!port.hostPort) continue;
      const key = `${port.protocol ?? ''}/${port.hostIP ?? ''}/${port.hostPort}`;
      if (taken.has(key)) errors.duplicate(path.index(index).child('ports').index(portIndex).child('hostPort'), key);
      else taken.add(key);
    }
  }
}

function validateMounts(
  container: Container | EphemeralContainer,
  mounts: readonly VolumeMount[],
  path: FieldPath,
  context: SpecContext,
): void {
  const { errors, volumes } = context;
  const seen = new Set<string>();
  const devices = new Map((container.volumeDevices ?? []).map(device => [device.name, device.devicePath]));
  const devicePaths = new Set(devices.values());
  for (const [index, mount] of mounts.entries()) {
    const at = path.index(index);
    const { name, mountPath, subPath, subPathExpr } = mount;
    required(errors, at.child('name'), name);
    if (!volumes.has(name)) errors.notFound(at.child('name'), name);
    required(errors, at.child('mountPath'), mountPath);
    if (seen.has(mountPath)) errors.invalid(at.child('mountPath'), mountPath, 'must be unique');
    seen.add(mountPath);
    if (devices.has(name)) errors.invalid(at.child('name'), name, 'must not already exist in volumeDevices');
    if (devicePaths.has(mountPath))
      errors.invalid(at.child('mountPath'), mountPath, 'must not already exist as a path in volumeDevices');
    // Upstream names these without the index of the mount.
    if (subPath) descendingPath(errors, path.child('subPath'), subPath);
    if (subPathExpr) {
      if (subPath) errors.invalid(at.child('subPathExpr'), subPathExpr, 'subPathExpr and subPath are mutually exclusive');
      descendingPath(errors, path.child('subPathExpr'), subPathExpr);
    }
    validateMountModes(mount, path, errors, container.securityContext?.privileged === true);
  }
}

function validateMountModes(mount: VolumeMount, path: FieldPath, errors: FieldErrors, privileged: boolean): void {
  const { mountPropagation } = mount;
  if (mountPropagation !== undefined) {
    const at = path.child('mountPropagation');
    supported(errors, at, mountPropagation, propagations);
    if (mountPropagation === 'Bidirectional' && !privileged) {
      errors.forbidden(at, 'Bidirectional mount propagation is available only to privileged containers');
    }
  }
  if (mount.recursiveReadOnly === undefined) return;
  const at = path.child('recursiveReadOnly');
  if (!supported(errors, at, mount.recursiveReadOnly, recursiveReadOnly) || mount.recursiveReadOnly === 'Disabled') return;
  if (!mount.readOnly) errors.forbidden(at, 'may only be specified when readOnly is true');
  if (mountPropagation !== undefined && mountPropagation !== 'None') {
    errors.forbidden(at, 'may only be specified when mountPropagation is None or not specified');
  }
}

function validateDevices(
  container: Container | EphemeralContainer,
  devices: readonly VolumeDevice[],
  path: FieldPath,
  context: SpecContext,
): void {
  const { errors, volumes } = context;
  const mounts = new Map((container.volumeMounts ?? []).map(mount => [mount.name, mount.mountPath]));
  const mountPaths = new Set(mounts.values());
  const paths = new Set<string>();
  const names = new Set<string>();
  for (const [index, { name, devicePath }] of devices.entries()) {
    const at = path.index(index);
    const volume = volumes.get(name);
    required(errors, at.child('name'), name);
    if (names.has(name)) errors.invalid(at.child('name'), name, 'must be unique');
    if (volume && !volume.persistentVolumeClaim && !volume.ephemeral) {
      errors.invalid(
        at.child('name'),
        name,
        'can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode',
      );
    }
    if (!volume) errors.notFound(at.child('name'), name);
    required(errors, at.child('devicePath'), devicePath);
    if (paths.has(devicePath)) errors.invalid(at.child('devicePath'), devicePath, 'must be unique');
    if (devicePath.split('/').includes('..'))
      errors.invalid(at.child('devicePath'), devicePath, "can not contain backsteps ('..')");
    else paths.add(devicePath);
    if (mounts.has(name)) errors.invalid(at.child('name'), name, 'must not already exist in volumeMounts');
    if (mountPaths.has(devicePath))
      errors.invalid(at.child('devicePath'), devicePath, 'must not already exist as a path in volumeMounts');
    if (name) names.add(name);
  }
}

function validateResizePolicies(
  policies: readonly ContainerResizePolicy[],
  path: FieldPath,
  errors: FieldErrors,
  podRestartPolicy: string | undefined,
): void {
  const seen = new Set<string>();
  for (const [index, { resourceName, restartPolicy }] of policies.entries()) {
    if (seen.has(resourceName)) errors.duplicate(path.index(index), resourceName);
    seen.add(resourceName);
    requiredOneOf(errors, path, resourceName, ['cpu', 'memory']);
    requiredOneOf(errors, path, restartPolicy, ['NotRequired', 'RestartContainer']);
    if (podRestartPolicy === 'Never' && restartPolicy !== 'NotRequired') {
      errors.invalid(path, restartPolicy, "must be 'NotRequired' when pod `restartPolicy` is 'Never'");
    }
  }
}

function validateRestartRules(container: Container, path: FieldPath, errors: FieldErrors): void {
  const { restartPolicy, restartPolicyRules: rules = [] } = container;
  if (restartPolicy === undefined) {
    if (rules.length) errors.required(path.child('restartPolicy'), 'must specify restartPolicy when restart rules are used');
  } else supported(errors, path.child('restartPolicy'), restartPolicy, restartPolicies);
  if (rules.length > 20) errors.tooMany(path.child('restartPolicyRules'), rules.length, 20);
  for (const [index, { action, exitCodes }] of rules.entries()) {
    const at = path.child('restartPolicyRules').index(index);
    supported(errors, at.child('action'), action, ['Restart', 'RestartAllContainers']);
    if (!exitCodes) {
      errors.required(at.child('exitCodes'), 'must be specified');
      continue;
    }
    supported(errors, at.child('exitCodes', 'operator'), exitCodes.operator, ['In', 'NotIn']);
    const count = exitCodes.values?.length ?? 0;
    if (count > 255) errors.tooMany(at.child('exitCodes', 'values'), count, 255);
  }
}
