import { canonicalQuantity, parseQuantity } from '../machinery/quantity.js';
import type { Quantity } from '../machinery/quantity.js';
import { validateQualifiedName } from '../machinery/names.js';
import type { KubeObject } from '../machinery/object.js';
import type {
  PersistentVolumeClaim,
  Pod,
  PodAffinityTerm,
  ResourceClaim,
  ResourceQuota,
  ScopedResourceSelectorRequirement,
  Service,
} from './generated/types.js';
import type { DeviceFacts } from './device-quota.js';
import { noDeviceFacts, resourceClaimUsage, trackedClaimNames } from './device-quota.js';
import type { ResourceQuantities } from './pod-resources.js';
import { hasPodLevelResources, podLimits, podQosClass, podRequests } from './pod-resources.js';
import { isPodFinished } from './pods.js';
import { deviceClassResourcePrefix } from './resource-claims.js';

/**
 * How much of a ResourceQuota an object takes: what the quota controller counts and quota admission charges.
 * Source: pkg/quota/v1/evaluator; KEP-1280 and the guide "Resource Quotas".
 */
interface ResourceName {
  readonly group: string;
  readonly resource: string;
}

const one = parseQuantity('1');
const none = parseQuantity('0');
const storageClassSuffix = '.storageclass.storage.k8s.io/';
const betaClassAnnotation = 'volume.beta.kubernetes.io/storage-class';

/** Counts that had a name before `count/...`. */
const aliases: Readonly<Record<string, string>> = {
  configmaps: 'configmaps',
  replicationcontrollers: 'replicationcontrollers',
  resourcequotas: 'resourcequotas',
  secrets: 'secrets',
};

const podNames = new Set([
  'count/pods',
  'cpu',
  'ephemeral-storage',
  'limits.cpu',
  'limits.ephemeral-storage',
  'limits.memory',
  'memory',
  'pods',
  'requests.cpu',
  'requests.ephemeral-storage',
  'requests.memory',
]);
const serviceNames = new Set(['count/services', 'services', 'services.loadbalancers', 'services.nodeports']);
const claimNames = ['persistentvolumeclaims', 'requests.storage'];
/** If a quota names one of these, every container has to say it. */
const demandedNames = new Set(['cpu', 'memory', 'requests.cpu', 'requests.memory', 'limits.cpu', 'limits.memory']);

/** The name under which objects of a resource are counted: `count/deployments.apps`. */
export function objectCountName({ group, resource }: ResourceName): string {
  return group ? `count/${resource}.${group}` : `count/${resource}`;
}

/** Which of the names a resource's objects are charged under, sorted; prefixed names behind the others. */
export function trackedNames(reference: ResourceName, names: readonly string[], facts = noDeviceFacts): string[] {
  if (isResourceClaim(reference)) return trackedClaimNames(names, facts);
  const sorted = [...names].sort();
  switch (coreResource(reference)) {
    case 'pods':
      return [
        ...sorted.filter(name => podNames.has(name)),
        ...names.filter(name => name.startsWith('hugepages-') || name.startsWith('requests.hugepages-')),
        ...names.filter(isExtendedName),
      ];
    case 'services':
      return sorted.filter(name => serviceNames.has(name));
    case 'persistentvolumeclaims':
      return names.filter(
        name =>
          name === 'count/persistentvolumeclaims' ||
          claimNames.includes(name) ||
          claimNames.some(own => name.endsWith(`${storageClassSuffix}${own}`)),
      );
    default: {
      const own = [objectCountName(reference), reference.group === '' ? aliases[reference.resource] : undefined];
      return sorted.filter(name => own.includes(name));
    }
  }
}

/** What one object takes. */
export function quotaUsage(
  reference: ResourceName,
  object: Readonly<KubeObject>,
  nowMs: number,
  facts: DeviceFacts = noDeviceFacts,
): ResourceQuantities {
  if (isResourceClaim(reference)) return resourceClaimUsage(object as unknown as ResourceClaim, facts);
  switch (coreResource(reference)) {
    case 'pods':
      return podUsage(object as unknown as Pod, nowMs);
    case 'services':
      return serviceUsage(object as unknown as Service);
    case 'persistentvolumeclaims':
      return claimUsage(object as unknown as PersistentVolumeClaim);
    default: {
      const usage: ResourceQuantities = new Map([[objectCountName(reference), one]]);
      const alias = reference.group === '' ? aliases[reference.resource] : undefined;
      return alias ? usage.set(alias, one) : usage;
    }
  }
}

