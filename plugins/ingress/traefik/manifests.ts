import type { KubeObject } from '../../../core/plugin-api/index.js';

const namespace = 'kube-system';
const rbac = 'rbac.authorization.k8s.io';
const account = { kind: 'ServiceAccount', name: 'traefik', namespace };
const labels = { 'app.kubernetes.io/instance': 'traefik-kube-system', 'app.kubernetes.io/name': 'traefik' };
const read = ['get', 'list', 'watch'];

/** The objects that K3s' users know, by K3s' names. Source: the Traefik chart as K3s configures it. */
export const manifests: readonly KubeObject[] = [
  { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'traefik', namespace, labels } },
  {
    apiVersion: `${rbac}/v1`,
    kind: 'ClusterRole',
    metadata: { name: 'traefik-kube-system', labels },
    rules: [
      { apiGroups: [''], resources: ['services', 'secrets', 'nodes'], verbs: read },
      { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: ['list', 'watch'] },
      { apiGroups: ['networking.k8s.io'], resources: ['ingresses', 'ingressclasses'], verbs: read },
      { apiGroups: ['networking.k8s.io'], resources: ['ingresses/status'], verbs: ['update', 'patch'] },
      { apiGroups: [''], resources: ['events'], verbs: ['create', 'patch'] },
    ],
  },
  {
    apiVersion: `${rbac}/v1`,
    kind: 'ClusterRoleBinding',
    metadata: { name: 'traefik-kube-system', labels },
    roleRef: { apiGroup: rbac, kind: 'ClusterRole', name: 'traefik-kube-system' },
    subjects: [account],
  },
  {
    apiVersion: `${rbac}/v1`,
    kind: 'Role',
    metadata: { name: 'traefik', namespace, labels },
    rules: [{ apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: ['create', 'patch', 'delete'] }],
  },
  {
    apiVersion: `${rbac}/v1`,
    kind: 'RoleBinding',
    metadata: { name: 'traefik', namespace, labels },
    roleRef: { apiGroup: rbac, kind: 'Role', name: 'traefik' },
    subjects: [account],
  },
  {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'IngressClass',
    metadata: { name: 'traefik', labels, annotations: { 'ingressclass.kubernetes.io/is-default-class': 'true' } },
    spec: { controller: 'traefik.io/ingress-controller' },
  },
  {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'traefik', namespace, labels },
    spec: {
      type: 'LoadBalancer',
      ipFamilyPolicy: 'PreferDualStack',
      ports: [
        { name: 'web', port: 80, protocol: 'TCP', targetPort: 'web' },
        { name: 'websecure', port: 443, protocol: 'TCP', targetPort: 'websecure' },
      ],
    },
  },
] as KubeObject[];
