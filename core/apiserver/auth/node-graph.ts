import type { PersistentVolume, Pod } from '../../api/generated/types.js';
import { podReferences, volumeSecrets } from '../../api/object-references.js';

/** Kinds that reach a node through a pod. */
export type PodBoundKind = 'secret' | 'configmap' | 'persistentvolumeclaim' | 'serviceaccount' | 'resourceclaim';
/** Kinds that name their node. */
export type NodeBoundKind = 'volumeattachment' | 'resourceslice' | 'podcertificaterequest';

/** An object that pods refer to, with the nodes of these pods and how many pods of each do. */
interface Target {
  readonly key: string;
  readonly podsByNode: Map<string, number>;
}

interface PodRecord {
  readonly uid: string;
  readonly nodeName: string;
  /** Changes when references may have changed: all others of a bound pod cannot. */
  readonly signature: string;
  readonly targets: readonly Target[];
}

interface VolumeRecord {
  readonly claimKey: string;
  readonly secrets: readonly string[];
}

const mirrorAnnotation = 'kubernetes.io/config.mirror';

/**
 * Which node may read which objects: those that its pods refer to, and what hangs on these (claim -> volume -> secret). Kept by
 * counting, so that a check needs no walk. Source: plugin/pkg/auth/authorizer/node graph.
 */
export class NodeGraph {
  readonly #pods = new Map<string, PodRecord>();
  readonly #targets = new Map<string, Target>();
  readonly #volumes = new Map<string, VolumeRecord>();
  /** Names of volumes by the secret that they need (`NAMESPACE/NAME`). */
  readonly #volumesOfSecret = new Map<string, Set<string>>();
  readonly #nodeBound: Readonly<Record<NodeBoundKind, Map<string, string>>> = {
    volumeattachment: new Map(),
    resourceslice: new Map(),
    podcertificaterequest: new Map(),
  };

  /** Call for every change of a pod; a pod without a node counts as not there. */
  upsertPod(pod: Pod): void {
    const { namespace = '', name, uid = '' } = pod.metadata;
    const key = `${namespace}/${name}`;
    const nodeName = pod.spec?.nodeName ?? '';
    const before = this.#pods.get(key);
    const signature = signatureOf(pod);
    if (before?.uid === uid && before.nodeName === nodeName && before.signature === signature) return;
    this.#forgetPod(key);
    if (nodeName === '') return;
    const targets: Target[] = [];
    // A node creates its mirror pods itself: they must not open anything to it.
    if (!pod.metadata.annotations || !Object.hasOwn(pod.metadata.annotations, mirrorAnnotation)) {
      const references = podReferences(pod);
      const account = pod.spec?.serviceAccountName;
      if (account) targets.push(this.#target('serviceaccount', namespace, account));
      for (const secret of references.secrets) targets.push(this.#target('secret', namespace, secret));
      for (const configMap of references.configMaps) targets.push(this.#target('configmap', namespace, configMap));
      for (const claim of references.claims) targets.push(this.#target('persistentvolumeclaim', namespace, claim));
      for (const claim of references.resourceClaims) targets.push(this.#target('resourceclaim', namespace, claim));
    }
    for (const { podsByNode } of targets) podsByNode.set(nodeName, (podsByNode.get(nodeName) ?? 0) + 1);
    this.#pods.set(key, { uid, nodeName, signature, targets });
  }

  deletePod(namespace: string, name: string): void {
    this.#forgetPod(`${namespace}/${name}`);
  }

  upsertPersistentVolume(volume: PersistentVolume): void {
    const { name } = volume.metadata;
    this.deletePersistentVolume(name);
    const claim = volume.spec?.claimRef;
    if (!claim) return;
    const claimKey = targetKey('persistentvolumeclaim', claim.namespace ?? '', claim.name ?? '');
    const secrets = volumeSecrets(volume);
    this.#volumes.set(name, { claimKey, secrets });
    for (const secret of secrets) {
      let names = this.#volumesOfSecret.get(secret);
      if (!names) {
        names = new Set();
        this.#volumesOfSecret.set(secret, names);
      }
      names.add(name);
    }
  }

  deletePersistentVolume(name: string): void {
    for (const secret of this.#volumes.get(name)?.secrets ?? []) {
      const names = this.#volumesOfSecret.get(secret);
      names?.delete(name);
      if (names?.size === 0) this.#volumesOfSecret.delete(secret);
    }
    this.#volumes.delete(name);
  }

  /** `namespace` is empty for kinds of the cluster; an object without a node is forgotten. */
  upsertNodeBound(kind: NodeBoundKind, object: { namespace: string; name: string; nodeName: string }): void {
    const key = `${object.namespace}/${object.name}`;
    if (object.nodeName === '') this.#nodeBound[kind].delete(key);
    else this.#nodeBound[kind].set(key, object.nodeName);
  }

  deleteNodeBound(kind: NodeBoundKind, namespace: string, name: string): void {
    this.#nodeBound[kind].delete(`${namespace}/${name}`);
  }

  podIsOn(nodeName: string, namespace: string, name: string): boolean {
    return this.#pods.get(`${namespace}/${name}`)?.nodeName === nodeName;
  }

  isNodeBoundTo(nodeName: string, kind: NodeBoundKind, { namespace, name }: { namespace: string; name: string }): boolean {
    return this.#nodeBound[kind].get(`${namespace}/${name}`) === nodeName;
  }

  /** Whether a pod on the node refers to the object; for secrets also through the volume of a claim. */
  isUsedBy(nodeName: string, kind: PodBoundKind, { namespace, name }: { namespace: string; name: string }): boolean {
    if (this.#reaches(targetKey(kind, namespace, name), nodeName)) return true;
    if (kind !== 'secret') return false;
    for (const volume of this.#volumesOfSecret.get(`${namespace}/${name}`) ?? [])
      if (this.volumeIsUsedBy(nodeName, volume)) return true;
    return false;
  }

  volumeIsUsedBy(nodeName: string, volumeName: string): boolean {
    const volume = this.#volumes.get(volumeName);
    return volume !== undefined && this.#reaches(volume.claimKey, nodeName);
  }

  #reaches(key: string, nodeName: string): boolean {
    return this.#targets.get(key)?.podsByNode.has(nodeName) ?? false;
  }

  #target(kind: PodBoundKind, namespace: string, name: string): Target {
    const key = targetKey(kind, namespace, name);
    let target = this.#targets.get(key);
    if (!target) {
      target = { key, podsByNode: new Map() };
      this.#targets.set(key, target);
    }
    return target;
  }

  #forgetPod(key: string): void {
    const record = this.#pods.get(key);
    if (!record) return;
    this.#pods.delete(key);
    for (const { key: targetName, podsByNode } of record.targets) {
      const count = (podsByNode.get(record.nodeName) ?? 1) - 1;
      if (count > 0) podsByNode.set(record.nodeName, count);
      else podsByNode.delete(record.nodeName);
      if (podsByNode.size === 0) this.#targets.delete(targetName);
    }
  }
}

function targetKey(kind: PodBoundKind, namespace: string, name: string): string {
  return `${kind}/${namespace}/${name}`;
}

/** Of a bound pod only ephemeral containers and the names of made resource claims change. */
function signatureOf(pod: Pod): string {
  const ephemeral = pod.spec?.ephemeralContainers?.length ?? 0;
  const claims = pod.status?.resourceClaimStatuses;
  const extended = pod.status?.extendedResourceClaimStatus?.resourceClaimName;
  if (ephemeral === 0 && !claims && !extended) return '';
  return JSON.stringify([ephemeral, claims ?? [], extended ?? '']);
}
