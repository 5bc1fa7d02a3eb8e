import type { Taint, Toleration } from './generated/types.js';

export const taintNodeUnschedulable = 'node.kubernetes.io/unschedulable';

/** Whether the toleration covers the taint. An empty key with Exists covers every key, an empty effect every effect. */
export function tolerationTolerates(toleration: Toleration, taint: Taint): boolean {
  if (toleration.effect && toleration.effect !== taint.effect) return false;
  if (toleration.key && toleration.key !== taint.key) return false;
  switch (toleration.operator ?? '') {
    case '':
    case 'Equal':
      return (toleration.value ?? '') === (taint.value ?? '');
    case 'Exists':
      return true;
    default:
      // Lt and Gt are behind a feature gate that is off upstream: such a toleration matches nothing.
      return false;
  }
}

export function isTolerated(taint: Taint, tolerations: readonly Toleration[] | undefined): boolean {
  if (!tolerations) return false;
  for (const toleration of tolerations) if (tolerationTolerates(toleration, taint)) return true;
  return false;
}

/** NoSchedule and NoExecute keep pods away; PreferNoSchedule only counts in scores. */
export function keepsPodsAway(taint: Taint): boolean {
  return taint.effect === 'NoSchedule' || taint.effect === 'NoExecute';
}

/** The first taint that passes `filter` (all when absent) and that no toleration covers. */
export function firstUntoleratedTaint(
  taints: readonly Taint[] | undefined,
  tolerations: readonly Toleration[] | undefined,
  filter?: (taint: Taint) => boolean,
): Taint | undefined {
  if (!taints) return undefined;
  for (const taint of taints) {
    if (filter && !filter(taint)) continue;
    if (!isTolerated(taint, tolerations)) return taint;
  }
  return undefined;
}

/**
 * How long a pod may stay on a node with these NoExecute taints: undefined when one of them is not tolerated at all, otherwise
 * the shortest of the matching tolerations' seconds (Infinity when none is limited).
 */
export function toleratedSeconds(taints: readonly Taint[], tolerations: readonly Toleration[] | undefined): number | undefined {
  let seconds = Infinity;
  for (const taint of taints) {
    if (taint.effect !== 'NoExecute') continue;
    const matching = (tolerations ?? []).filter(toleration => tolerationTolerates(toleration, taint));
    if (matching.length === 0) return undefined;
    for (const { tolerationSeconds } of matching) {
      if (tolerationSeconds !== undefined) seconds = Math.min(seconds, Math.max(0, tolerationSeconds));
    }
  }
  return seconds;
}
