import type { Pod, ResourceClaim } from '../api/generated/types.js';
import { podClaimName } from '../api/resource-claims.js';
import { objectKey } from '../client/entries.js';

/** Index of pods by the `namespace/name` of the claims that their status and spec name. */
export const podsByResourceClaim = {
  name: 'resource-claims',
  keys: (pod: Pod): readonly string[] => {
    const names = (pod.spec.resourceClaims ?? []).map(entry => {
      const named = podClaimName(pod, entry);
      return 'fault' in named ? undefined : named.name;
    });
    return [...new Set(names.filter(name => name !== undefined))].map(name => objectKey(pod.metadata.namespace, name));
  },
};

/** Index of pods by the `namespace/name` of their templates. */
export const podsByClaimTemplate = {
  name: 'resource-claim-templates',
  keys: (pod: Pod): readonly string[] => {
    const names = (pod.spec.resourceClaims ?? []).map(entry => entry.resourceClaimTemplateName);
    return [...new Set(names.filter(name => name !== undefined))].map(name => objectKey(pod.metadata.namespace, name));
  },
};

/** Index of claims by the uid of the pod that they were made for. */
export const claimsByPod = {
  name: 'owning-pod',
  keys: (claim: ResourceClaim): readonly string[] => {
    const owner = owningPod(claim);
    return owner ? [owner.uid] : [];
  },
};

export function owningPod({ metadata }: ResourceClaim): { readonly name: string; readonly uid: string } | undefined {
  return metadata.ownerReferences?.find(owner => owner.controller && owner.apiVersion === 'v1' && owner.kind === 'Pod');
}
