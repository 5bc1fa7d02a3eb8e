import { randomUUID } from 'node:crypto';
import { ResourceSlices } from '../../api/generated/resources.js';
import type { AllocationResult, DeviceRequest, Pod, ResourceClaim, ResourceSlice } from '../../api/generated/types.js';
import { nodeSelectorMatches } from '../../api/node-affinity.js';
import {
  deviceClassResourcePrefix,
  extendedResourceClaimAnnotation,
  foreignClaimFault,
  isReservedFor,
  podClaimName,
} from '../../api/resource-claims.js';
import type { Clock } from '../../base/clock.js';
import { CodedError, errorCode, errorText } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import type { Client } from '../../client/client.js';
import type { EventRecorder } from '../../client/event-recorder.js';
import type { Informer } from '../../client/informer-types.js';
import { ClusterAction } from '../../contracts/scheduler-plugin.js';
import type {
  CycleState,
  PluginEvent,
  PostFilterResult,
  PreFilterResult,
  SchedulerPlugin,
  SchedulingPod,
  SchedulingStatus,
} from '../../contracts/scheduler-plugin.js';
import { semanticEqual } from '../../machinery/object.js';
import { isStatusError } from '../../machinery/status-error.js';
import { bindingReadiness, hasBindingConditions, isBindingTimedOut } from '../devices/binding-conditions.js';
import { ClaimState } from '../devices/claim-state.js';
import type { PodClaim } from '../devices/claim-state.js';
import { ClaimWriter } from '../devices/claim-writer.js';
import { waitForDevices } from '../devices/device-waiting.js';
import type { DeviceAllocator } from '../devices/device-allocator.js';
import { DeviceClaims } from '../devices/device-claims.js';
import { extendedRequests } from '../devices/extended-resources.js';
import type { KnownDeviceClasses } from '../devices/extended-resources.js';
import type { NodeInfo } from '../node-info.js';
import { failure, skip, unresolvable, unschedulable } from '../status.js';
import type { UsedInformers } from '../used-informers.js';
import { isExtendedResource } from '../resource-amounts.js';
import { normalizeByMaximum } from './normalize.js';
import type { PreemptionHandle } from './preemption-executor.js';

type Engine = typeof import('../devices/device-engine.js');

export interface DynamicResourcesOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly recorder: EventRecorder;
  readonly informers: UsedInformers;
  readonly classes: KnownDeviceClasses;
  readonly handle: Pick<PreemptionHandle, 'activate' | 'runInBackground'>;
}

const stateKey = 'DynamicResources';
/** The first alternative of a request counts most. */
const maximumAlternatives = 8;

/**
 * Devices for pods: claims are allocated for the node that a pod goes to, and reserved for it before it is bound. Nothing but the
 * informers costs anything as long as there are no claims and no device classes. Source: KEP-4381, kube-scheduler's
 * DynamicResources.
 */
export class DynamicResources implements SchedulerPlugin {
  readonly name = 'DynamicResources';
  readonly events: readonly PluginEvent[] = [
    { resource: 'Node', action: ClusterAction.Add | ClusterAction.UpdateNodeLabel | ClusterAction.UpdateNodeAllocatable },
    {
      resource: 'ResourceClaim',
      action: ClusterAction.Add | ClusterAction.Update,
      mayHelp: ({ pod }, previous, next) => this.#claimMayHelp(pod, previous as ResourceClaim | undefined, next as ResourceClaim),
    },
    {
      resource: 'Pod',
      action: ClusterAction.UpdateOther,
      mayHelp: ({ pod }, _previous, next) =>
        (next as Pod).metadata.uid === pod.metadata.uid && typeof this.#claimsOf(next as Pod) !== 'string',
    },
    { resource: 'DeviceClass', action: ClusterAction.Add | ClusterAction.Update },
    { resource: 'ResourceSlice', action: ClusterAction.Add | ClusterAction.Update },
  ];
  readonly #options: DynamicResourcesOptions;
  readonly #claims: DeviceClaims;
  readonly #slices: Informer<ResourceSlice>;
  readonly #writer: ClaimWriter;
  readonly #awaitingEngine = new Set<string>();
  #engine: Engine | undefined;
  #selectors: InstanceType<Engine['SelectorPrograms']> | undefined;
  #isLoading = false;

