import { PersistentVolumeClaims, PersistentVolumes, Pods, VolumeAttributesClasses } from '../api/generated/resources.js';
import type { PersistentVolume, PersistentVolumeClaim, Pod, VolumeAttributesClass } from '../api/generated/types.js';
import type { WithMetadata } from '../api/owners.js';
import { isPodFinished } from '../api/pods.js';
import { keyOf, objectKey, splitObjectKey } from '../client/entries.js';
import type { Informer } from '../client/informer-types.js';
import type { ObjectEntry } from '../contracts/api-transport.js';
import { produce } from '../machinery/object.js';
import { isStatusError } from '../machinery/status-error.js';
import type { ControllerContext, ControllerDescriptor } from './controller.js';
import { claimsOf, podsByClaim } from './pods-by-claim.js';
import { Reconciler } from './reconciler.js';

const claimFinalizer = 'kubernetes.io/pvc-protection';
const volumeFinalizer = 'kubernetes.io/pv-protection';
const classFinalizer = 'kubernetes.io/vac-protection';
const byClass = 'volumeAttributesClass';

/** The finalizers after a change; undefined when the object needs none. */
function protectedFinalizers({ metadata }: WithMetadata, finalizer: string, inUse: boolean): string[] | undefined {
  const { finalizers = [], deletionTimestamp } = metadata;
  const has = finalizers.includes(finalizer);
  if (!deletionTimestamp) return has ? undefined : [...finalizers, finalizer];
  return has && !inUse ? finalizers.filter(known => known !== finalizer) : undefined;
}

/** Keeps claims that are being deleted as long as pods use them. Source: pkg/controller/volume/pvcprotection. */
class ClaimProtectionController extends Reconciler {
  readonly #claims: Informer<PersistentVolumeClaim>;
  readonly #pods: Informer<Pod>;

  constructor(context: ControllerContext) {
    super(context, { name: 'persistentvolumeclaim-protection-controller', workers: 1 });
    this.#claims = context.informers.informer(PersistentVolumeClaims);
    this.#pods = context.informers.informer(Pods);
  }

  protected override register(): void {
    this.#pods.addIndex(podsByClaim.name, podsByClaim.keys);
    this.watch(this.#claims, {
      added: entry => this.queue.add(keyOf(entry)),
      updated: (_previous, entry) => this.queue.add(keyOf(entry)),
    });
    const release = (entry: ObjectEntry<Pod>): void => {
      for (const name of claimsOf(entry.object)) this.queue.add(objectKey(entry.namespace, name));
    };
    this.watch(this.#pods, {
      updated: (previous, entry) => {
        if (isPodFinished(entry.object) || previous.uid !== entry.uid) release(entry);
      },
      deleted: release,
    });
  }

  protected override async sync(key: string): Promise<void> {
    const { namespace, name } = splitObjectKey(key);
    const claim = this.#claims.get(namespace, name);
    if (!claim) return;
    const inUse = claim.metadata.deletionTimestamp !== undefined && (await this.#isUsed(key, claim));
    const finalizers = protectedFinalizers(claim, claimFinalizer, inUse);
    if (!finalizers) return;
    // Its role knows no patch.
    await this.context.client.resource(PersistentVolumeClaims, namespace).update(
      name,
      produce(claim, draft => void (draft.metadata.finalizers = finalizers)),
    );
  }

  /** The informer may not know the youngest pod: before the answer is no the server is asked. */
  async #isUsed(key: string, claim: PersistentVolumeClaim): Promise<boolean> {
    if (this.#pods.byIndex(podsByClaim.name, key).some(isScheduled)) return true;
    const { namespace, name } = claim.metadata;
    const pods = await this.context.client.resource(Pods, namespace).objects();
    return pods.some(pod => isScheduled(pod) && claimsOf(pod).includes(name));
  }
}

/** A pod that has no node cannot start with a claim that is being deleted: the kubelet refuses it. */
function isScheduled(pod: Pod): boolean {
  return Boolean(pod.spec.nodeName);
}

