import { CodedError } from '../base/errors.js';
import { PersistentVolumeClaims, PersistentVolumes, Pods, StorageClasses } from '../api/generated/resources.js';
import type {
  PersistentVolume,
  PersistentVolumeClaim,
  PersistentVolumeClaimStatus,
  Pod,
  StorageClass,
} from '../api/generated/types.js';
import { withoutUndefined } from '../api/objects.js';
import { keyOf, objectKey, splitObjectKey } from '../client/entries.js';
import type { Informer } from '../client/informer-types.js';
import type { ObjectEntry } from '../contracts/api-transport.js';
import { jsonEqual, produce } from '../machinery/object.js';
import { isStatusError } from '../machinery/status-error.js';
import type { ControllerContext, ControllerDescriptor } from './controller.js';
import { Latest } from './latest.js';
import { podsByClaim } from './pods-by-claim.js';
import { Reconciler } from './reconciler.js';
import {
  bestVolume,
  bindCompletedAnnotation,
  boundByControllerAnnotation,
  claimClass,
  claimHasClass,
  defaultStorageClass,
  isBoundToClaim,
  modesDiffer,
  provisionedByAnnotation,
  selectedNodeAnnotation,
  volumeClass,
  whyUnfit,
} from './volume-matching.js';

const provisionerAnnotations = ['volume.kubernetes.io/storage-provisioner', 'volume.beta.kubernetes.io/storage-provisioner'];
const noProvisioner = 'kubernetes.io/no-provisioner';
/** Claims that wait are looked at again, as upstream's resync does. */
const waitingMs = 15_000;

const claimKey = (key: string): string => `claim:${key}`;
const volumeKey = (name: string): string => `volume:${name}`;

/** Binds claims to volumes and settles what becomes of volumes without a claim. Source: pkg/controller/volume/persistentvolume. */
class PersistentVolumeController extends Reconciler {
  readonly #claims: Latest<PersistentVolumeClaim>;
  readonly #volumes: Latest<PersistentVolume>;
  readonly #classes: Informer<StorageClass>;
  readonly #pods: Informer<Pod>;

  constructor(context: ControllerContext) {
    // One worker: two claims must not be promised the same volume.
    super(context, { name: 'persistentvolume-binder-controller', workers: 1 });
    const { informers } = context;
    this.#claims = new Latest(informers.informer(PersistentVolumeClaims));
    this.#volumes = new Latest(informers.informer(PersistentVolumes));
    this.#classes = informers.informer(StorageClasses);
    this.#pods = informers.informer(Pods);
  }

  protected override register(): void {
    this.#pods.addIndex(podsByClaim.name, podsByClaim.keys);
    this.watch(this.#pods);
    const claimSeen = (entry: ObjectEntry<PersistentVolumeClaim>): void => {
      this.#claims.seen(entry);
      this.queue.add(claimKey(keyOf(entry)));
    };
    this.watch(this.#claims.informer, {
      added: claimSeen,
      updated: (_previous, entry) => claimSeen(entry),
      deleted: entry => {
        this.#claims.gone(entry);
        const { volumeName } = entry.object.spec;
        if (volumeName) this.queue.add(volumeKey(volumeName));
      },
    });
    const volumeSeen = (entry: ObjectEntry<PersistentVolume>): void => {
      this.#volumes.seen(entry);
      this.queue.add(volumeKey(entry.name));
      const { claimRef } = entry.object.spec;
      if (claimRef?.name) this.queue.add(claimKey(objectKey(claimRef.namespace, claimRef.name)));
      else this.#enqueueWaiting(claim => claimClass(claim) === volumeClass(entry.object));
    };
    this.watch(this.#volumes.informer, {
      added: volumeSeen,
      updated: (_previous, entry) => volumeSeen(entry),
      deleted: entry => {
        this.#volumes.gone(entry);
        const { claimRef } = entry.object.spec;
        if (claimRef?.name) this.queue.add(claimKey(objectKey(claimRef.namespace, claimRef.name)));
      },
    });
    const classSeen = (): void => this.#enqueueWaiting(() => true);
    this.watch(this.#classes, { added: classSeen, updated: classSeen });
  }

