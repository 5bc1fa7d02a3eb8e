import type { EnvFromSource, EnvVar, PersistentVolume, Pod, Volume } from './generated/types.js';

/** What a node must read to run a pod. Names are in the pod's namespace, each once, empty ones left out. */
export interface PodReferences {
  readonly secrets: ReadonlySet<string>;
  readonly configMaps: ReadonlySet<string>;
  readonly claims: ReadonlySet<string>;
  readonly resourceClaims: ReadonlySet<string>;
}

interface Names {
  secrets: Set<string>;
  configMaps: Set<string>;
  claims: Set<string>;
  resourceClaims: Set<string>;
}

/** Source: pkg/api/v1/pod (secret and config map names), the node authorizer's graph (claims). */
export function podReferences(pod: Pod): PodReferences {
  const names: Names = { secrets: new Set(), configMaps: new Set(), claims: new Set(), resourceClaims: new Set() };
  const { spec } = pod;
  if (!spec) return names;
  for (const reference of spec.imagePullSecrets ?? []) add(names.secrets, reference.name);
  for (const containers of [spec.containers, spec.initContainers, spec.ephemeralContainers]) {
    for (const container of containers ?? []) environmentReferences(container, names);
  }
  for (const volume of spec.volumes ?? []) volumeReferences(volume, pod.metadata.name, names);
  const statuses = pod.status?.resourceClaimStatuses ?? [];
  for (const claim of spec.resourceClaims ?? []) {
    // A claim made from a template is known only once the status names it.
    const made = claim.resourceClaimName ?? statuses.find(status => status.name === claim.name)?.resourceClaimName;
    add(names.resourceClaims, made);
  }
  add(names.resourceClaims, pod.status?.extendedResourceClaimStatus?.resourceClaimName);
  return names;
}

function environmentReferences(container: { env?: EnvVar[]; envFrom?: EnvFromSource[] }, names: Names): void {
  for (const source of container.envFrom ?? []) {
    add(names.secrets, source.secretRef?.name);
    add(names.configMaps, source.configMapRef?.name);
  }
  for (const variable of container.env ?? []) {
    add(names.secrets, variable.valueFrom?.secretKeyRef?.name);
    add(names.configMaps, variable.valueFrom?.configMapKeyRef?.name);
  }
}

function volumeReferences(volume: Volume, podName: string, names: Names): void {
  const { secrets } = names;
  add(secrets, volume.secret?.secretName);
  add(secrets, volume.azureFile?.secretName);
  add(secrets, volume.csi?.nodePublishSecretRef?.name);
  for (const source of [
    volume.cephfs,
    volume.cinder,
    volume.flexVolume,
    volume.rbd,
    volume.scaleIO,
    volume.iscsi,
    volume.storageos,
  ]) {
    add(secrets, source?.secretRef?.name);
  }
  add(names.configMaps, volume.configMap?.name);
  for (const source of volume.projected?.sources ?? []) {
    add(secrets, source.secret?.name);
    add(names.configMaps, source.configMap?.name);
  }
  add(names.claims, volume.persistentVolumeClaim?.claimName);
  if (volume.ephemeral) add(names.claims, `${podName}-${volume.name}`);
}

/** Secrets that a kubelet needs to mount a volume, as `NAMESPACE/NAME`. Source: pkg/api/v1/persistentvolume. */
export function volumeSecrets(volume: PersistentVolume): string[] {
  const { spec } = volume;
  if (!spec) return [];
  const claimNamespace = spec.claimRef?.namespace ?? '';
  const found: string[] = [];
  const note = (reference: { name?: string; namespace?: string } | undefined, fallback: string): void => {
    if (reference?.name) found.push(`${reference.namespace || fallback}/${reference.name}`);
  };
  note({ name: spec.azureFile?.secretName, namespace: spec.azureFile?.secretNamespace }, claimNamespace);
  for (const source of [spec.cephfs, spec.flexVolume, spec.rbd, spec.scaleIO, spec.iscsi])
    note(source?.secretRef, claimNamespace);
  // These name the namespace themselves or not at all.
  for (const source of [spec.cinder, spec.storageos]) note(source?.secretRef, '');
  for (const key of ['nodePublishSecretRef', 'nodeStageSecretRef', 'nodeExpandSecretRef'] as const) note(spec.csi?.[key], '');
  return found;
}

function add(names: Set<string>, name: string | undefined): void {
  if (name) names.add(name);
}
