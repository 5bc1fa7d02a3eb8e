import type { HostAlias, ObjectMeta, PodDNSConfig, PodResourceClaim, PodSpec } from '../../../api/generated/types.js';
import { internalValue } from '../../../api/internal-value.js';
import { podLimits, podRequests } from '../../../api/pod-resources.js';
import type { Pod } from '../../../api/generated/types.js';
import type { FieldErrors, FieldPath } from '../../../machinery/field-errors.js';
import { fieldPath } from '../../../machinery/field-errors.js';
import { validateLabels } from '../../../machinery/label-selector.js';
import { rangeError, validateDns1123SubdomainWithUnderscore } from '../../../machinery/names.js';
import { parseQuantity } from '../../../machinery/quantity.js';
import {
  addInvalid,
  dnsLabel,
  dnsSubdomain,
  legacyIp,
  maximumInt32,
  objectName,
  qualifiedName,
  requiredOneOf,
} from './checks.js';
import { validateContainers, validateEphemeralContainers, validateInitContainers } from './container-validation.js';
import { containerPath, everyContainer } from './pod-containers.js';
import type { PodValidationOptions } from './pod-validation-options.js';
import { isHugePage } from './resource-names.js';
import { validateResourceRequirements } from './resource-requirements-validation.js';
import { validateAffinity, validateTolerations, validateTopologySpread } from './scheduling-validation.js';
import { validateHostProcesses, validateOs, validatePodSecurityContext } from './security-context-validation.js';
import type { SpecContext } from './spec-context.js';
import { validateVolumes } from './volume-validation.js';

export const mirrorAnnotation = 'kubernetes.io/config.mirror';
const maximumNameservers = 3;
const maximumSearches = 32;
const maximumSearchCharacters = 2048;

export interface PodSpecValidation {
  readonly options: PodValidationOptions;
  /** Of the pod; templates have none. */
  readonly podMetadata?: Partial<ObjectMeta>;
}

/** Everything but what only pods or only templates must keep. Source: ValidatePodSpec. */
export function validatePodSpec(
  spec: PodSpec,
  path: FieldPath,
  errors: FieldErrors,
  { options, podMetadata }: PodSpecValidation,
): void {
  if (spec.terminationGracePeriodSeconds === undefined) errors.required(path.child('terminationGracePeriodSeconds'));
  const volumes = validateVolumes(spec.volumes ?? [], path.child('volumes'), errors, { options, podMetadata });
  const claims = spec.resourceClaims ?? [];
  validateClaims(claims, path.child('resourceClaims'), errors, podMetadata);
  const claimNames = new Set(claims.map(claim => claim.name).filter(name => name));
  const context: SpecContext = { errors, options, spec, volumes, claimNames };
  validateContainers(spec.containers ?? [], path.child('containers'), context);
  if (spec.initContainers) validateInitContainers(spec.initContainers, path.child('initContainers'), context);
  if (spec.ephemeralContainers) validateEphemeralContainers(spec.ephemeralContainers, path.child('ephemeralContainers'), context);
  if (spec.resources && spec.containers) validatePodResources(spec, path.child('resources'), context);
  if (spec.hostNetwork) validateHostNetworkPorts(spec, path.child('containers'), errors, options.resourceIsPod);
  requiredOneOf(errors, path.child('restartPolicy'), spec.restartPolicy, ['Always', 'OnFailure', 'Never']);
  requiredOneOf(errors, path.child('dnsPolicy'), spec.dnsPolicy, ['ClusterFirstWithHostNet', 'ClusterFirst', 'Default', 'None']);
  validateLabels(spec.nodeSelector, path.child('nodeSelector'), errors);
  validatePodSecurityContext(spec, path.child('securityContext'), errors, options);
  validateAffinity(spec.affinity, path.child('affinity'), errors, options);
  validateDnsConfig(spec.dnsConfig, path.child('dnsConfig'), errors, spec.dnsPolicy);
  spec.readinessGates?.forEach(({ conditionType }, index) => {
    qualifiedName(errors, path.child('readinessGates').index(index).child('conditionType'), conditionType);
  });
  validateSchedulingGates(spec, path.child('schedulingGates'), errors);
  if (spec.topologySpreadConstraints) {
    validateTopologySpread(spec.topologySpreadConstraints, path.child('topologySpreadConstraints'), errors, options);
  }
  validateHostProcesses(spec, path, errors);
  if (spec.hostUsers === false) validateUserNamespace(spec, path, errors, options);
  validateNames(spec, path, errors);
  if (spec.tolerations) validateTolerations(spec.tolerations, path.child('tolerations'), errors, options.tolerationComparison);
  if (spec.hostAliases) validateHostAliases(spec.hostAliases, path.child('hostAliases'), errors);
  if (spec.priorityClassName) objectName(errors, path.child('priorityClassName'), spec.priorityClassName);
  if (spec.runtimeClassName !== undefined) objectName(errors, path.child('runtimeClassName'), spec.runtimeClassName);
  if (spec.preemptionPolicy !== undefined) {
    requiredOneOf(errors, path.child('preemptionPolicy'), spec.preemptionPolicy, ['PreemptLowerPriority', 'Never']);
  }
  if (spec.overhead) {
    const { indivisibleHugePages } = options;
    validateResourceRequirements({ limits: spec.overhead }, path.child('overhead'), errors, {
      claimNames: new Set(),
      indivisibleHugePages,
    });
  }
  if (spec.os) validateOs(spec, path, errors);
  validateFileKeyVolumes(spec, path, errors);
}

