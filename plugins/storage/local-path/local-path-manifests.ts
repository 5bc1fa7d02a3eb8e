import type { KubeObject } from '../../../core/plugin-api/index.js';
import {
  configMapName,
  configMapNamespace,
  provisionerName,
  serviceAccountName,
  serviceAccountNamespace,
} from './local-path-names.js';

type Manifest = KubeObject & Record<string, unknown>;

const role = 'local-path-provisioner-role';
const rbac = 'rbac.authorization.k8s.io';
const account = { kind: 'ServiceAccount', name: serviceAccountName, namespace: serviceAccountNamespace };
const readOnly = ['get', 'list', 'watch'];

/**
 * What K3s' local-storage.yaml leaves in the API, without the Deployment. The ConfigMap is not among it: the part makes it when it
 * is missing and leaves it alone afterwards, because it belongs to the user.
 */
export const localPathManifests: readonly Manifest[] = [
  {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { name: serviceAccountName, namespace: serviceAccountNamespace },
  },
  {
    apiVersion: `${rbac}/v1`,
    kind: 'ClusterRole',
    metadata: { name: role },
    rules: [
      { apiGroups: [''], resources: ['nodes', 'persistentvolumeclaims', 'configmaps'], verbs: readOnly },
      { apiGroups: [''], resources: ['persistentvolumes'], verbs: ['*'] },
      { apiGroups: [''], resources: ['events'], verbs: ['create', 'patch'] },
      { apiGroups: ['storage.k8s.io'], resources: ['storageclasses'], verbs: readOnly },
    ],
  },
  {
    apiVersion: `${rbac}/v1`,
    kind: 'ClusterRoleBinding',
    metadata: { name: 'local-path-provisioner-bind' },
    roleRef: { apiGroup: rbac, kind: 'ClusterRole', name: role },
    subjects: [account],
  },
  {
    apiVersion: `${rbac}/v1`,
    kind: 'Role',
    metadata: { name: role, namespace: configMapNamespace },
    rules: [{ apiGroups: [''], resources: ['configmaps'], verbs: ['create'] }],
  },
  {
    apiVersion: `${rbac}/v1`,
    kind: 'RoleBinding',
    metadata: { name: 'local-path-provisioner-bind', namespace: configMapNamespace },
    roleRef: { apiGroup: rbac, kind: 'Role', name: role },
    subjects: [account],
  },
  {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'StorageClass',
    metadata: {
      name: 'local-path',
      annotations: { defaultVolumeType: 'local', 'storageclass.kubernetes.io/is-default-class': 'true' },
    },
    provisioner: provisionerName,
    volumeBindingMode: 'WaitForFirstConsumer',
    reclaimPolicy: 'Delete',
  },
];

/** The ConfigMap as it is first made. */
export function firstConfigMap(storageDir: string): Manifest {
  const config = { nodePathMap: [{ node: 'DEFAULT_PATH_FOR_NON_LISTED_NODES', paths: [storageDir] }] };
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: configMapName, namespace: configMapNamespace },
    data: { 'config.json': `${JSON.stringify(config, null, 2)}\n` },
  };
}
