import type { Case, Step } from '../replay.js';

const named = { metadata: { name: 'messages' } };
const inDefault = (group: string, resource: string): string => `${group}/namespaces/default/${resource}`;
/** A label's value, an owner without anything, a finalizer without a domain: what kinds check as often as their code has it. */
const wrongMetadata = { labels: { a: 'A b!' }, ownerReferences: [{}], finalizers: ['bare'] };

interface Stored {
  readonly at: string;
  readonly body: object;
  /** Put together with metadata that is wrong: what the kind itself checks stands before, between or behind. */
  readonly wrong: object;
  readonly sub?: string;
}

function wrongUpdate(name: string, { at, body, wrong, sub }: Stored): Case {
  const patch = { ...wrong, metadata: wrongMetadata };
  const steps: Step[] = [
    { do: 'create', body: { ...named, ...body } },
    { do: 'update', patch, ...(sub === undefined ? {} : { sub }) },
  ];
  return { name, at, ordered: true, steps };
}

const template = { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'web', image: 'nginx' }] } };
const selector = { matchLabels: { app: 'web' } };

export const messageCases: readonly Case[] = [
  wrongUpdate('ConfigMap', {
    at: inDefault('/api/v1', 'configmaps'),
    body: { immutable: true, data: { a: 'b' } },
    wrong: { data: { 'a b': 'c' } },
  }),
  wrongUpdate('Secret', {
    at: inDefault('/api/v1', 'secrets'),
    body: { data: { a: 'YQ==' } },
    wrong: { type: 'kubernetes.io/tls' },
  }),
  wrongUpdate('ServiceAccount', { at: inDefault('/api/v1', 'serviceaccounts'), body: {}, wrong: {} }),
  wrongUpdate('LimitRange', {
    at: inDefault('/api/v1', 'limitranges'),
    body: { spec: { limits: [{ type: 'Container' }] } },
    wrong: { spec: { limits: [{ type: 'A b' }] } },
  }),
  wrongUpdate('Endpoints', {
    at: inDefault('/api/v1', 'endpoints'),
    body: {},
    wrong: { subsets: [{}] },
  }),
  wrongUpdate('Namespace', { at: '/api/v1/namespaces', body: {}, wrong: {} }),
  wrongUpdate('Node', {
    at: '/api/v1/nodes',
    body: { spec: { providerID: 'a://b' } },
    wrong: {
      spec: {
        providerID: 'c://d',
        taints: [
          { key: 'a', effect: 'NoSchedule' },
          { key: 'a', effect: 'NoSchedule', value: 'b' },
        ],
      },
    },
  }),
  wrongUpdate('PersistentVolume', {
    at: '/api/v1/persistentvolumes',
    body: { spec: { capacity: { storage: '1Gi' }, accessModes: ['ReadWriteOnce'], hostPath: { path: '/a' } } },
    wrong: { spec: { accessModes: ['A b'], hostPath: { path: '/b' } } },
  }),
  wrongUpdate('PersistentVolumeClaim', {
    at: inDefault('/api/v1', 'persistentvolumeclaims'),
    body: { spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } } },
    wrong: { spec: { accessModes: ['A b'], selector: { matchLabels: { a: 'b' } } } },
  }),
  wrongUpdate('ReplicationController', {
    at: inDefault('/api/v1', 'replicationcontrollers'),
    body: { spec: { replicas: 0, template } },
    wrong: { spec: { replicas: -1 } },
  }),
  wrongUpdate('Service', {
    at: inDefault('/api/v1', 'services'),
    body: { spec: { clusterIP: 'None', ports: [{ name: 'a', port: 80 }] } },
    wrong: {
      spec: {
        clusterIP: '192.0.2.1',
        ports: [
          { name: 'a', port: 80 },
          { name: 'b', port: 80 },
        ],
      },
    },
  }),
  wrongUpdate('Event', {
    at: inDefault('/api/v1', 'events'),
    body: { involvedObject: { kind: 'Pod', name: 'p', namespace: 'default' }, reason: 'a', type: 'Normal' },
    wrong: { involvedObject: { namespace: 'other' } },
  }),
  wrongUpdate('Event of its own group', {
    at: inDefault('/apis/events.k8s.io/v1', 'events'),
    body: {
      eventTime: '2020-01-02T03:04:05.000000Z',
      reportingController: 'example.com/c',
      reportingInstance: 'i',
      action: 'act',
      reason: 'a',
      type: 'Normal',
      regarding: { kind: 'Pod', name: 'p', namespace: 'default' },
    },
    wrong: { regarding: { name: 'q' }, reason: 'b', action: '' },
  }),
  wrongUpdate('ControllerRevision', {
    at: inDefault('/apis/apps/v1', 'controllerrevisions'),
    body: { revision: 1, data: { z: 1, a: '<2>' } },
    wrong: { revision: -1, data: { y: 1, b: '<2>' } },
  }),
  wrongUpdate('Deployment', {
    at: inDefault('/apis/apps/v1', 'deployments'),
    body: { spec: { replicas: 0, selector, template } },
    wrong: { spec: { selector: { matchLabels: { app: 'other' } }, strategy: { type: 'Sideways' } } },
  }),
  wrongUpdate('StatefulSet status', {
    at: inDefault('/apis/apps/v1', 'statefulsets'),
    body: { spec: { replicas: 0, selector, template } },
    wrong: { status: { replicas: -1 } },
    sub: 'status',
  }),
  wrongUpdate('Job', {
    at: inDefault('/apis/batch/v1', 'jobs'),
    body: { spec: { completions: 1, template: { spec: { ...template.spec, restartPolicy: 'Never' } } } },
    wrong: { spec: { completions: 2, parallelism: -1, template: { spec: { hostNetwork: true, nodeSelector: { a: 'b' } } } } },
  }),
  wrongUpdate('CronJob status', {
    at: inDefault('/apis/batch/v1', 'cronjobs'),
    body: {
      spec: {
        schedule: '0 0 * * *',
        jobTemplate: { spec: { template: { spec: { ...template.spec, restartPolicy: 'Never' } } } },
      },
    },
    wrong: {},
    sub: 'status',
  }),
  wrongUpdate('EndpointSlice', {
    at: inDefault('/apis/discovery.k8s.io/v1', 'endpointslices'),
    body: { addressType: 'IPv4' },
    wrong: { addressType: 'IPv6', ports: [{ name: 'A b' }] },
  }),
  wrongUpdate('Ingress', {
    at: inDefault('/apis/networking.k8s.io/v1', 'ingresses'),
    body: { spec: { defaultBackend: { service: { name: 'a', port: { number: 80 } } } } },
    wrong: { spec: { defaultBackend: null, rules: [] } },
  }),
  wrongUpdate('IngressClass', {
    at: '/apis/networking.k8s.io/v1/ingressclasses',
    body: { spec: { controller: 'example.com/a' } },
    wrong: { spec: { controller: 'b' } },
  }),
  wrongUpdate('NetworkPolicy', {
    at: inDefault('/apis/networking.k8s.io/v1', 'networkpolicies'),
    body: { spec: { podSelector: {} } },
    wrong: { spec: { policyTypes: ['Sideways'] } },
  }),
  wrongUpdate('PodDisruptionBudget', {
    at: inDefault('/apis/policy/v1', 'poddisruptionbudgets'),
    body: { spec: { minAvailable: 1, selector } },
    wrong: { spec: { maxUnavailable: 1 } },
  }),
  wrongUpdate('Role', {
    at: inDefault('/apis/rbac.authorization.k8s.io/v1', 'roles'),
    body: {},
    wrong: { rules: [{ verbs: ['get'], apiGroups: [''], resources: ['pods'], nonResourceURLs: ['/a'] }] },
  }),
  wrongUpdate('RoleBinding', {
    at: inDefault('/apis/rbac.authorization.k8s.io/v1', 'rolebindings'),
    body: { roleRef: { kind: 'ClusterRole', name: 'view' } },
    wrong: { roleRef: { kind: 'Sideways', name: 'edit' } },
  }),
  wrongUpdate('RuntimeClass', {
    at: '/apis/node.k8s.io/v1/runtimeclasses',
    body: { handler: 'a' },
    wrong: {
      handler: 'A b',
      scheduling: {
        tolerations: [
          { key: 'a', operator: 'Exists' },
          { key: 'a', operator: 'Exists' },
        ],
      },
    },
  }),
  wrongUpdate('StorageClass', {
    at: '/apis/storage.k8s.io/v1/storageclasses',
    body: { provisioner: 'example.com/a' },
    wrong: { provisioner: 'A b', reclaimPolicy: 'Sideways' },
  }),
  wrongUpdate('CSINode', {
    at: '/apis/storage.k8s.io/v1/csinodes',
    body: { spec: { drivers: [{ name: 'a.example', nodeID: 'a', topologyKeys: null }] } },
    wrong: { spec: { drivers: [{ name: 'a.example', nodeID: 'b', topologyKeys: ['A b'] }] } },
  }),
  wrongUpdate('CSIStorageCapacity', {
    at: inDefault('/apis/storage.k8s.io/v1', 'csistoragecapacities'),
    body: { storageClassName: 'a' },
    wrong: { storageClassName: 'A b', nodeTopology: { matchLabels: { a: 'b' } } },
  }),
  wrongUpdate('VolumeAttributesClass', {
    at: '/apis/storage.k8s.io/v1/volumeattributesclasses',
    body: { driverName: 'a.example', parameters: { a: 'b' } },
    wrong: { driverName: 'A b' },
  }),
  {
    name: 'Values of other types than Go has',
    at: inDefault('/api/v1', 'pods'),
    ordered: true,
    steps: [
      { do: 'create', body: { ...named, spec: { restartPolicy: 1 } } },
      { do: 'create', body: { ...named, spec: { containers: [{ ports: [{ protocol: [] }] }] } } },
      { do: 'create', body: { ...named, spec: { containers: [{ resources: { limits: 'x' } }] } } },
      { do: 'create', body: { ...named, spec: { containers: [{ securityContext: { capabilities: { add: [1] } } }] } } },
      { do: 'create', body: { metadata: { ownerReferences: [{ uid: 1 }] } } },
      { do: 'create', body: { ...named, spec: { hostname: 1 } } },
    ],
  },
  {
    name: 'Patches that do not fit',
    at: inDefault('/api/v1', 'configmaps'),
    ordered: true,
    steps: [
      { do: 'create', body: { ...named, data: { z: '<1>', a: '2' } } },
      { do: 'patch', type: 'application/json-patch+json', patch: [{ op: 'replace', path: '/data/a', value: { z: 1, a: 2 } }] },
      { do: 'patch', type: 'application/merge-patch+json', patch: { immutable: { z: 1, a: { y: 2, b: null } } } },
      { do: 'patch', type: 'application/strategic-merge-patch+json', patch: { data: { a: [] } } },
    ],
  },
];
