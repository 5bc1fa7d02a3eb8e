import type {
  AllocationResult,
  ContainerExtendedResourceRequest,
  NodeSelector,
  ResourceClaim,
} from '../../api/generated/types.js';
import type { StateData } from '../../contracts/scheduler-plugin.js';
import type { DeviceAllocator } from './device-allocator.js';

/** A claim of the pod that is being scheduled. */
export interface PodClaim {
  claim: ResourceClaim;
  /** The one that stands for extended resources: it is made when the pod is bound, if it has no requests yet. */
  readonly isExtended: boolean;
  /** Where an allocated claim can be used; everywhere when absent. */
  readonly nodeSelector: NodeSelector | undefined;
  /** Chosen for the node that was picked. */
  allocation: AllocationResult | undefined;
}

/** What was found on a node. */
export interface NodeDevices {
  /** For the claims that are not allocated, in their order. */
  readonly allocations: readonly { readonly entry: PodClaim; readonly allocation: AllocationResult }[];
  /** The claim for extended resources as this node needs it. */
  readonly extendedClaim: ResourceClaim | undefined;
  readonly mappings: readonly ContainerExtendedResourceRequest[];
}

/** Through one attempt. Filters only add to it, so that copies need not differ. */
export class ClaimState implements StateData {
  readonly claims: readonly PodClaim[];
  readonly allocator: DeviceAllocator | undefined;
  /** Allocated, and not to be used on some node. */
  readonly unavailable = new Set<PodClaim>();
  readonly byNode = new Map<string, NodeDevices>();

  constructor(claims: readonly PodClaim[], allocator: DeviceAllocator | undefined) {
    this.claims = claims;
    this.allocator = allocator;
  }

  get extended(): PodClaim | undefined {
    return this.claims.find(({ isExtended }) => isExtended);
  }

  clone(): ClaimState {
    return this;
  }
}