  #enqueueWaiting(fits: (claim: PersistentVolumeClaim) => boolean): void {
    for (const claim of this.#claims.informer.list()) {
      if (claim.status?.phase !== 'Bound' && fits(claim)) this.queue.add(claimKey(keyOf(claim)));
    }
  }

  protected override async sync(key: string): Promise<void> {
    const rest = key.slice(key.indexOf(':') + 1);
    if (key.startsWith('claim:')) {
      const { namespace, name } = splitObjectKey(rest);
      const claim = this.#claims.get(namespace, name);
      if (!claim) return;
      if (claim.metadata.annotations?.[bindCompletedAnnotation] === undefined) await this.#syncUnboundClaim(key, claim);
      else await this.#syncBoundClaim(claim);
      return;
    }
    const volume = this.#volumes.get('', rest);
    if (volume) await this.#syncVolume(volume);
  }

  async #syncUnboundClaim(key: string, claim: PersistentVolumeClaim): Promise<void> {
    if (claim.spec.volumeName) return this.#syncRequestedVolume(claim, claim.spec.volumeName);
    const delayed = this.#isDelayed(claim);
    const volume = bestVolume(claim, this.#volumes.list(), delayed);
    if (volume) return this.#bind(volume, claim);
    if (await this.#assignDefaultClass(claim)) return;
    const className = claimClass(claim);
    if (delayed && !claim.metadata.annotations?.[selectedNodeAnnotation]) this.#tellOfWaiting(claim);
    else if (className !== '') return this.#requestProvisioning(key, claim, className);
    else
      this.#event(claim, 'Normal', 'FailedBinding', 'no persistent volumes available for this claim and no storage class is set');
    await this.#writeClaimStatus(claim, 'Pending');
    this.queue.addAfter(key, waitingMs);
  }

  /** The claim names its volume. */
  async #syncRequestedVolume(claim: PersistentVolumeClaim, volumeName: string): Promise<void> {
    const volume = this.#volumes.get('', volumeName);
    if (!volume) {
      await this.#writeClaimStatus(claim, 'Pending');
      return;
    }
    if (!volume.spec.claimRef) {
      const why = whyUnfit(volume, claim);
      if (why === undefined) return this.#bind(volume, claim);
      this.#event(claim, 'Warning', 'VolumeMismatch', `Cannot bind to requested volume "${volumeName}": ${why}`);
      await this.#writeClaimStatus(claim, 'Pending');
      return;
    }
    if (isBoundToClaim(volume, claim)) return this.#bind(volume, claim);
    this.#event(claim, 'Warning', 'FailedBinding', `volume "${volumeName}" already bound to a different claim.`);
    if (claim.metadata.annotations?.[boundByControllerAnnotation] === undefined) {
      await this.#writeClaimStatus(claim, 'Pending');
      return;
    }
    const { namespace, name } = volume.spec.claimRef;
    throw new CodedError(
      'VOLUME_TAKEN',
      `invalid binding of claim "${keyOf(claim)}" to volume "${volumeName}": volume already claimed by "${namespace}/${name}"`,
    );
  }

  async #syncBoundClaim(claim: PersistentVolumeClaim): Promise<void> {
    const { volumeName } = claim.spec;
    const volume = volumeName ? this.#volumes.get('', volumeName) : undefined;
    const lost = async (reason: string, message: string): Promise<void> => {
      if (claim.status?.phase === 'Lost') return;
      await this.#writeClaimStatus(claim, 'Lost');
      this.#event(claim, 'Warning', reason, message);
    };
    if (!volumeName) {
      return lost('ClaimLost', 'Bound claim has lost reference to PersistentVolume. Data on the volume is lost!');
    }
    if (!volume) return lost('ClaimLost', 'Bound claim has lost its PersistentVolume. Data on the volume is lost!');
    if (!volume.spec.claimRef || volume.spec.claimRef.uid === claim.metadata.uid) return this.#bind(volume, claim);
    return lost('ClaimMisbound', 'Two claims are bound to the same volume, this one is bound incorrectly');
  }

  async #syncVolume(volume: PersistentVolume): Promise<void> {
    const { claimRef } = volume.spec;
    if (!claimRef?.uid) {
      await this.#writeVolumePhase(volume, 'Available');
      return;
    }
    const claim = await this.#claimOf(volume, claimRef.namespace ?? '', claimRef.name ?? '');
    if (!claim) return this.#release(volume);
    const { name } = volume.metadata;
    if (!claim.spec.volumeName) {
      if (modesDiffer(claim, volume)) {
        const why = 'due to incompatible volumeMode.';
        const text = `Cannot bind PersistentVolume to requested PersistentVolumeClaim "${claim.metadata.name}" ${why}`;
        this.#event(volume, 'Warning', 'VolumeMismatch', text);
        this.#event(
          claim,
          'Warning',
          'VolumeMismatch',
          `Cannot bind PersistentVolume "${name}" to requested PersistentVolumeClaim ${why}`,
        );
        return;
      }
      this.queue.add(claimKey(keyOf(claim)));
    } else if (claim.spec.volumeName === name) await this.#writeVolumePhase(volume, 'Bound');
    else if (volume.metadata.annotations?.[provisionedByAnnotation] && volume.spec.persistentVolumeReclaimPolicy === 'Delete') {
      // It was made for this claim, which was given another volume meanwhile.
      await this.#release(volume);
    } else await this.#unbind(volume);
  }

  /** The claim that the volume is bound to. That it is gone is believed only to the server. */
  async #claimOf(volume: PersistentVolume, namespace: string, name: string): Promise<PersistentVolumeClaim | undefined> {
    const uid = volume.spec.claimRef?.uid;
    const known = this.#claims.get(namespace, name);
    if (known?.metadata.uid === uid) return known;
    const phase = volume.status?.phase;
    if (!known && (phase === 'Released' || phase === 'Failed')) return undefined;
    try {
      const claim = await this.context.client.resource(PersistentVolumeClaims, namespace).get(name);
      return claim.metadata.uid === uid ? claim : undefined;
    } catch (error) {
      if (isStatusError(error, 'NotFound')) return undefined;
      throw error;
    }
  }

  async #release(volume: PersistentVolume): Promise<void> {
    const { phase } = volume.status ?? {};
    const released = phase === 'Released' || phase === 'Failed' ? volume : await this.#writeVolumePhase(volume, 'Released');
    const fail = async (reason: string, message: string): Promise<void> => {
      if (released.status?.phase === 'Failed') return;
      await this.#writeVolumePhase(released, 'Failed', message);
      this.#event(released, 'Warning', reason, message);
    };
    switch (released.spec.persistentVolumeReclaimPolicy) {
      case undefined:
      case 'Retain':
        return;
      case 'Delete': {
        // Whoever provisioned it deletes it.
        if (released.metadata.annotations?.[provisionedByAnnotation]) return;
        const { name } = released.metadata;
        const why = `error getting deleter volume plugin for volume "${name}": no deletable volume plugin matched`;
        return fail('VolumeFailedDelete', why);
      }
      case 'Recycle':
        return fail('VolumeFailedRecycle', 'No recycler plugin found for the volume!');
      default:
        return fail('VolumeUnknownReclaimPolicy', 'Volume has unrecognized PersistentVolumeReclaimPolicy');
    }
  }

  #isDelayed(claim: PersistentVolumeClaim): boolean {
    const className = claimClass(claim);
    return className !== '' && this.#classes.get('', className)?.volumeBindingMode === 'WaitForFirstConsumer';
  }

  #tellOfWaiting(claim: PersistentVolumeClaim): void {
    const names = this.#pods
      .byIndex(podsByClaim.name, keyOf(claim))
      .filter(pod => !pod.spec.nodeName)
      .map(pod => pod.metadata.name);
    if (names.length === 0) {
      this.#event(claim, 'Normal', 'WaitForFirstConsumer', 'waiting for first consumer to be created before binding');
    } else {
      const who = names.length > 1 ? 'pods' : 'pod';
      this.#event(claim, 'Normal', 'WaitForPodScheduled', `waiting for ${who} ${names.join(',')} to be scheduled`);
    }
  }

  /** Claims that were made before there was a default class get it now. */
  async #assignDefaultClass(claim: PersistentVolumeClaim): Promise<boolean> {
    if (claimHasClass(claim)) return false;
    const storageClass = defaultStorageClass(this.#classes.list());
    if (!storageClass) return false;
    await this.#updateClaim(produce(claim, draft => void (draft.spec.storageClassName = storageClass.metadata.name)));
    return true;
  }

  /** Tells the class's provisioner, all of which live outside of this controller, that it is wanted. */
  async #requestProvisioning(key: string, claim: PersistentVolumeClaim, className: string): Promise<void> {
    const storageClass = this.#classes.get('', className);
    if (!storageClass) {
      this.#event(claim, 'Warning', 'ProvisioningFailed', `storageclass.storage.k8s.io "${className}" not found`);
      await this.#writeClaimStatus(claim, 'Pending');
      this.queue.addAfter(key, waitingMs);
      return;
    }
    const { provisioner } = storageClass;
    const annotations = { ...claim.metadata.annotations };
    for (const annotation of provisionerAnnotations) annotations[annotation] = provisioner;
    const told = jsonEqual(annotations, claim.metadata.annotations)
      ? claim
      : await this.#updateClaim(produce(claim, draft => void (draft.metadata.annotations = annotations)));
    if (provisioner === noProvisioner) {
      this.#event(told, 'Normal', 'FailedBinding', 'no persistent volumes available for this claim and no storage class is set');
    } else {
      const text =
        `Waiting for a volume to be created either by the external provisioner '${provisioner}' or manually by the system ` +
        'administrator. If volume creation is delayed, please verify that the provisioner is running and correctly registered.';
      this.#event(told, 'Normal', 'ExternalProvisioning', text);
    }
    await this.#writeClaimStatus(told, 'Pending');
    this.queue.addAfter(key, waitingMs);
  }

  /** Four writes, each of which may have been done before: volume to claim, its phase, claim to volume, its phase. */
  async #bind(volume: PersistentVolume, claim: PersistentVolumeClaim): Promise<void> {
    const reserved = await this.#bindVolume(volume, claim);
    const bound = await this.#writeVolumePhase(reserved, 'Bound');
    const bindsClaim = claim.spec.volumeName !== bound.metadata.name;
    const annotations: Record<string, string> = { ...claim.metadata.annotations, [bindCompletedAnnotation]: 'yes' };
    if (bindsClaim) annotations[boundByControllerAnnotation] = 'yes';
    const pointing =
      !bindsClaim && jsonEqual(annotations, claim.metadata.annotations)
        ? claim
        : await this.#updateClaim(
            produce(claim, draft => {
              draft.spec.volumeName = bound.metadata.name;
              draft.metadata.annotations = annotations;
            }),
          );
    await this.#writeClaimStatus(pointing, 'Bound', bound);
  }

  async #bindVolume(volume: PersistentVolume, claim: PersistentVolumeClaim): Promise<PersistentVolume> {
    const { namespace, name, uid, resourceVersion } = claim.metadata;
    const { claimRef } = volume.spec;
    if (claimRef?.uid === uid && claimRef?.name === name && claimRef?.namespace === namespace) return volume;
    const byController = !isBoundToClaim(volume, claim);
    const changed = produce(volume, draft => {
      draft.spec.claimRef = { kind: 'PersistentVolumeClaim', apiVersion: 'v1', namespace, name, uid, resourceVersion };
      if (byController) draft.metadata.annotations = { ...draft.metadata.annotations, [boundByControllerAnnotation]: 'yes' };
    });
    return this.#updateVolume(changed);
  }

  async #unbind(volume: PersistentVolume): Promise<void> {
    const changed = produce(volume, draft => {
      if (draft.metadata.annotations?.[boundByControllerAnnotation] === undefined) delete draft.spec.claimRef?.uid;
      else {
        delete draft.spec.claimRef;
        delete draft.metadata.annotations[boundByControllerAnnotation];
      }
    });
    await this.#writeVolumePhase(await this.#updateVolume(changed), 'Available');
  }

  async #updateClaim(claim: PersistentVolumeClaim): Promise<PersistentVolumeClaim> {
    const { namespace, name } = claim.metadata;
    return this.#claims.written(await this.context.client.resource(PersistentVolumeClaims, namespace).update(name, claim));
  }

  async #updateVolume(volume: PersistentVolume): Promise<PersistentVolume> {
    return this.#volumes.written(await this.context.client.resource(PersistentVolumes).update(volume.metadata.name, volume));
  }

  async #writeClaimStatus(claim: PersistentVolumeClaim, phase: string, volume?: PersistentVolume): Promise<void> {
    const { accessModes: _modes, capacity, currentVolumeAttributesClassName: attributes, ...rest } = claim.status ?? {};
    const becomesBound = claim.status?.phase !== phase;
    const status: PersistentVolumeClaimStatus = volume
      ? {
          ...rest,
          phase,
          accessModes: volume.spec.accessModes,
          capacity: becomesBound ? volume.spec.capacity : capacity,
          currentVolumeAttributesClassName: becomesBound ? volume.spec.volumeAttributesClassName : attributes,
        }
      : { ...rest, phase };
    if (jsonEqual(claim.status, status)) return;
    const { namespace, name } = claim.metadata;
    const changed = produce(claim, draft => void (draft.status = withoutUndefined(status)));
    this.#claims.written(await this.context.client.resource(PersistentVolumeClaims, namespace).updateStatus(name, changed));
  }

  async #writeVolumePhase(volume: PersistentVolume, phase: string, message?: string): Promise<PersistentVolume> {
    if (volume.status?.phase === phase) return volume;
    const { message: _old, ...rest } = volume.status ?? {};
    const changed = produce(volume, draft => void (draft.status = { ...rest, phase, ...(message ? { message } : {}) }));
    return this.#volumes.written(
      await this.context.client.resource(PersistentVolumes).updateStatus(volume.metadata.name, changed),
    );
  }

  #event(object: PersistentVolume | PersistentVolumeClaim, type: 'Normal' | 'Warning', reason: string, message: string): void {
    this.context.recorder.event(object, type, reason, message);
  }
}

export const persistentVolumeController: ControllerDescriptor = {
  name: 'persistentvolume-binder-controller',
  serviceAccount: 'persistent-volume-binder',
  component: 'persistentvolume-controller',
  create: context => new PersistentVolumeController(context),
};
