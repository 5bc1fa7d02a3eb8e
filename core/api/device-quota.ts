import { Quantity } from '../machinery/quantity.js';
import type { DeviceClass, DeviceRequest, Pod, ResourceClaim } from './generated/types.js';
import { controllerOf } from './owners.js';
import type { ResourceQuantities } from './pod-resources.js';
import { deviceClassResourcePrefix, extendedResourceClaimAnnotation } from './resource-claims.js';

/** What quotas have to know beside a claim to charge it. */
export interface DeviceFacts {
  readonly classes: Iterable<DeviceClass>;
  pod(namespace: string, name: string): Pod | undefined;
  claimsIn(namespace: string): Iterable<ResourceClaim>;
  /** What a pod takes of quotas. */
  podUsage(pod: Pod): ResourceQuantities;
}

export const noDeviceFacts: DeviceFacts = {
  classes: [],
  pod: () => undefined,
  claimsIn: () => [],
  podUsage: () => new Map(),
};

const countName = 'count/resourceclaims.resource.k8s.io';
const classSuffix = '.deviceclass.resource.k8s.io/devices';
const requestsPrefix = 'requests.';
const implicitPrefix = `${requestsPrefix}${deviceClassResourcePrefix}`;
/** A request for all devices is charged with as many as a claim may have. */
const mostDevices = 32;

/** The names of a quota that claims are charged under. Source: pkg/quota/v1/evaluator/core/resource_claims.go. */
export function trackedClaimNames(names: readonly string[], facts: DeviceFacts): string[] {
  return names.filter(name => {
    if (name === countName || name.endsWith(classSuffix)) return true;
    if (name.startsWith(implicitPrefix)) {
      const className = name.slice(implicitPrefix.length);
      return some(facts.classes, ({ metadata, spec }) => metadata.name === className && spec.extendedResourceName !== undefined);
    }
    return (
      name.startsWith(requestsPrefix) &&
      some(facts.classes, ({ spec }) => spec.extendedResourceName === name.slice(requestsPrefix.length))
    );
  });
}

/** Of alternatives the one that takes most counts, for each class. */
export function resourceClaimUsage(claim: ResourceClaim, facts: DeviceFacts): ResourceQuantities {
  const byClass = new Map<string, number>();
  for (const request of claim.spec.devices?.requests ?? []) {
    for (const [name, count] of largestCounts(request)) byClass.set(name, (byClass.get(name) ?? 0) + count);
  }
  const usage: ResourceQuantities = new Map([[countName, Quantity.of(1)]]);
  for (const [name, count] of byClass) usage.set(`${name}${classSuffix}`, Quantity.of(count));
  addExtendedResources(usage, byClass, facts.classes, chargedPodUsage(claim, facts));
  return usage;
}

function largestCounts({ exactly, firstAvailable }: DeviceRequest): Map<string, number> {
  const counts = new Map<string, number>();
  const choices = firstAvailable?.length ? firstAvailable : exactly ? [exactly] : [];
  for (const { deviceClassName, allocationMode, count = 0 } of choices) {
    const devices = allocationMode === 'All' ? mostDevices : allocationMode === 'ExactCount' ? count : 0;
    counts.set(deviceClassName, Math.max(counts.get(deviceClassName) ?? 0, devices));
  }
  return counts;
}

/** Devices count as the extended resources that their classes stand for, too, unless a pod was charged for these already. */
function addExtendedResources(
  usage: ResourceQuantities,
  byClass: ReadonlyMap<string, number>,
  classes: Iterable<DeviceClass>,
  charged: ResourceQuantities,
): void {
  const named = new Map([...classes].map(({ metadata, spec }) => [metadata.name, spec.extendedResourceName]));
  for (const [className, count] of byClass) {
    const extended = named.get(className);
    const names = [`${implicitPrefix}${className}`, ...(extended === undefined ? [] : [`${requestsPrefix}${extended}`])];
    for (const name of names) {
      const open = Quantity.of(count).sub(charged.get(name) ?? Quantity.zero);
      if (open.sign > 0) usage.set(name, open);
    }
  }
}

const nothing: ResourceQuantities = new Map();

/** Of the pod that a claim was made for by the scheduler; of several such claims only the first is believed. */
function chargedPodUsage(claim: ResourceClaim, facts: DeviceFacts): ResourceQuantities {
  if (!isForExtendedResources(claim)) return nothing;
  const owner = controllerOf(claim);
  if (owner?.kind !== 'Pod' || owner.apiVersion !== 'v1') return nothing;
  const { namespace = '', name } = claim.metadata;
  const pod = facts.pod(namespace, owner.name);
  if (!pod || pod.metadata.uid !== owner.uid) return nothing;
  const known = pod.status?.extendedResourceClaimStatus?.resourceClaimName;
  if (known !== undefined) return known === name ? facts.podUsage(pod) : nothing;
  const created = claim.metadata.creationTimestamp ?? '';
  const isEarlier = (other: ResourceClaim): boolean => {
    if (!isForExtendedResources(other) || controllerOf(other)?.uid !== owner.uid) return false;
    const at = other.metadata.creationTimestamp ?? '';
    return at === created ? other.metadata.name < (name ?? '') : at < created;
  };
  return some(facts.claimsIn(namespace), isEarlier) ? nothing : facts.podUsage(pod);
}

function isForExtendedResources({ metadata }: ResourceClaim): boolean {
  return metadata.annotations?.[extendedResourceClaimAnnotation] === 'true';
}

function some<T>(items: Iterable<T>, test: (item: T) => boolean): boolean {
  for (const item of items) if (test(item)) return true;
  return false;
}
