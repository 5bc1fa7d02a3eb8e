import type { Pod } from '../api/generated/types.js';
import { objectKey } from '../client/entries.js';

/** Names of the claims that a pod's volumes use; those of ephemeral volumes bear the pod's name. */
export function claimsOf(pod: Pod): string[] {
  const names: string[] = [];
  for (const volume of pod.spec.volumes ?? []) {
    if (volume.persistentVolumeClaim) names.push(volume.persistentVolumeClaim.claimName);
    else if (volume.ephemeral) names.push(`${pod.metadata.name}-${volume.name}`);
  }
  return names;
}

/** Index of pods by `namespace/claim`. */
export const podsByClaim = {
  name: 'claims',
  keys: (pod: Pod): readonly string[] => claimsOf(pod).map(name => objectKey(pod.metadata.namespace, name)),
};
