import type { Container, ContainerStatus, Pod, PodSpec, PodStatus } from '../../../api/generated/types.js';
import { internalValue } from '../../../api/internal-value.js';
import type { FieldErrors, FieldPath } from '../../../machinery/field-errors.js';
import { fieldPath } from '../../../machinery/field-errors.js';
import { parseAddress, validateUserId } from '../../../machinery/names.js';
import { parseQuantity } from '../../../machinery/quantity.js';
import {
  addInvalid,
  addressWarnings,
  dnsLabel,
  immutable,
  legacyIp,
  objectName,
  qualifiedName,
  required,
  supported,
} from './checks.js';
import { isNativeResource } from './resource-names.js';
import { validatePodAnnotationUpdate } from './pod-update-validation.js';
import { podOptions } from './pod-validation-options.js';

const statusPath = fieldPath('status');
const systemConditions = new Set(['PodScheduled', 'Ready', 'Initialized']);
const healthValues = ['Healthy', 'Unhealthy', 'Unknown'];
const maximumHealthMessage = 1024;

/** Source: ValidatePodStatusUpdate. */
export function validatePodStatusUpdate(pod: Pod, old: Readonly<Pod>, errors: FieldErrors): void {
  validatePodAnnotationUpdate(pod, old, errors, podOptions(old));
  const status = pod.status ?? {};
  const before = old.status ?? {};
  status.conditions?.forEach(({ type, observedGeneration = 0 }, index) => {
    const at = statusPath.child('conditions').index(index);
    if (observedGeneration < 0)
      errors.invalid(at.child('observedGeneration'), observedGeneration, 'must be a non-negative integer');
    if (!systemConditions.has(type)) qualifiedName(errors, at.child('Type'), type);
  });
  validateNominatedNode(status, before, old.spec, errors);
  if ((status.observedGeneration ?? 0) < 0) {
    errors.invalid(statusPath.child('observedGeneration'), status.observedGeneration, 'must be a non-negative integer');
  }
  if ((status.qosClass ?? '') !== (before.qosClass ?? '')) immutable(errors, statusPath.child('qosClass'), status.qosClass ?? '');
  validateTransitions(status, before, old.spec, errors);
  validateClaimStatuses(pod, errors);
  validateAddresses(status, before, errors);
  validateContainerStatuses(pod, errors);
}

export function podStatusWarnings(pod: Readonly<Pod>): string[] {
  const lists = ['podIPs', 'hostIPs'] as const;
  return lists.flatMap(list =>
    (pod.status?.[list] ?? []).flatMap(({ ip }, index) => addressWarnings(statusPath.child(list).index(index).child('ip'), ip)),
  );
}

function validateNominatedNode(status: PodStatus, before: PodStatus, spec: PodSpec, errors: FieldErrors): void {
  const name = status.nominatedNodeName ?? '';
  if (!name || name === (before.nominatedNodeName ?? '')) return;
  const at = statusPath.child('nominatedNodeName');
  objectName(errors, at, name);
  if (spec.nodeName) errors.forbidden(at, 'may not be set on pods that are already bound to a node');
}

/** A container that has ended comes back only where its restart policy lets it. */
function validateTransitions(status: PodStatus, before: PodStatus, spec: PodSpec, errors: FieldErrors): void {
  const anyMayRestart = [...(spec.initContainers ?? []), ...(spec.containers ?? [])].some(container =>
    container.restartPolicyRules?.some(rule => rule.action === 'RestartAllContainers'),
  );
  for (const [field, containers] of [
    ['containerStatuses', spec.containers],
    ['initContainerStatuses', spec.initContainers],
    ['ephemeralContainerStatuses', undefined],
  ] as const) {
    if (anyMayRestart && field !== 'ephemeralContainerStatuses') continue;
    for (const [index, { name, state }] of (before[field] ?? []).entries()) {
      if (!state?.terminated) continue;
      const now = status[field]?.find(candidate => candidate.name === name);
      if (!now || now.state?.terminated) continue;
      const container = containers?.find(candidate => candidate.name === name);
      if (container && mayRestart(container, spec, state.terminated.exitCode)) continue;
      errors.forbidden(statusPath.child(field).index(index).child('state'), 'may not be transitioned to non-terminated state');
    }
  }
}

