import type { Pod } from '../../api/generated/types.js';
import { ClusterAction } from '../../contracts/scheduler-plugin.js';
import type {
  CycleState,
  PluginEvent,
  PreFilterResult,
  SchedulerPlugin,
  SchedulingPod,
} from '../../contracts/scheduler-plugin.js';
import { jsonEqual } from '../../machinery/object.js';
import { unresolvable } from '../status.js';

/**
 * Keeps pods waiting that want devices: this API server knows no resource.k8s.io, so that no claim exists that could be allocated,
 * and to run such a pod without its devices would be wrong. Source: KEP-4381, and upstream's wording.
 */
export class DynamicResources implements SchedulerPlugin {
  readonly name = 'DynamicResources';
  readonly events: readonly PluginEvent[] = [
    {
      resource: 'Pod',
      action: ClusterAction.UpdateOther,
      mayHelp: (pod, previous, next) =>
        (next as Pod).metadata.uid === pod.pod.metadata.uid && !jsonEqual(claimsOf(previous as Pod), claimsOf(next as Pod)),
    },
  ];

  preFilter(_state: CycleState, { pod }: SchedulingPod): PreFilterResult {
    const fault = claimFault(pod);
    return { status: fault ? unresolvable(this.name, fault) : { code: 'Skip', reasons: [] } };
  }
}

const claimsOf = (pod: Pod): unknown => pod.status?.resourceClaimStatuses ?? [];

function claimFault({ metadata, spec, status }: Pod): string | undefined {
  const name = `pod "${metadata.namespace}/${metadata.name}"`;
  for (const { name: entry, resourceClaimName, resourceClaimTemplateName } of spec.resourceClaims ?? []) {
    let claim = resourceClaimName;
    if (claim === undefined && resourceClaimTemplateName !== undefined) {
      const made = status?.resourceClaimStatuses?.find(candidate => candidate.name === entry);
      if (!made) return `${name}: ResourceClaim not created yet`;
      // None was needed for this pod.
      if (made.resourceClaimName === undefined) continue;
      claim = made.resourceClaimName;
    }
    if (claim === undefined) return `${name}, spec.resourceClaim "${entry}": none of the supported fields are set`;
    return `resourceclaim "${claim}" not found`;
  }
  return undefined;
}
