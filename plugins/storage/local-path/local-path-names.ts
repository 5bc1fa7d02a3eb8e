/** Names that users of K3s know. Source: K3s manifests/local-storage.yaml, local-path-provisioner README. */
export const provisionerName = 'rancher.io/local-path';
export const serviceAccountName = 'local-path-provisioner-service-account';
export const serviceAccountNamespace = 'kube-system';
export const configMapName = 'local-path-config';
export const configMapNamespace = 'kube-system';

export const hostnameLabel = 'kubernetes.io/hostname';
export const selectedNodeAnnotation = 'volume.kubernetes.io/selected-node';
export const storageProvisionerAnnotations = [
  'volume.kubernetes.io/storage-provisioner',
  'volume.beta.kubernetes.io/storage-provisioner',
];
export const provisionedByAnnotation = 'pv.kubernetes.io/provisioned-by';
/** On volumes: the node that holds the directory. */
export const volumeNodeAnnotation = 'local.path.provisioner/selected-node';
/** On volumes, ours: the project of the file system's quota. */
export const projectAnnotation = 'local.path.provisioner/quota-project';