/** Source: ContainerShouldRestart. */
function mayRestart(container: Container, spec: PodSpec, exitCode: number): boolean {
  const byPolicy = (policy: string | undefined): boolean => policy === 'Always' || (policy === 'OnFailure' && exitCode !== 0);
  if (container.restartPolicy === undefined) return byPolicy(spec.restartPolicy || 'Always');
  const rule = container.restartPolicyRules?.find(({ exitCodes }) => {
    const among = exitCodes?.values?.includes(exitCode) ?? false;
    return exitCodes && (exitCodes.operator === 'NotIn' ? !among : among);
  });
  return rule ? true : byPolicy(container.restartPolicy);
}

function validateClaimStatuses({ spec, status = {} }: Pod, errors: FieldErrors): void {
  const names = new Set<string>();
  const claims = spec.resourceClaims ?? [];
  for (const [index, { name, resourceClaimName }] of (status.resourceClaimStatuses ?? []).entries()) {
    const at = statusPath.child('resourceClaimStatuses').index(index);
    if (!claims.some(claim => claim.name === name)) {
      errors.invalid(at.child('name'), name, 'must match the name of an entry in `spec.resourceClaims`');
    }
    if (names.has(name)) errors.duplicate(at.child('name'), name);
    names.add(name);
    if (resourceClaimName !== undefined) objectName(errors, at.child('resourceClaimName'), resourceClaimName);
  }
  validateExtendedClaim(spec, status, errors);
  for (const [index, claim] of (status.nodeAllocatableResourceClaimStatuses ?? []).entries()) {
    const at = statusPath.child('nodeAllocatableResourceClaimStatuses').index(index);
    const name = claim.resourceClaimName;
    if (!name) errors.required(at.child('resourceClaimName'), 'must not be empty');
    if (![...claims, ...(status.resourceClaimStatuses ?? [])].some(other => other.resourceClaimName === name)) {
      errors.invalid(at.child('resourceClaimName'), name, 'no mapping found in pod reference');
    }
    if (!claim.containers?.length) errors.required(at.child('containers'), 'must not be empty');
    const resources = Object.entries(claim.resources ?? {});
    if (!resources.length) errors.required(at.child('resources'), 'must not be empty');
    for (const [resource, amount] of resources) {
      const key = at.child('resources').key(resource);
      if (!isNativeResource(resource)) errors.invalid(key, resource, 'must be a node allocatable resource name');
      if (parseQuantity(amount).sign < 0) errors.invalid(key, amount, 'must be non-negative');
    }
  }
}

function validateExtendedClaim(spec: PodSpec, status: PodStatus, errors: FieldErrors): void {
  const claim = status.extendedResourceClaimStatus;
  if (!claim) return;
  const path = statusPath.child('extendedResourceClaimStatus');
  const mappings = path.child('requestMappings');
  if (!claim.requestMappings?.length) errors.required(mappings, 'at least one request mapping is required');
  const seen = new Set<string>();
  for (const [index, { containerName, resourceName, requestName }] of (claim.requestMappings ?? []).entries()) {
    const at = mappings.index(index);
    const container = [...(spec.containers ?? []), ...(spec.initContainers ?? [])].find(
      candidate => candidate.name === containerName,
    );
    if (!container) {
      const text = 'must match the name of an entry in spec.initContainers.name or spec.containers.name';
      errors.invalid(at.child('containerName'), containerName, text);
    } else if (container.resources?.requests?.[resourceName] === undefined) {
      const text =
        'must match the extended resource name of an entry in spec.initContainers.resources.requests or spec.containers.resources.requests';
      errors.invalid(at.child('resourceName'), resourceName, text);
    }
    dnsLabel(errors, path.child('requestName'), requestName);
    const key = `${containerName}\n${resourceName}\n${requestName}`;
    if (seen.has(key)) {
      errors.duplicate(at.child('containerName'), containerName);
      errors.duplicate(at.child('resourceName'), resourceName);
      errors.duplicate(at.child('requestName'), requestName);
    }
    seen.add(key);
  }
  if (required(errors, path.child('resourceClaimName'), claim.resourceClaimName)) {
    objectName(errors, path.child('resourceClaimName'), claim.resourceClaimName);
  }
}

