/** Name of the StorageClass and of the account; the provisioner's is written into claims and volumes: never change it. */
export const account = { namespace: 'kube-system', name: 'template-storage' };
export const provisioner = 'template-storage.example.com';

const rbac = 'rbac.authorization.k8s.io';

export const manifests = [
  { apiVersion: 'v1', kind: 'ServiceAccount', metadata: account },
  {
    apiVersion: `${rbac}/v1`,
    kind: 'ClusterRoleBinding',
    metadata: { name: 'system:template-storage' },
    // Every cluster has it: claims and classes to read, volumes to make and delete, events to write.
    roleRef: { apiGroup: rbac, kind: 'ClusterRole', name: 'system:persistent-volume-provisioner' },
    subjects: [{ kind: 'ServiceAccount', ...account }],
  },
  {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'StorageClass',
    metadata: { name: account.name, annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } },
    provisioner,
    volumeBindingMode: 'Immediate',
    reclaimPolicy: 'Delete',
  },
];