/** All scopes of a quota, in the form of selectors. */
export function quotaScopes({ spec }: Readonly<ResourceQuota>): ScopedResourceSelectorRequirement[] {
  const plain = (spec.scopes ?? []).map(scopeName => ({ scopeName, operator: 'Exists' }));
  return [...plain, ...(spec.scopeSelector?.matchExpressions ?? [])];
}

/** Whether the object lies in all scopes of the quota. Kinds without scopes lie in none. */
export function liesInScopes(
  reference: ResourceName,
  scopes: readonly ScopedResourceSelectorRequirement[],
  object: Readonly<KubeObject>,
): boolean {
  return scopes.every(scope => {
    const kind = coreResource(reference);
    if (kind === 'pods') return podInScope(object as unknown as Pod, scope);
    return kind === 'persistentvolumeclaims' && claimInScope(object as unknown as PersistentVolumeClaim, scope);
  });
}

/** What a pod has to say and does not: `must specify limits.cpu for: web`. Undefined when nothing is missing. */
export function missingDemands(
  reference: ResourceName,
  names: readonly string[],
  object: Readonly<KubeObject>,
): string | undefined {
  if (coreResource(reference) !== 'pods') return undefined;
  const { spec } = object as unknown as Pod;
  if (hasPodLevelResources(spec)) return undefined;
  const missing = new Map<string, Set<string>>();
  for (const { name: container, resources } of [...spec.containers, ...(spec.initContainers ?? [])]) {
    const said = computeUsage(quantities(resources?.requests), quantities(resources?.limits));
    for (const name of names) {
      if (!demandedNames.has(name) || said.has(name)) continue;
      const containers = missing.get(name) ?? new Set();
      missing.set(name, containers.add(container));
    }
  }
  if (missing.size === 0) return undefined;
  const parts = [...missing.keys()].sort().map(name => `${name} for: ${[...missing.get(name)!].sort().join(',')}`);
  return `must specify ${parts.join('; ')}`;
}

/** A pod with a deadline is in the scope Terminating. */
export function hasDeadline({ spec }: Readonly<Pod>): boolean {
  return (spec.activeDeadlineSeconds ?? -1) >= 0;
}

/** The VolumeAttributesClasses that a claim wants, has, or is changing to. */
export function attributesClassNames({ spec, status }: Readonly<PersistentVolumeClaim>): string[] {
  const names = [
    spec.volumeAttributesClassName,
    status?.currentVolumeAttributesClassName,
    status?.modifyVolumeStatus?.targetVolumeAttributesClassName,
  ];
  return [...new Set(names.flatMap(name => name || []))].sort();
}

/** Amounts as a ResourceList, sorted and canonical. */
export function toResourceList(amounts: ResourceQuantities): Record<string, string> {
  const names = [...amounts.keys()].sort();
  return Object.fromEntries(names.map(name => [name, canonicalQuantity(amounts.get(name)!.toString())]));
}

/** Claims of devices, whose classes may stand for extended resources: callers of the functions above give facts for these. */
export function isResourceClaim({ group, resource }: ResourceName): boolean {
  return resource === 'resourceclaims' && group === 'resource.k8s.io';
}

function coreResource({ group, resource }: ResourceName): string {
  return group === '' ? resource : '';
}

function quantities(list: Readonly<Record<string, string>> | undefined): ResourceQuantities {
  return new Map(Object.entries(list ?? {}).map(([name, amount]) => [name, parseQuantity(amount)]));
}

/** What a pod takes. */
export function podUsage(pod: Pod, nowMs: number): ResourceQuantities {
  const usage: ResourceQuantities = new Map([['count/pods', one]]);
  if (!isCharged(pod, nowMs)) return usage;
  const options = { useStatusResources: true };
  for (const [name, amount] of computeUsage(podRequests(pod, options), podLimits(pod, options))) usage.set(name, amount);
  return usage;
}

/** Finished pods cost nothing, nor do those that should have been gone by now. */
function isCharged(pod: Pod, nowMs: number): boolean {
  if (isPodFinished(pod)) return false;
  const { deletionTimestamp, deletionGracePeriodSeconds } = pod.metadata;
  if (deletionTimestamp === undefined || deletionGracePeriodSeconds === undefined) return true;
  return nowMs <= Date.parse(deletionTimestamp) + deletionGracePeriodSeconds * 1000;
}

