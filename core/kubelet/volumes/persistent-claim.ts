import { CodedError, errorText } from '../../base/errors.js';
import { PersistentVolumeClaims, PersistentVolumes } from '../../api/generated/resources.js';
import type { PersistentVolume, PersistentVolumeClaim, Pod, Volume } from '../../api/generated/types.js';
import type { Client } from '../../client/client.js';
import { allContainers } from './pod-containers.js';

const protection = 'kubernetes.io/pvc-protection';

/** The claim that a volume stands for; undefined for volumes of other kinds. */
export function claimName(pod: Pod, volume: Volume): string | undefined {
  return volume.persistentVolumeClaim?.claimName ?? (volume.ephemeral ? `${pod.metadata.name}-${volume.name}` : undefined);
}

/** The volume's claim, once it is bound. Texts: pkg/kubelet/volumemanager/populator. */
export async function boundClaim(client: Client, pod: Pod, volume: Volume): Promise<PersistentVolumeClaim> {
  const { namespace = '', uid, name: podName } = pod.metadata;
  const name = claimName(pod, volume)!;
  const refuse = (text: string): CodedError =>
    new CodedError('VOLUME_UNBOUND', `error processing PVC ${namespace}/${name}: ${text}`);
  let claim: PersistentVolumeClaim;
  try {
    claim = await client.resource(PersistentVolumeClaims, namespace).get(name);
  } catch (error) {
    throw refuse(`failed to fetch PVC from API server: ${errorText(error)}`);
  }
  const { metadata, spec, status } = claim;
  if (metadata.deletionTimestamp && !metadata.finalizers?.includes(protection)) throw refuse('PVC is being deleted');
  if (status?.phase !== 'Bound' || !spec.volumeName) throw refuse('PVC is not bound');
  const ours = metadata.ownerReferences?.some(owner => owner.controller && owner.uid === uid);
  if (volume.ephemeral && !ours) {
    throw refuse(`PVC ${namespace}/${name} was not created for pod ${namespace}/${podName} (pod is not owner)`);
  }
  return claim;
}

/** The persistent volume behind a volume of a pod, where the two belong together. */
export async function claimedVolume(client: Client, pod: Pod, volume: Volume): Promise<PersistentVolume> {
  const claim = await boundClaim(client, pod, volume);
  const refuse = (text: string): CodedError =>
    new CodedError('VOLUME_UNBOUND', `error processing PVC ${claim.metadata.namespace}/${claim.metadata.name}: ${text}`);
  const name = claim.spec.volumeName!;
  let persistent: PersistentVolume;
  try {
    persistent = await client.resource(PersistentVolumes).get(name);
  } catch (error) {
    throw refuse(`failed to fetch PV ${name} from API server: ${errorText(error)}`);
  }
  const holder = persistent.spec.claimRef?.uid;
  if (holder !== claim.metadata.uid) {
    throw refuse(
      `found PV object ${name} but its pv.Spec.ClaimRef.UID ${holder ?? ''} does not point to claim.UID ${claim.metadata.uid}`,
    );
  }
  const mode = persistent.spec.volumeMode ?? 'Filesystem';
  const isDevice = allContainers(pod).some(({ volumeDevices }) => volumeDevices?.some(device => device.name === volume.name));
  const used = isDevice ? 'volumeDevices' : 'volumeMounts';
  if ((mode === 'Block') !== isDevice) {
    throw new CodedError('VOLUME_MODE', `volume ${volume.name} has volumeMode ${mode}, but is specified in ${used}`);
  }
  return persistent;
}
