import type { KubeObject } from 'k3s-ts/plugin';

/** Of the account and its rights. */
export const accountName = 'template-cluster-dns';
/** Users and their tools know the Service of every cluster's DNS by this name. */
export const serviceName = 'kube-dns';
export const namespace = 'kube-system';

const rbac = 'rbac.authorization.k8s.io';
const read = ['get', 'list', 'watch'];

/** What is in the API while the plugin is chosen, and goes with it. */
export const manifests: readonly KubeObject[] = [
  { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: accountName, namespace } },
  {
    apiVersion: `${rbac}/v1`,
    kind: 'ClusterRole',
    metadata: { name: accountName },
    rules: [
      { apiGroups: [''], resources: ['services', 'namespaces', 'nodes'], verbs: read },
      { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: [...read, 'create', 'patch', 'delete'] },
    ],
  },
  {
    apiVersion: `${rbac}/v1`,
    kind: 'ClusterRoleBinding',
    metadata: { name: accountName },
    roleRef: { apiGroup: rbac, kind: 'ClusterRole', name: accountName },
    subjects: [{ kind: 'ServiceAccount', name: accountName, namespace }],
  },
  {
    // Without a selector: its endpoints are our listeners.
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: serviceName, namespace, labels: { 'k8s-app': 'kube-dns' } },
    spec: {
      clusterIP: '%{CLUSTER_DNS}%',
      clusterIPs: '%{CLUSTER_DNS_LIST}%',
      ipFamilyPolicy: '%{CLUSTER_DNS_IPFAMILYPOLICY}%',
      ports: [
        { name: 'dns', port: 53, protocol: 'UDP' },
        { name: 'dns-tcp', port: 53, protocol: 'TCP' },
      ],
    },
  },
] as KubeObject[];