function computeUsage(requests: ResourceQuantities, limits: ResourceQuantities): ResourceQuantities {
  const usage: ResourceQuantities = new Map([['pods', one]]);
  for (const name of ['cpu', 'memory', 'ephemeral-storage']) {
    const [request, limit] = [requests.get(name), limits.get(name)];
    if (request) usage.set(name, request).set(`requests.${name}`, request);
    if (limit) usage.set(`limits.${name}`, limit);
  }
  for (const [name, request] of requests) {
    if (name.startsWith('hugepages-')) usage.set(name, request).set(`requests.${name}`, request);
    if (isExtendedResource(name) || name.startsWith(deviceClassResourcePrefix)) usage.set(`requests.${name}`, request);
  }
  return usage;
}

function isNative(name: string): boolean {
  return !name.includes('/') || name.includes('kubernetes.io/');
}

function isExtendedResource(name: string): boolean {
  return !isNative(name) && !name.startsWith('requests.') && validateQualifiedName(`requests.${name}`).length === 0;
}

function isExtendedName(name: string): boolean {
  return name.startsWith('requests.') && (!isNative(name) || name.startsWith(`requests.${deviceClassResourcePrefix}`));
}

function serviceUsage({ spec }: Service): ResourceQuantities {
  const ports = spec.ports ?? [];
  const balanced = spec.type === 'LoadBalancer';
  let nodePorts = 0;
  if (spec.type === 'NodePort') nodePorts = ports.length;
  else if (balanced)
    nodePorts = spec.allocateLoadBalancerNodePorts === false ? ports.filter(port => port.nodePort).length : ports.length;
  return new Map([
    ['count/services', one],
    ['services', one],
    ['services.loadbalancers', balanced ? one : none],
    ['services.nodeports', parseQuantity(String(nodePorts))],
  ]);
}

function claimUsage(claim: PersistentVolumeClaim): ResourceQuantities {
  const usage: ResourceQuantities = new Map([
    ['count/persistentvolumeclaims', one],
    ['persistentvolumeclaims', one],
  ]);
  const className = claim.metadata.annotations?.[betaClassAnnotation] ?? claim.spec.storageClassName ?? '';
  if (className) usage.set(`${className}${storageClassSuffix}persistentvolumeclaims`, one);
  const storage = claimStorage(claim);
  if (!storage) return usage;
  usage.set('requests.storage', storage);
  if (className) usage.set(`${className}${storageClassSuffix}requests.storage`, storage);
  return usage;
}

/** Whole bytes: what is asked for, or what a failed expansion has allocated already. */
function claimStorage({ spec, status }: PersistentVolumeClaim): Quantity | undefined {
  const wanted = spec.resources?.requests?.['storage'];
  if (wanted === undefined) return undefined;
  const asked = parseQuantity(wanted).roundUp(0);
  const allocated = status?.allocatedResources?.['storage'];
  if (allocated === undefined) return asked;
  const kept = parseQuantity(allocated);
  return kept.compare(asked) > 0 ? kept.roundUp(0) : asked;
}

function podInScope(pod: Pod, selector: ScopedResourceSelectorRequirement): boolean {
  switch (selector.scopeName) {
    case 'Terminating':
      return hasDeadline(pod);
    case 'NotTerminating':
      return !hasDeadline(pod);
    case 'BestEffort':
      return podQosClass(pod.spec) === 'BestEffort';
    case 'NotBestEffort':
      return podQosClass(pod.spec) !== 'BestEffort';
    case 'PriorityClass':
      return selects(selector, pod.spec.priorityClassName || undefined);
    case 'CrossNamespacePodAffinity':
      return reachesOtherNamespaces(pod);
    default:
      return false;
  }
}

function claimInScope(claim: PersistentVolumeClaim, selector: ScopedResourceSelectorRequirement): boolean {
  if (selector.scopeName !== 'VolumeAttributesClass') return false;
  const names = attributesClassNames(claim);
  return names.length === 0 ? selects(selector, undefined) : names.some(name => selects(selector, name));
}

function selects({ operator, values = [] }: ScopedResourceSelectorRequirement, name: string | undefined): boolean {
  switch (operator) {
    case 'Exists':
      return name !== undefined;
    case 'DoesNotExist':
      return name === undefined;
    case 'In':
      return name !== undefined && values.includes(name);
    case 'NotIn':
      return name === undefined || !values.includes(name);
    default:
      return false;
  }
}

function reachesOtherNamespaces({ spec }: Pod): boolean {
  const reaches = (term: PodAffinityTerm): boolean => !!term.namespaces?.length || term.namespaceSelector !== undefined;
  return [spec.affinity?.podAffinity, spec.affinity?.podAntiAffinity].some(
    affinity =>
      affinity?.requiredDuringSchedulingIgnoredDuringExecution?.some(reaches) ||
      affinity?.preferredDuringSchedulingIgnoredDuringExecution?.some(({ podAffinityTerm }) => reaches(podAffinityTerm)),
  );
}
