const apiGroup = 'rbac.authorization.k8s.io';
const apiVersion = `${apiGroup}/v1`;
const verbs = ['get', 'list', 'watch'];

export const account = { namespace: 'kube-system', name: 'template-metrics' };

export const manifests = [
  { apiVersion: 'v1', kind: 'ServiceAccount', metadata: account },
  {
    apiVersion,
    kind: 'ClusterRole',
    metadata: { name: 'system:template-metrics' },
    rules: [{ apiGroups: [''], resources: ['pods', 'nodes'], verbs }],
  },
  {
    apiVersion,
    kind: 'ClusterRoleBinding',
    metadata: { name: 'system:template-metrics' },
    roleRef: { apiGroup, kind: 'ClusterRole', name: 'system:template-metrics' },
    subjects: [{ kind: 'ServiceAccount', ...account }],
  },
  {
    // Becomes part of the roles view, edit and admin.
    apiVersion,
    kind: 'ClusterRole',
    metadata: {
      name: 'system:aggregated-metrics-reader',
      labels: {
        [`${apiGroup}/aggregate-to-view`]: 'true',
        [`${apiGroup}/aggregate-to-edit`]: 'true',
        [`${apiGroup}/aggregate-to-admin`]: 'true',
      },
    },
    rules: [{ apiGroups: ['metrics.k8s.io'], resources: ['pods', 'nodes'], verbs }],
  },
];
