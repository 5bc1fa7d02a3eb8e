import { CodedError } from '../../../core/plugin-api/index.js';
import type { PersistentVolume, PersistentVolumeClaim, StorageClass } from '../../../core/plugin-api/index.js';
import { hostnameLabel, provisionerName } from './local-path-names.js';

export type VolumeType = 'local' | 'hostPath';

const localModes = ['ReadWriteOnce', 'ReadWriteOncePod'];

/** Throws CodedError `LOCAL_PATH_CLAIM` for what a directory of one node cannot give. */
export function refuseClaim(claim: PersistentVolumeClaim, isShared: boolean): void {
  const { selector, volumeMode, accessModes = [] } = claim.spec;
  if (selector) throw refused('claim.Spec.Selector is not supported');
  if (volumeMode === 'Block') throw refused(`${provisionerName} does not support block volume provisioning`);
  if (!isShared && accessModes.some(mode => !localModes.includes(mode))) {
    throw refused('NodePath only supports ReadWriteOnce and ReadWriteOncePod (1.22+) access modes');
  }
}

/** The annotation of the claim, else the class's default, else hostPath. */
export function volumeTypeOf(claim: PersistentVolumeClaim, storageClass: StorageClass): VolumeType {
  const asked =
    claim.metadata.annotations?.['volumeType'] ?? storageClass.metadata.annotations?.['defaultVolumeType'] ?? 'hostPath';
  if (asked.toLowerCase() === 'local') return 'local';
  if (asked.toLowerCase() === 'hostpath') return 'hostPath';
  throw refused(`"${asked}" is not a recognised volume type`);
}

export interface VolumeFacts {
  readonly claim: PersistentVolumeClaim;
  readonly storageClass: StorageClass;
  readonly name: string;
  readonly path: string;
  readonly type: VolumeType;
  /** The node's `kubernetes.io/hostname`; undefined: every node. */
  readonly hostname: string | undefined;
  readonly annotations: Readonly<Record<string, string>>;
}

export function makeVolume({ claim, storageClass, name, path, type, hostname, annotations }: VolumeFacts): PersistentVolume {
  const { namespace, name: claimName, uid, resourceVersion } = claim.metadata;
  const storage = claim.spec.resources?.requests?.['storage'];
  const affinity = hostname === undefined ? undefined : [{ key: hostnameLabel, operator: 'In', values: [hostname] }];
  const volume = {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name, annotations: { ...annotations } },
    spec: {
      capacity: storage === undefined ? {} : { storage },
      accessModes: claim.spec.accessModes ?? [],
      claimRef: { kind: 'PersistentVolumeClaim', apiVersion: 'v1', namespace, name: claimName, uid, resourceVersion },
      persistentVolumeReclaimPolicy: storageClass.reclaimPolicy ?? 'Delete',
      storageClassName: storageClass.metadata.name,
      volumeMode: 'Filesystem',
      ...(storageClass.mountOptions?.length ? { mountOptions: storageClass.mountOptions } : {}),
      ...(type === 'local' ? { local: { path } } : { hostPath: { path, type: 'DirectoryOrCreate' } }),
      ...(affinity ? { nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions: affinity }] } } } : {}),
    },
  };
  // The status is the server's.
  return volume as unknown as PersistentVolume;
}

function refused(message: string): CodedError {
  return new CodedError('LOCAL_PATH_CLAIM', message);
}
