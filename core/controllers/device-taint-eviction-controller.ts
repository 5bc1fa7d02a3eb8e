import { Pods, ResourceClaims, ResourceSlices } from '../api/generated/resources.js';
import type {
  DeviceRequestAllocationResult,
  DeviceTaint,
  DeviceToleration,
  Pod,
  ResourceClaim,
  ResourceSlice,
} from '../api/generated/types.js';
import { toleratesDeviceTaint } from '../api/device-taints.js';
import { isReservedFor } from '../api/resource-claims.js';
import { keyOf, objectKey, splitObjectKey } from '../client/entries.js';
import type { Informer } from '../client/informer-types.js';
import type { ObjectEntry } from '../contracts/api-transport.js';
import { jsonEqual } from '../machinery/object.js';
import { isStatusError } from '../machinery/status-error.js';
import { timeToMs } from '../machinery/time.js';
import type { ControllerContext, ControllerDescriptor } from './controller.js';
import { podsByResourceClaim } from './pod-resource-claims.js';
import { patchPodStatus } from './pod-status.js';
import { Reconciler } from './reconciler.js';

/** Claims by the `driver/pool` of their devices. */
const claimsByPool = {
  name: 'device-pools',
  keys: ({ status }: ResourceClaim): readonly string[] => [...new Set((status.allocation?.devices.results ?? []).map(poolOf))],
};

const slicesByPool = {
  name: 'device-pools',
  keys: ({ spec }: ResourceSlice): readonly string[] => [`${spec.driver}/${spec.pool.name}`],
};

const poolOf = ({ driver, pool }: DeviceRequestAllocationResult): string => `${driver}/${pool}`;

/**
 * Deletes pods whose devices got a NoExecute taint that their claims do not tolerate, or not for so long. Source:
 * pkg/controller/devicetainteviction, KEP-5055; taints by rule are behind a feature gate that is off in 1.36.
 */
class DeviceTaintEvictionController extends Reconciler {
  readonly #pods: Informer<Pod>;
  readonly #claims: Informer<ResourceClaim>;
  readonly #slices: Informer<ResourceSlice>;
  /** Pods that are to go at some time. */
  readonly #condemned = new Set<string>();

  constructor(context: ControllerContext) {
    super(context, { name: 'device-taint-eviction-controller', workers: 10 });
    const { informers } = context;
    this.#pods = informers.informer(Pods);
    this.#claims = informers.informer(ResourceClaims);
    this.#slices = informers.informer(ResourceSlices);
  }