  constructor(options: DynamicResourcesOptions) {
    this.#options = options;
    this.#claims = new DeviceClaims(options.informers, () => this.#load());
    this.#slices = options.informers.informer(ResourceSlices);
    this.#writer = new ClaimWriter({ ...options, claims: this.#claims });
    options.classes.onFirst(() => this.#load());
  }

  preEnqueue(pod: Pod): SchedulingStatus | undefined {
    const hasClaims = Boolean(pod.spec.resourceClaims?.length);
    if (hasClaims) {
      const claims = this.#claimsOf(pod);
      if (typeof claims === 'string') return unresolvable(this.name, claims);
    }
    if (this.#engine || !(hasClaims || !this.#options.classes.isEmpty)) return undefined;
    this.#awaitingEngine.add(pod.metadata.uid ?? '');
    this.#load();
    return unresolvable(this.name, 'the allocator of devices is being loaded');
  }

  preFilter(state: CycleState, { pod, requests }: SchedulingPod): PreFilterResult {
    const reject = (reason: string): PreFilterResult => ({ status: unresolvable(this.name, reason) });
    const claims = this.#claimsOf(pod);
    if (typeof claims === 'string') return reject(claims);
    const extended = this.#extendedClaim(pod, requests.scalars);
    if (extended) claims.push(extended);
    if (claims.length === 0) return { status: skip };
    let isAllocating = false;
    const entries: PodClaim[] = [];
    for (const claim of claims) {
      const { metadata, spec, status } = claim;
      entries.push({
        claim,
        isExtended: claim === extended,
        nodeSelector: status.allocation?.nodeSelector,
        allocation: undefined,
      });
      if (status.allocation) continue;
      isAllocating = true;
      if (this.#claims.isPending(metadata.uid!))
        return reject(`resource claim ${metadata.namespace}/${metadata.name} is in the process of being allocated`);
      const fault = claim === extended ? undefined : this.#classFault(spec.devices.requests ?? []);
      if (fault !== undefined) return reject(fault);
    }
    if (!this.#engine && isAllocating) {
      this.#load();
      return { status: failure(this.name, new CodedError('DEVICE_ENGINE', 'the allocator of devices is being loaded')) };
    }
    state.write(stateKey, new ClaimState(entries, isAllocating ? this.#allocator() : undefined));
    return {};
  }

  filter(state: CycleState, info: SchedulingPod, nodeInfo: NodeInfo): SchedulingStatus | undefined {
    const { pod } = info;
    const data = state.read<ClaimState>(stateKey)!;
    const { extended } = data;
    if (extended?.claim.metadata.name) return unresolvable(this.name, 'cannot schedule extended resource claim');
    const wanted = extended ? this.#wantedDevices(info, nodeInfo) : undefined;
    if (typeof wanted === 'string') return unresolvable(this.name, wanted);
    // Everything that the pod wants is there without devices.
    if (extended && !wanted && data.claims.length === 1) return undefined;
    const { node } = nodeInfo;
    const nowMs = this.#options.clock.now();
    const unavailable = data.claims.filter(({ claim, nodeSelector }) => {
      if (nodeSelector && !nodeSelectorMatches(nodeSelector, node.metadata.labels ?? {}, node.metadata.name)) return true;
      if (!claim.status.allocation) return false;
      const readiness = bindingReadiness(claim);
      return typeof readiness === 'object' || (readiness === 'waiting' && isBindingTimedOut(claim, nowMs));
    });
    for (const entry of unavailable) data.unavailable.add(entry);
    const made = extended && wanted && extendedRequests(pod, wanted, resource => this.#options.classes.forResource(resource));
    const extendedClaim = made && withRequests(extended.claim, made.requests);
    const open = data.claims.filter(({ claim, isExtended }) => !claim.status.allocation && (!isExtended || extendedClaim));
    let allocations: AllocationResult[] | undefined = [];
    if (data.allocator && open.length > 0) {
      try {
        const claims = open.map(entry => (entry.isExtended ? extendedClaim! : entry.claim));
        allocations = data.allocator.allocate(node, claims);
      } catch (error) {
        if (errorCode(error) === 'NODE_ALLOCATION') return unresolvable(this.name, errorText(error));
        return failure(this.name, error);
      }
      if (!allocations) return unresolvable(this.name, 'cannot allocate all claims');
    }
    if (unavailable.length > 0) return unresolvable(this.name, 'resourceclaim not available on the node');
    data.byNode.set(nodeInfo.name, {
      allocations: open.map((entry, index) => ({ entry, allocation: allocations[index]! })),
      extendedClaim,
      mappings: made?.mappings ?? [],
    });
    return undefined;
  }

  postFilter(state: CycleState, { pod }: SchedulingPod): PostFilterResult {
    const data = state.read<ClaimState>(stateKey);
    if (!data) return { status: unschedulable(this.name, 'no new claims to deallocate') };
    for (const { claim, isExtended } of data.unavailable) {
      const { reservedFor = [] } = claim.status;
      const isFree = reservedFor.every(({ uid }) => uid === pod.metadata.uid);
      if (isExtended || !isFree) continue;
      this.#inBackground('deallocating a claim', this.#writer.deallocate(claim));
      return { status: unschedulable(this.name, 'deallocation of ResourceClaim completed') };
    }
    const stale = data.extended?.claim;
    if (stale?.metadata.name) {
      this.#inBackground('deleting a claim', this.#writer.delete(stale));
      return { status: unschedulable(this.name, 'deletion of ResourceClaim completed') };
    }
    return { status: unschedulable(this.name, 'still not schedulable') };
  }

  preScore(state: CycleState): SchedulingStatus | undefined {
    const data = state.read<ClaimState>(stateKey);
    const hasAlternatives = data?.claims.some(({ claim }) =>
      claim.spec.devices.requests?.some(request => request.firstAvailable),
    );
    return hasAlternatives ? undefined : skip;
  }

  /** More for alternatives that stand further in front. */
  score(state: CycleState, _pod: SchedulingPod, { name }: NodeInfo): number {
    const data = state.read<ClaimState>(stateKey)!;
    const found = new Map(data.byNode.get(name)?.allocations.map(({ entry, allocation }) => [entry, allocation]));
    let score = 0;
    for (const entry of data.claims) {
      const allocation = entry.claim.status.allocation ?? found.get(entry);
      const taken = new Set(allocation?.devices.results?.map(({ request }) => request));
      for (const { name: request, firstAvailable = [] } of entry.claim.spec.devices.requests ?? [])
        for (const [index, alternative] of firstAvailable.entries())
          if (taken.has(`${request}/${alternative.name}`)) score += maximumAlternatives - index;
    }
    return score;
  }

  normalizeScores(_state: CycleState, _pod: SchedulingPod, scores: number[]): void {
    normalizeByMaximum(scores, false);
  }

  reserve(state: CycleState, _pod: SchedulingPod, nodeName: string): SchedulingStatus | undefined {
    const data = state.read<ClaimState>(stateKey);
    for (const { entry, allocation } of data?.byNode.get(nodeName)?.allocations ?? []) {
      entry.allocation = allocation;
      this.#claims.choose(entry.claim.metadata.uid!, allocation);
    }
    return undefined;
  }

  unreserve(state: CycleState, { pod }: SchedulingPod): void {
    const data = state.read<ClaimState>(stateKey);
    const { uid = '' } = pod.metadata;
    for (const entry of data?.claims ?? []) {
      const { claim } = entry;
      this.#claims.settle(claim.metadata.uid!);
      entry.allocation = undefined;
      if (entry.isExtended) {
        if (claim.metadata.name) this.#inBackground('deleting a claim', this.#writer.delete(claim));
      } else if (claim.status.allocation && isReservedFor(claim, uid))
        this.#inBackground('giving up a claim', this.#writer.unreserve(claim, uid));
    }
  }

  needsPreBind(state: CycleState): boolean {
    return state.read<ClaimState>(stateKey) !== undefined;
  }

  async preBind(
    state: CycleState,
    { pod }: SchedulingPod,
    nodeName: string,
    signal: AbortSignal,
  ): Promise<SchedulingStatus | undefined> {
    const data = state.read<ClaimState>(stateKey)!;
    const chosen = data.byNode.get(nodeName);
    try {
      for (const entry of data.claims) {
        const isUnused = entry.isExtended && !entry.allocation && !entry.claim.metadata.name;
        if (!isUnused && !isReservedFor(entry.claim, pod.metadata.uid)) await this.#writer.bind(entry, pod, chosen, signal);
      }
      const used = data.claims.filter(({ claim }) => hasBindingConditions(claim));
      if (used.length > 0) {
        const note = `waiting for binding conditions for device on node ${nodeName}`;
        this.#options.recorder.event(pod, 'Normal', 'BindingConditionsPending', note);
        await waitForDevices({ claims: this.#claims, clock: this.#options.clock }, used, signal);
      }
      return undefined;
    } catch (error) {
      return failure(this.name, error);
    }
  }

  /** Of the pod, as they are; a text where one is missing or not to be had. */
  #claimsOf(pod: Pod): ResourceClaim[] | string {
    const claims: ResourceClaim[] = [];
    for (const entry of pod.spec.resourceClaims ?? []) {
      const named = podClaimName(pod, entry);
      if ('fault' in named) return named.text;
      if (named.name === undefined) continue;
      const claim = this.#claims.get(pod.metadata.namespace ?? '', named.name);
      if (!claim) return `resourceclaim.resource.k8s.io "${named.name}" not found`;
      if (claim.metadata.deletionTimestamp) return `resourceclaim "${named.name}" is being deleted`;
      const foreign = named.isGenerated ? foreignClaimFault(pod, claim) : undefined;
      if (foreign !== undefined) return foreign;
      claims.push(claim);
    }
    return claims;
  }

  #claimMayHelp(pod: Pod, previous: ResourceClaim | undefined, next: ResourceClaim): boolean {
    const claims = this.#claimsOf(pod);
    if (typeof claims === 'string') return false;
    if (previous?.status.allocation && !next.status.allocation) return true;
    if (!claims.some(({ metadata }) => metadata.uid === next.metadata.uid)) return false;
    return !previous || !semanticEqual(previous.status, next.status);
  }

  #classFault(requests: readonly DeviceRequest[]): string | undefined {
    for (const { name, exactly, firstAvailable = [] } of requests) {
      const named = exactly ? [{ ...exactly, name }] : firstAvailable.map(sub => ({ ...sub, name: `${name}/${sub.name}` }));
      const missing = named.find(({ deviceClassName }) => !this.#options.classes.get(deviceClassName));
      if (missing) return `request ${missing.name}: device class ${missing.deviceClassName} does not exist`;
    }
    return undefined;
  }

  #allocator(): DeviceAllocator {
    const { DeviceAllocator: Allocator, SelectorPrograms } = this.#engine!;
    const { classes, clock } = this.#options;
    return new Allocator({
      allocated: this.#claims.held,
      slices: this.#slices.list(),
      classOf: name => classes.get(name),
      selectors: (this.#selectors ??= new SelectorPrograms()),
      now: () => clock.monotonicMs(),
      newShareId: randomUUID,
    });
  }

  /** The claim for extended resources that device classes stand for: of an earlier attempt, or one that is still to be made. */
  #extendedClaim(pod: Pod, wanted: ReadonlyMap<string, number>): ResourceClaim | undefined {
    const { classes } = this.#options;
    if (classes.isEmpty || ![...wanted].some(([name, amount]) => amount > 0 && classes.forResource(name))) return undefined;
    const { name, namespace, uid } = pod.metadata;
    const isOurs = ({ metadata }: ResourceClaim): boolean =>
      metadata.annotations?.[extendedResourceClaimAnnotation] === 'true' &&
      (metadata.ownerReferences?.some(owner => owner.controller && owner.uid === uid) ?? false);
    return (
      this.#claims.informer.list(namespace).find(isOurs) ?? {
        apiVersion: 'resource.k8s.io/v1',
        kind: 'ResourceClaim',
        metadata: {
          // Written with a name that the API makes up.
          name: '',
          generateName: `${name}-extended-resources-`,
          namespace,
          uid: randomUUID(),
          annotations: { [extendedResourceClaimAnnotation]: 'true' },
          ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name, uid: uid!, controller: true }],
        },
        spec: { devices: {} },
        status: {},
      }
    );
  }

  /** The extended resources that the node has to have devices for; undefined when none, a text when it has something neither way. */
  #wantedDevices({ requests }: SchedulingPod, { allocatable }: NodeInfo): string[] | string | undefined {
    const wanted: string[] = [];
    for (const [name, requested] of requests.scalars) {
      if (requested === 0 || !(isExtendedResource(name) || name.startsWith(deviceClassResourcePrefix))) continue;
      const amount = allocatable.scalars.get(name);
      if (!amount && this.#options.classes.forResource(name)) wanted.push(name);
      else if (amount === undefined) return 'cannot fit resource';
    }
    return wanted.length > 0 ? wanted : undefined;
  }

  #load(): void {
    if (this.#isLoading || this.#engine) return;
    this.#isLoading = true;
    const { handle } = this.#options;
    const load = async (): Promise<void> => {
      try {
        this.#engine = await import('../devices/device-engine.js');
      } finally {
        this.#isLoading = false;
      }
      const waiting = [...this.#awaitingEngine];
      this.#awaitingEngine.clear();
      for (const uid of waiting) handle.activate(uid);
    };
    this.#inBackground('loading the allocator of devices', load());
  }

  #inBackground(what: string, work: Promise<void>): void {
    const { handle, logger } = this.#options;
    const logged = work.catch((error: unknown) => {
      if (!isStatusError(error, 'NotFound')) logger.warn(`${what} failed`, { error });
    });
    handle.runInBackground(logged);
  }
}

function withRequests(claim: ResourceClaim, requests: readonly DeviceRequest[]): ResourceClaim {
  return { ...claim, spec: { devices: { requests: [...requests] } } };
}