function validateNames(spec: PodSpec, path: FieldPath, errors: FieldErrors): void {
  if (spec.hostnameOverride !== undefined) {
    const at = path.child('hostnameOverride');
    if (spec.setHostnameAsFQDN) errors.forbidden(at, 'may not be specified when setHostnameAsFQDN is true');
    if (spec.hostNetwork) errors.forbidden(at, 'may not be specified when hostNetwork is true');
    if (spec.hostnameOverride.length > 64) errors.tooLong(at, 64);
    dnsSubdomain(errors, at, spec.hostnameOverride);
  }
  if (spec.serviceAccountName) objectName(errors, path.child('serviceAccountName'), spec.serviceAccountName);
  if (spec.nodeName) objectName(errors, path.child('nodeName'), spec.nodeName);
  const deadline = spec.activeDeadlineSeconds;
  if (deadline !== undefined && (deadline < 1 || deadline > maximumInt32)) {
    errors.invalid(path.child('activeDeadlineSeconds'), deadline, rangeError(1, maximumInt32));
  }
  if (spec.hostname) dnsLabel(errors, path.child('hostname'), spec.hostname);
  if (spec.subdomain) dnsLabel(errors, path.child('subdomain'), spec.subdomain);
}

function validateClaims(
  claims: readonly PodResourceClaim[],
  path: FieldPath,
  errors: FieldErrors,
  podMetadata: Partial<ObjectMeta> | undefined,
): void {
  const names = new Set<string>();
  for (const [index, claim] of claims.entries()) {
    const at = path.index(index);
    if (podMetadata?.annotations && mirrorAnnotation in podMetadata.annotations) {
      errors.forbidden(fieldPath(''), 'static pods do not support resource claims');
      continue;
    }
    if (!claim.name) errors.required(at.child('name'));
    else if (names.has(claim.name)) errors.duplicate(at.child('name'), claim.name);
    else {
      dnsLabel(errors, at.child('name'), claim.name);
      names.add(claim.name);
    }
    const { resourceClaimName, resourceClaimTemplateName } = claim;
    if (resourceClaimName !== undefined && resourceClaimTemplateName !== undefined) {
      errors.invalid(
        at,
        internalValue('core.PodResourceClaim', claim),
        'at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified',
      );
    }
    if (resourceClaimName === undefined && resourceClaimTemplateName === undefined) {
      errors.invalid(
        at,
        internalValue('core.PodResourceClaim', claim),
        'must specify one of: `resourceClaimName`, `resourceClaimTemplateName`',
      );
    }
    if (resourceClaimName !== undefined) objectName(errors, at.child('resourceClaimName'), resourceClaimName);
    if (resourceClaimTemplateName !== undefined)
      objectName(errors, at.child('resourceClaimTemplateName'), resourceClaimTemplateName);
  }
}

/** Resources of the pod as a whole, and that its containers keep within them. */
function validatePodResources(spec: PodSpec, path: FieldPath, { errors, options, claimNames }: SpecContext): void {
  const { requests = {}, limits = {}, claims } = spec.resources!;
  if (spec.os?.name === 'windows') return errors.forbidden(path, 'may not be set for a windows pod');
  if (claims) errors.forbidden(path.child('claims'), 'claims may not be set for Resources at pod-level');
  validateResourceRequirements(spec.resources, path, errors, {
    claimNames,
    indivisibleHugePages: options.indivisibleHugePages,
    wholePod: true,
  });
  const pod = { spec } as Pod;
  const own = { skipPodLevelResources: true, excludeOverhead: true };
  for (const [name, total] of podRequests(pod, own)) {
    if (!Object.hasOwn(requests, name) || total.compare(parseQuantity(requests[name]!)) <= 0) continue;
    const text = `must be greater than or equal to aggregate container requests of ${total.toString()}`;
    errors.invalid(path.child('requests').key(name), requests[name], text);
  }
  for (const [name, total] of podLimits(pod, own)) {
    if (!isHugePage(name) || !Object.hasOwn(limits, name) || total.compare(parseQuantity(limits[name]!)) <= 0) continue;
    const text = `must be greater than or equal to aggregate container limits of ${total.toString()}`;
    errors.invalid(path.child('limits').key(name), limits[name], text);
  }
  for (const [index, container] of (spec.containers ?? []).entries()) {
    for (const [name, limit] of Object.entries(container.resources?.limits ?? {})) {
      if (!Object.hasOwn(limits, name) || parseQuantity(limit).compare(parseQuantity(limits[name]!)) <= 0) continue;
      const at = path.child('containers').index(index).key(name).child('limits');
      errors.invalid(at, limit, `must be less than or equal to pod limits of ${limits[name]}`);
    }
  }
}