function validateAddresses(status: PodStatus, before: PodStatus, errors: FieldErrors): void {
  const hosts = status.hostIPs ?? [];
  if (hosts.length && (status.hostIP ?? '') !== hosts[0]!.ip) {
    errors.invalid(statusPath.child('hostIPs').index(0).child('ip'), hosts[0]!.ip, 'must be equal to `hostIP`');
  }
  for (const list of ['podIPs', 'hostIPs'] as const) {
    const path = statusPath.child(list);
    const addresses = (status[list] ?? []).map(({ ip }) => ip);
    const known = (before[list] ?? []).map(({ ip }) => ip);
    addresses.forEach((address, index) => legacyIp(errors, path.index(index), address, known));
    if (addresses.length < 2) continue;
    const families = addresses.map(address => parseAddress(address)?.family);
    if (addresses.length > 2 || families[0] === families[1]) {
      errors.invalid(path, internalValue('[]core.PodIP', status[list]), 'may specify no more than one IP for each IP family');
    }
  }
}

function validateContainerStatuses({ spec, status = {} }: Pod, errors: FieldErrors): void {
  for (const [field, containers] of [
    ['containerStatuses', spec.containers],
    ['initContainerStatuses', spec.initContainers],
    ['ephemeralContainerStatuses', undefined],
  ] as const) {
    for (const [index, container] of (status[field] ?? []).entries()) {
      const at = statusPath.child(field).index(index);
      validateUser(container, at.child('user', 'linux'), errors, spec.os?.name ?? 'linux');
      if (!container.allocatedResourcesStatus?.length) continue;
      const path = at.child('allocatedResourcesStatus');
      if (!containers) errors.forbidden(path, 'must not be specified in container status');
      else
        validateHealth(
          container,
          containers.find(candidate => candidate.name === container.name),
          path,
          errors,
        );
    }
  }
}

function validateUser({ user }: ContainerStatus, path: FieldPath, errors: FieldErrors, os: string): void {
  if (!user?.linux) return;
  if (os === 'windows') return errors.forbidden(path, 'cannot be set for a windows pod');
  const { uid, gid, supplementalGroups } = user.linux;
  addInvalid(errors, path.child('uid'), uid, validateUserId(uid));
  addInvalid(errors, path.child('gid'), gid, validateUserId(gid));
  supplementalGroups?.forEach((id, index) =>
    addInvalid(errors, path.child('supplementalGroups').index(index), id, validateUserId(id)),
  );
}

function validateHealth(status: ContainerStatus, container: Container | undefined, path: FieldPath, errors: FieldErrors): void {
  for (const [index, { name, resources }] of status.allocatedResourcesStatus!.entries()) {
    const at = path.index(index);
    if (container) {
      const isClaim = name.startsWith('claim:');
      const known = isClaim
        ? container.resources?.claims?.some(claim => name === `claim:${claim.name}${claim.request ? `/${claim.request}` : ''}`)
        : container.resources?.requests?.[name] !== undefined;
      const text = isClaim
        ? "must match one of the container's resource claims in a format 'claim:<claimName>/<request>' or 'claim:<claimName>' if request is empty"
        : "must match one of the container's resource requests";
      if (!known) errors.invalid(at.child('name'), name, text);
    }
    const seen = new Set<string>();
    for (const [resourceIndex, { resourceID, health, message }] of (resources ?? []).entries()) {
      const resource = at.child('resources').index(resourceIndex);
      supported(errors, resource.child('health'), health, healthValues);
      if (message === '') errors.required(resource.child('message'), 'must be non-empty if specified');
      else if (message !== undefined && message.length > maximumHealthMessage)
        errors.tooLong(resource.child('message'), maximumHealthMessage);
      if (seen.has(resourceID)) errors.duplicate(resource.child('resourceID'), resourceID);
      seen.add(resourceID);
    }
  }
}
