import type { KubeObject } from '../../../core/plugin-api/index.js';

type Manifest = KubeObject & Record<string, unknown>;

const rbac = 'rbac.authorization.k8s.io';
export const serviceAccountName = 'metrics-server';
export const serviceAccountNamespace = 'kube-system';
const reads = ['get', 'list', 'watch'];

/** The account and roles of metrics-server's release, without Deployment, Service and APIService. */
export const metricsServerManifests: readonly Manifest[] = [
  {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { name: serviceAccountName, namespace: serviceAccountNamespace, labels: { 'k8s-app': 'metrics-server' } },
  },
  {
    apiVersion: `${rbac}/v1`,
    kind: 'ClusterRole',
    metadata: {
      name: 'system:aggregated-metrics-reader',
      labels: {
        'k8s-app': 'metrics-server',
        [`${rbac}/aggregate-to-admin`]: 'true',
        [`${rbac}/aggregate-to-edit`]: 'true',
        [`${rbac}/aggregate-to-view`]: 'true',
      },
    },
    rules: [{ apiGroups: ['metrics.k8s.io'], resources: ['pods', 'nodes'], verbs: reads }],
  },
  {
    apiVersion: `${rbac}/v1`,
    kind: 'ClusterRole',
    metadata: { name: 'system:metrics-server', labels: { 'k8s-app': 'metrics-server' } },
    rules: [
      { apiGroups: [''], resources: ['nodes/metrics'], verbs: ['get'] },
      { apiGroups: [''], resources: ['pods', 'nodes'], verbs: reads },
    ],
  },
  {
    apiVersion: `${rbac}/v1`,
    kind: 'ClusterRoleBinding',
    metadata: { name: 'system:metrics-server', labels: { 'k8s-app': 'metrics-server' } },
    roleRef: { apiGroup: rbac, kind: 'ClusterRole', name: 'system:metrics-server' },
    subjects: [{ kind: 'ServiceAccount', name: serviceAccountName, namespace: serviceAccountNamespace }],
  },
];
