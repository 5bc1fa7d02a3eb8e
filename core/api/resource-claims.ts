import type { Pod, PodResourceClaim, ResourceClaim } from './generated/types.js';
import { isControlledBy } from './owners.js';

/** Claims of pods, as scheduler, controllers and kubelet see them. Source: k8s.io/dynamic-resource-allocation/resourceclaim. */

/** Held by claims that are allocated. */
export const claimFinalizer = 'resource.kubernetes.io/delete-protection';
/** Of claims that the scheduler makes for extended resources. */
export const extendedResourceClaimAnnotation = 'resource.kubernetes.io/extended-resource-claim';
/** Of claims made from a template: the name of the claim in the pod. */
export const podClaimNameAnnotation = 'resource.kubernetes.io/pod-claim-name';
/** Extended resources that every class stands for. */
export const deviceClassResourcePrefix = 'deviceclass.resource.kubernetes.io/';

export type PodClaimName =
  /** Made from a template: whether the claim is the pod's own has to be looked at. */
  | { readonly name: string; readonly isGenerated: boolean }
  /** None is needed for this pod. */
  | { readonly name: undefined }
  | { readonly fault: 'not-created' | 'unsupported'; readonly text: string };

/** The claim that stands behind an entry of the pod. */
export function podClaimName({ metadata, status }: Pod, entry: PodResourceClaim): PodClaimName {
  const { name, resourceClaimName, resourceClaimTemplateName } = entry;
  const podName = `pod "${metadata.namespace}/${metadata.name}"`;
  if (resourceClaimName !== undefined) return { name: resourceClaimName, isGenerated: false };
  if (resourceClaimTemplateName === undefined)
    return { fault: 'unsupported', text: `${podName}, spec.resourceClaim "${name}": none of the supported fields are set` };
  const made = status?.resourceClaimStatuses?.find(candidate => candidate.name === name);
  if (!made) return { fault: 'not-created', text: `${podName}: ResourceClaim not created yet` };
  return made.resourceClaimName === undefined ? { name: undefined } : { name: made.resourceClaimName, isGenerated: true };
}

/** Why a claim that was made from a template is not that of the pod; undefined when it is. */
export function foreignClaimFault(pod: Pod, claim: ResourceClaim): string | undefined {
  if (isControlledBy(claim, pod)) return undefined;
  const { metadata } = claim;
  const claimName = `${metadata.namespace}/${metadata.name}`;
  return `ResourceClaim ${claimName} was not created for Pod ${pod.metadata.namespace}/${pod.metadata.name} (Pod is not owner)`;
}

export function isReservedFor(claim: ResourceClaim, uid: string | undefined): boolean {
  return claim.status.reservedFor?.some(consumer => consumer.uid === uid) ?? false;
}