function validateHostNetworkPorts(spec: PodSpec, path: FieldPath, errors: FieldErrors, isPod: boolean): void {
  for (const [index, { ports }] of (spec.containers ?? []).entries()) {
    for (const [portIndex, { hostPort = 0, containerPort }] of (ports ?? []).entries()) {
      if ((!isPod && hostPort === 0) || hostPort === containerPort) continue;
      const at = path.index(index).child('ports').index(portIndex).child('hostPort');
      errors.invalid(at, hostPort, 'must match `containerPort` when `hostNetwork` is true');
    }
  }
}

function validateDnsConfig(
  config: PodDNSConfig | undefined,
  path: FieldPath,
  errors: FieldErrors,
  policy: string | undefined,
): void {
  if (policy === 'None') {
    if (!config) return errors.required(path, 'must provide `dnsConfig` when `dnsPolicy` is None');
    if (!config.nameservers?.length) {
      return errors.required(path.child('nameservers'), 'must provide at least one DNS nameserver when `dnsPolicy` is None');
    }
  }
  if (!config) return;
  const { nameservers = [], searches = [], options = [] } = config;
  if (nameservers.length > maximumNameservers) {
    errors.invalid(path.child('nameservers'), nameservers, `must not have more than ${maximumNameservers} nameservers`);
  }
  nameservers.forEach((address, index) => legacyIp(errors, path.child('nameservers').index(index), address));
  if (searches.length > maximumSearches) {
    errors.invalid(path.child('searches'), searches, `must not have more than ${maximumSearches} search paths`);
  }
  if (searches.join(' ').length > maximumSearchCharacters) {
    const text = `must not have more than ${maximumSearchCharacters} characters (including spaces) in the search list`;
    errors.invalid(path.child('searches'), searches, text);
  }
  searches.forEach((search, index) => {
    if (search === '.') return;
    const domain = search.endsWith('.') ? search.slice(0, -1) : search;
    addInvalid(errors, path.child('searches').index(index), domain, validateDns1123SubdomainWithUnderscore(domain));
  });
  options.forEach(({ name }, index) => {
    if (!name) errors.required(path.child('options').index(index), 'must not be empty');
  });
}

function validateSchedulingGates(spec: PodSpec, path: FieldPath, errors: FieldErrors): void {
  const seen = new Set<string>();
  for (const [index, { name }] of (spec.schedulingGates ?? []).entries()) {
    qualifiedName(errors, path.index(index), name);
    if (seen.has(name)) errors.duplicate(path.index(index), name);
    seen.add(name);
  }
}

/** A pod with its own user namespace shares none of the host's. The capitals are upstream's. */
function validateUserNamespace(spec: PodSpec, path: FieldPath, errors: FieldErrors, options: PodValidationOptions): void {
  const text = 'when `hostUsers` is false';
  if (spec.hostNetwork && !options.userNamespacesWithHostNetwork) errors.forbidden(path.child('hostNetwork'), text);
  if (spec.hostPID) errors.forbidden(path.child('HostPID'), text);
  if (spec.hostIPC) errors.forbidden(path.child('HostIPC'), text);
  if (options.userNamespacesWithDevices) return;
  for (const place of everyContainer(spec)) {
    if (place.container.volumeDevices?.length) errors.forbidden(containerPath(path, place).child('volumeDevices'), text);
  }
}

function validateHostAliases(aliases: readonly HostAlias[], path: FieldPath, errors: FieldErrors): void {
  for (const [index, { ip, hostnames }] of aliases.entries()) {
    legacyIp(errors, path.index(index).child('ip'), ip);
    hostnames?.forEach((name, nameIndex) => dnsSubdomain(errors, path.index(index).child('hostnames').index(nameIndex), name));
  }
}

function validateFileKeyVolumes(spec: PodSpec, path: FieldPath, errors: FieldErrors): void {
  for (const place of everyContainer(spec)) {
    const { env } = place.container;
    if (!env) continue;
    for (const [index, { valueFrom }] of env.entries()) {
      if (!valueFrom?.fileKeyRef) continue;
      const { volumeName } = valueFrom.fileKeyRef;
      const at = containerPath(path, place).child('env').index(index).child('valueFrom', 'fileKeyRef', 'volumeName');
      const volume = spec.volumes?.findLast(candidate => candidate.name === volumeName);
      if (!volume) errors.notFound(at, volumeName);
      else if (!volume.emptyDir) errors.invalid(at, volumeName, 'referenced volume must be of type emptyDir');
    }
  }
}
