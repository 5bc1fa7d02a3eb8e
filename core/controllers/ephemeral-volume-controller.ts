import { CodedError, errorText } from '../base/errors.js';
import { PersistentVolumeClaims, Pods } from '../api/generated/resources.js';
import type { PersistentVolumeClaim, Pod, Volume } from '../api/generated/types.js';
import { withoutUndefined } from '../api/objects.js';
import { controllerReference, isControlledBy } from '../api/owners.js';
import { keyOf, splitObjectKey } from '../client/entries.js';
import type { Informer } from '../client/informer-types.js';
import type { ObjectEntry } from '../contracts/api-transport.js';
import { isStatusError } from '../machinery/status-error.js';
import type { ControllerContext, ControllerDescriptor } from './controller.js';
import { podsByClaim } from './pods-by-claim.js';
import { Reconciler } from './reconciler.js';

/** Makes the claims of pods' ephemeral volumes, owned by the pods. Source: pkg/controller/volume/ephemeral, KEP-1698. */
class EphemeralVolumeController extends Reconciler {
  readonly #pods: Informer<Pod>;
  readonly #claims: Informer<PersistentVolumeClaim>;

  constructor(context: ControllerContext) {
    super(context, { name: 'ephemeral-volume-controller' });
    this.#pods = context.informers.informer(Pods);
    this.#claims = context.informers.informer(PersistentVolumeClaims);
  }

  protected override register(): void {
    this.#pods.addIndex(podsByClaim.name, podsByClaim.keys);
    const enqueue = (entry: ObjectEntry<Pod>): void => {
      const { spec, metadata } = entry.object;
      if (!metadata.deletionTimestamp && spec.volumes?.some(volume => volume.ephemeral)) this.queue.add(keyOf(entry));
    };
    this.watch(this.#pods, { added: enqueue });
    this.watch(this.#claims, {
      // Somebody took the claim away, or one of that name that was in the way.
      deleted: entry => {
        for (const pod of this.#pods.byIndex(podsByClaim.name, keyOf(entry))) this.queue.add(keyOf(pod));
      },
    });
  }

  protected override async sync(key: string): Promise<void> {
    const { namespace, name } = splitObjectKey(key);
    const pod = this.#pods.get(namespace, name);
    if (!pod || pod.metadata.deletionTimestamp) return;
    for (const volume of pod.spec.volumes ?? []) {
      if (!volume.ephemeral) continue;
      try {
        await this.#ensureClaim(pod, volume);
      } catch (error) {
        this.context.recorder.event(pod, 'Warning', 'FailedBinding', `ephemeral volume ${volume.name}: ${errorText(error)}`);
        throw error;
      }
    }
  }

  async #ensureClaim(pod: Pod, volume: Volume): Promise<void> {
    const { namespace } = pod.metadata;
    const name = `${pod.metadata.name}-${volume.name}`;
    const known = this.#claims.get(namespace ?? '', name);
    if (known) {
      if (isControlledBy(known, pod)) return;
      throw new CodedError('CLAIM_TAKEN', `PVC ${keyOf(known)} was not created for pod ${keyOf(pod)} (pod is not owner)`);
    }
    const template = volume.ephemeral?.volumeClaimTemplate;
    if (!template) return;
    const { annotations, labels } = template.metadata ?? {};
    const metadata = withoutUndefined({ name, ownerReferences: [controllerReference(pod, Pods)], annotations, labels });
    try {
      await this.context.client
        .resource(PersistentVolumeClaims, namespace)
        .create({ metadata, spec: template.spec } as unknown as PersistentVolumeClaim);
    } catch (error) {
      // The informer will show it, and whose it is.
      if (isStatusError(error, 'AlreadyExists')) throw error;
      throw new CodedError('CLAIM_NOT_CREATED', `create PVC ${name}: ${errorText(error)}`, { cause: error });
    }
  }
}

export const ephemeralVolumeController: ControllerDescriptor = {
  name: 'ephemeral-volume-controller',
  component: 'ephemeral_volume',
  create: context => new EphemeralVolumeController(context),
};