/** Keeps volumes that are being deleted as long as they are bound. Source: pkg/controller/volume/pvprotection. */
class VolumeProtectionController extends Reconciler {
  readonly #volumes: Informer<PersistentVolume>;

  constructor(context: ControllerContext) {
    super(context, { name: 'persistentvolume-protection-controller', workers: 1 });
    this.#volumes = context.informers.informer(PersistentVolumes);
  }

  protected override register(): void {
    this.watch(this.#volumes, {
      added: entry => this.queue.add(entry.name),
      updated: (_previous, entry) => this.queue.add(entry.name),
    });
  }

  protected override async sync(name: string): Promise<void> {
    const volume = this.#volumes.get('', name);
    if (!volume) return;
    const finalizers = protectedFinalizers(volume, volumeFinalizer, volume.status?.phase === 'Bound');
    if (!finalizers) return;
    const changed = produce(volume, draft => void (draft.metadata.finalizers = finalizers));
    try {
      await this.context.client.resource(PersistentVolumes).update(name, changed);
    } catch (error) {
      if (!isStatusError(error, 'NotFound')) throw error;
    }
  }
}

/** The attribute classes that a claim has, wants or is being changed to. */
function classesOfClaim({ spec, status }: PersistentVolumeClaim): string[] {
  const { currentVolumeAttributesClassName: current, modifyVolumeStatus } = status ?? {};
  const names = [spec.volumeAttributesClassName, current, modifyVolumeStatus?.targetVolumeAttributesClassName];
  return [...new Set(names.filter((name): name is string => Boolean(name)))];
}

function classesOfVolume({ spec }: PersistentVolume): string[] {
  return spec.volumeAttributesClassName ? [spec.volumeAttributesClassName] : [];
}

/** Keeps attribute classes that are being deleted as long as volumes or claims name them. Source: pkg/controller/volume/vacprotection. */
class AttributesClassProtectionController extends Reconciler {
  readonly #classes: Informer<VolumeAttributesClass>;
  readonly #claims: Informer<PersistentVolumeClaim>;
  readonly #volumes: Informer<PersistentVolume>;

  constructor(context: ControllerContext) {
    super(context, { name: 'volumeattributesclass-protection-controller', workers: 1 });
    this.#classes = context.informers.informer(VolumeAttributesClasses);
    this.#claims = context.informers.informer(PersistentVolumeClaims);
    this.#volumes = context.informers.informer(PersistentVolumes);
  }

  protected override register(): void {
    this.watch(this.#classes, {
      added: entry => this.queue.add(entry.name),
      updated: (_previous, entry) => this.queue.add(entry.name),
    });
    this.#follow(this.#claims, classesOfClaim);
    this.#follow(this.#volumes, classesOfVolume);
  }

  #follow<T>(informer: Informer<T>, classesOf: (object: T) => readonly string[]): void {
    informer.addIndex(byClass, classesOf);
    const release = (entry: ObjectEntry<T>): void => {
      for (const name of classesOf(entry.object)) this.queue.add(name);
    };
    this.watch(informer, { updated: release, deleted: release });
  }

  protected override async sync(name: string): Promise<void> {
    const found = this.#classes.get('', name);
    if (!found) return;
    const inUse = this.#claims.byIndex(byClass, name).length > 0 || this.#volumes.byIndex(byClass, name).length > 0;
    const finalizers = protectedFinalizers(found, classFinalizer, inUse);
    if (!finalizers) return;
    await this.context.client.resource(VolumeAttributesClasses).update(
      name,
      produce(found, draft => void (draft.metadata.finalizers = finalizers)),
    );
  }
}

export const attributesClassProtectionController: ControllerDescriptor = {
  name: 'volumeattributesclass-protection-controller',
  create: context => new AttributesClassProtectionController(context),
};

export const claimProtectionController: ControllerDescriptor = {
  name: 'persistentvolumeclaim-protection-controller',
  serviceAccount: 'pvc-protection-controller',
  create: context => new ClaimProtectionController(context),
};

export const volumeProtectionController: ControllerDescriptor = {
  name: 'persistentvolume-protection-controller',
  serviceAccount: 'pv-protection-controller',
  create: context => new VolumeProtectionController(context),
};