  protected override register(): void {
    this.#pods.addIndex(podsByResourceClaim.name, podsByResourceClaim.keys);
    this.#claims.addIndex(claimsByPool.name, claimsByPool.keys);
    this.#slices.addIndex(slicesByPool.name, slicesByPool.keys);
    const enqueuePod = ({ object }: ObjectEntry<Pod>): void => {
      if (object.spec.resourceClaims?.length) this.queue.add(keyOf(object));
    };
    this.watch(this.#pods, {
      added: enqueuePod,
      updated: (_previous, next) => enqueuePod(next),
      deleted: entry => void this.#condemned.delete(keyOf(entry)),
    });
    const enqueueUsers = ({ object }: ObjectEntry<ResourceClaim>): void => this.#enqueueUsers(object);
    this.watch(this.#claims, {
      added: enqueueUsers,
      updated: (previous, next) => {
        if (!jsonEqual(previous.object.status, next.object.status)) enqueueUsers(next);
      },
      deleted: enqueueUsers,
    });
    const changed = ({ object }: ObjectEntry<ResourceSlice>): void => {
      for (const key of slicesByPool.keys(object))
        for (const claim of this.#claims.byIndex(claimsByPool.name, key)) this.#enqueueUsers(claim);
    };
    this.watch(this.#slices, {
      added: changed,
      updated: (previous, next) => {
        if (!jsonEqual(previous.object.spec, next.object.spec)) changed(next);
      },
      deleted: changed,
    });
  }

  #enqueueUsers({ metadata, status }: ResourceClaim): void {
    for (const { resource, name } of status.reservedFor ?? [])
      if (resource === 'pods') this.queue.add(objectKey(metadata.namespace, name));
  }

  protected override async sync(key: string): Promise<void> {
    const { namespace, name } = splitObjectKey(key);
    const pod = this.#pods.get(namespace, name);
    if (!pod || pod.metadata.deletionTimestamp) {
      this.#condemned.delete(key);
      return;
    }
    const evictAtMs = Math.min(...podsByResourceClaim.keys(pod).map(claimKey => this.#evictionMs(pod, claimKey)));
    if (evictAtMs === Infinity) {
      if (this.#condemned.delete(key)) this.#event(pod, 'Cancelling deletion');
      return;
    }
    this.#condemned.add(key);
    const waitMs = evictAtMs - this.context.clock.now();
    if (waitMs > 0) this.queue.addAfter(key, waitMs);
    else await this.#evict(key, pod);
  }

  async #evict(key: string, pod: Pod): Promise<void> {
    const { namespace, name, uid } = pod.metadata;
    this.#event(pod, 'Marking for deletion');
    const condition = {
      type: 'DisruptionTarget',
      status: 'True',
      reason: 'DeletionByDeviceTaintManager',
      message: 'Device Taint manager: deleting due to NoExecute taint',
    };
    try {
      await patchPodStatus(this.context, pod, { condition });
      await this.context.client.resource(Pods, namespace).delete(name, { preconditions: { uid } });
    } catch (error) {
      if (!isStatusError(error, 'NotFound')) throw error;
    }
    this.#condemned.delete(key);
  }

  /** When a claim makes the pod go; Infinity for never. */
  #evictionMs(pod: Pod, claimKey: string): number {
    const { namespace, name } = splitObjectKey(claimKey);
    const claim = this.#claims.get(namespace, name);
    if (!claim || !isReservedFor(claim, pod.metadata.uid)) return Infinity;
    let earliest = Infinity;
    for (const result of claim.status.allocation?.devices.results ?? []) {
      for (const taint of this.#taintsOf(result)) {
        if (taint.effect !== 'NoExecute') continue;
        earliest = Math.min(earliest, evictionMs(taint, result.tolerations ?? [], this.context.clock.now()));
      }
    }
    return earliest;
  }

  /** As the newest slices of the pool have them. */
  #taintsOf(result: DeviceRequestAllocationResult): readonly DeviceTaint[] {
    const slices = this.#slices.byIndex(slicesByPool.name, poolOf(result));
    const generation = Math.max(...slices.map(({ spec }) => spec.pool.generation));
    const current = slices.filter(({ spec }) => spec.pool.generation === generation);
    return current.flatMap(({ spec }) => spec.devices ?? []).find(device => device.name === result.device)?.taints ?? [];
  }

  #event(pod: Pod, message: string): void {
    this.context.recorder.event(pod, 'Normal', 'DeviceTaintManagerEviction', message);
  }
}

/** From when the taint came. Who tolerates it for ever stays; of the others the shortest time counts. */
function evictionMs(taint: DeviceTaint, tolerations: readonly DeviceToleration[], nowMs: number): number {
  const tolerating = tolerations.filter(
    toleration => toleration.effect === 'NoExecute' && toleratesDeviceTaint(toleration, taint),
  );
  if (tolerating.some(({ tolerationSeconds }) => tolerationSeconds === undefined)) return Infinity;
  const addedMs = taint.timeAdded ? timeToMs(taint.timeAdded) : nowMs;
  if (tolerating.length === 0) return addedMs;
  return addedMs + Math.max(0, Math.min(...tolerating.map(({ tolerationSeconds }) => tolerationSeconds!))) * 1000;
}

export const deviceTaintEvictionController: ControllerDescriptor = {
  name: 'device-taint-eviction-controller',
  create: context => new DeviceTaintEvictionController(context),
};
