import type { KubeObject } from 'k3s-ts/plugin';

/** Of all objects here: the IngressClass, the Service, the account. */
export const name = 'template-ingress';
export const namespace = 'kube-system';
export const controllerName = 'k3s-plugin.example.com/template-ingress';

const rbac = 'rbac.authorization.k8s.io';
const read = ['get', 'list', 'watch'];

/** What is in the API while the plugin is chosen, and goes with it. */
export const manifests: readonly KubeObject[] = [
  { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name, namespace } },
  {
    apiVersion: `${rbac}/v1`,
    kind: 'ClusterRole',
    metadata: { name },
    rules: [
      { apiGroups: [''], resources: ['services', 'secrets', 'nodes'], verbs: read },
      { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: [...read, 'create', 'patch', 'delete'] },
      { apiGroups: ['networking.k8s.io'], resources: ['ingresses', 'ingressclasses'], verbs: read },
      { apiGroups: ['networking.k8s.io'], resources: ['ingresses/status'], verbs: ['patch'] },
    ],
  },
  {
    apiVersion: `${rbac}/v1`,
    kind: 'ClusterRoleBinding',
    metadata: { name },
    roleRef: { apiGroup: rbac, kind: 'ClusterRole', name },
    subjects: [{ kind: 'ServiceAccount', name, namespace }],
  },
  {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'IngressClass',
    metadata: { name, annotations: { 'ingressclass.kubernetes.io/is-default-class': 'true' } },
    spec: { controller: controllerName },
  },
  {
    // Without a selector: its endpoints are our listeners.
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace },
    spec: {
      type: 'LoadBalancer',
      ports: [
        { name: 'web', port: 80, protocol: 'TCP' },
        { name: 'websecure', port: 443, protocol: 'TCP' },
      ],
    },
  },
] as KubeObject[];
