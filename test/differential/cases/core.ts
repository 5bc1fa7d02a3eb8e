import type { Case } from '../replay.js';
import { podCases } from './core-pods.js';

const at = (resource: string): string => `/api/v1/namespaces/default/${resource}`;
const named = (name: string, more: object = {}): { metadata: object } => ({ metadata: { name, ...more } });
const badMetadata = {
  labels: { 'a b': 'c d' },
  annotations: { 'a b': 'c' },
  finalizers: ['nowhere', 'a b/c'],
  ownerReferences: [{ apiVersion: '', kind: '', name: '', uid: '' }],
};

/** How objects go: at once, or when nothing holds them any more. */
const deletion: Case['steps'] = [
  { do: 'update', patch: { metadata: { finalizers: ['example.com/hold'] } } },
  { do: 'delete', query: '?propagationPolicy=Background' },
  { do: 'delete', query: '?propagationPolicy=Background' },
  { do: 'update', patch: { metadata: { finalizers: ['example.com/hold', 'example.com/more'] } } },
  { do: 'update', patch: { metadata: { finalizers: null } } },
  { do: 'get' },
];

export const coreCases: readonly Case[] = [
  ...podCases,
  {
    name: 'ConfigMap',
    at: at('configmaps'),
    steps: [
      { do: 'create', body: { ...named('wrong', badMetadata), data: { same: 'x' }, binaryData: { same: 'eA==' } } },
      { do: 'create', body: { ...named('right'), data: { a: 'b' }, binaryData: { c: 'eA==' } } },
      { do: 'update', patch: { metadata: { finalizers: ['nowhere'] } } },
      {
        do: 'update',
        patch: {
          metadata: { labels: { 'a b': 'c' }, ownerReferences: [{ apiVersion: 'v1', kind: 'Event', name: 'a', uid: 'b' }] },
        },
      },
      { do: 'update', patch: { data: { '..': 'x' } } },
      { do: 'update', patch: { immutable: true } },
      { do: 'update', patch: { immutable: false } },
      { do: 'update', patch: { data: { a: 'c' }, binaryData: null } },
      { do: 'update', patch: { metadata: { labels: { still: 'allowed' } } } },
      { do: 'table' },
      ...deletion,
    ],
  },
  {
    name: 'ConfigMaps deleted as a collection',
    at: at('configmaps'),
    steps: [
      { do: 'create', body: named('one', { labels: { all: 'gone' } }) },
      { do: 'create', body: named('two', { labels: { all: 'gone' } }) },
      { do: 'delete', at: `${at('configmaps')}?labelSelector=all%3Dgone&dryRun=All` },
      { do: 'delete', at: `${at('configmaps')}?labelSelector=all%3Dgone` },
      { do: 'delete', at: `${at('configmaps')}?labelSelector=all%3Dgone` },
    ],
  },
  {
    name: 'Secret',
    at: at('secrets'),
    steps: [
      { do: 'create', body: { ...named('wrong', badMetadata), type: 'kubernetes.io/tls', data: { 'tls.crt': 'eA==' } } },
      {
        do: 'create',
        body: { ...named('wrong'), type: 'kubernetes.io/dockerconfigjson', data: { '.dockerconfigjson': 'eA==' } },
      },
      { do: 'create', body: { ...named('wrong'), type: 'kubernetes.io/basic-auth' } },
      { do: 'create', body: { ...named('wrong'), type: 'kubernetes.io/ssh-auth', stringData: { 'ssh-privatekey': '' } } },
      { do: 'create', body: { ...named('wrong'), type: 'kubernetes.io/service-account-token' } },
      { do: 'create', body: { ...named('right'), stringData: { a: 'b' } } },
      { do: 'update', patch: { type: 'other' } },
      { do: 'update', patch: { type: '' } },
      { do: 'update', patch: { data: { 'a b': 'eA==' } } },
      { do: 'update', patch: { stringData: { b: 'c' } } },
      { do: 'update', patch: { immutable: true } },
      { do: 'update', patch: { immutable: null } },
      { do: 'update', patch: { data: { a: 'eA==' } } },
      { do: 'table' },
      ...deletion,
    ],
  },
  {
    name: 'ServiceAccount',
    at: at('serviceaccounts'),
    steps: [
      { do: 'create', body: { ...named('wrong', badMetadata), secrets: [{}], imagePullSecrets: [{}] } },
      { do: 'create', body: { ...named('right'), automountServiceAccountToken: false, imagePullSecrets: [{ name: 'a' }] } },
      { do: 'update', patch: { secrets: [{ name: 'b' }], automountServiceAccountToken: null } },
      { do: 'update', patch: { metadata: { finalizers: ['nowhere'] } } },
      { do: 'table' },
      ...deletion,
    ],
  },
  {
    name: 'Namespace',
    at: '/api/v1/namespaces',
    steps: [
      { do: 'create', body: { ...named('wrong', badMetadata), spec: { finalizers: ['nowhere', 'a b/c'] } } },
      { do: 'create', body: named('Wrong') },
      {
        do: 'create',
        body: { ...named('differential-right'), spec: { finalizers: ['example.com/own'] }, status: { phase: 'Terminating' } },
      },
      { do: 'update', patch: { spec: { finalizers: ['kubernetes'] }, status: { phase: 'Terminating' } } },
      { do: 'update', patch: { metadata: { labels: { 'kubernetes.io/metadata.name': 'other' } } } },
      { do: 'update', patch: { metadata: { finalizers: ['nowhere'] } } },
      {
        do: 'patch',
        sub: 'status',
        type: 'application/merge-patch+json',
        patch: {
          metadata: { annotations: { note: 'x' }, labels: { a: 'b' } },
          status: { conditions: [{ type: 'Patched', status: 'True' }] },
        },
      },
      { do: 'update', sub: 'status', patch: { status: { phase: 'Terminating' } } },
      { do: 'update', sub: 'status', patch: { status: { phase: 'Strange' } } },
      { do: 'update', sub: 'finalize', patch: { spec: { finalizers: ['nowhere', 'a b/c'] } } },
      { do: 'update', sub: 'finalize', patch: { spec: { finalizers: ['example.com/own', 'kubernetes'] } } },
      { do: 'table' },
      { do: 'delete', at: '/api/v1/namespaces' },
      { do: 'update', sub: 'finalize', patch: { spec: { finalizers: ['kubernetes'] } } },
      { do: 'delete' },
    ],
  },
  {
    name: 'Node',
    at: '/api/v1/nodes',
    steps: [
      {
        do: 'create',
        body: {
          ...named('wrong', badMetadata),
          spec: {
            podCIDRs: ['10.0.0.0/24', '10.0.1.0/24', 'x'],
            taints: [
              { key: 'a b', effect: 'x' },
              { key: 'c', effect: 'NoSchedule' },
              { key: 'c', effect: 'NoSchedule' },
            ],
          },
        },
      },
      { do: 'create', body: { ...named('right'), spec: { podCIDR: '10.0.0.0/24', providerID: 'a' } } },
      { do: 'update', patch: { spec: { podCIDR: '10.0.1.0/24', podCIDRs: ['10.0.1.0/24'] } } },
      { do: 'update', patch: { spec: { providerID: 'b' } } },
      { do: 'update', patch: { spec: { unschedulable: true, taints: [{ key: 'a', value: 'b', effect: 'NoExecute' }] } } },
      { do: 'update', patch: { spec: { taints: [{ key: 'a', value: 'b c', effect: 'Sometimes' }] } } },
      {
        do: 'update',
        sub: 'status',
        patch: {
          status: {
            capacity: { cpu: '-1', memory: '1Gi' },
            addresses: [
              { type: 'InternalIP', address: '192.0.2.1' },
              { type: 'InternalIP', address: '192.0.2.1' },
            ],
          },
        },
      },
      { do: 'update', sub: 'status', patch: { status: { capacity: { cpu: '1', memory: '1Gi' } } } },
      { do: 'table' },
      ...deletion,
    ],
  },
  {
    name: 'PersistentVolume',
    at: '/api/v1/persistentvolumes',
    steps: [
      { do: 'create', body: { ...named('wrong', badMetadata), spec: { persistentVolumeReclaimPolicy: 'x', volumeMode: 'y' } } },
      {
        do: 'create',
        body: {
          ...named('right'),
          spec: {
            capacity: { storage: '1Gi' },
            accessModes: ['ReadWriteOnce'],
            hostPath: { path: '/tmp/a' },
            storageClassName: 's',
          },
        },
      },
      { do: 'update', patch: { spec: { hostPath: { path: '/tmp/b' } } } },
      { do: 'update', patch: { spec: { volumeMode: 'Block', capacity: { storage: '0' } } } },
      { do: 'update', patch: { spec: { capacity: { storage: '2Gi' }, persistentVolumeReclaimPolicy: 'Delete' } } },
      {
        do: 'update',
        patch: {
          spec: {
            nodeAffinity: {
              required: { nodeSelectorTerms: [{ matchExpressions: [{ key: 'a', operator: 'In', values: ['b'] }] }] },
            },
          },
        },
      },
      {
        do: 'update',
        patch: {
          spec: {
            nodeAffinity: {
              required: { nodeSelectorTerms: [{ matchExpressions: [{ key: 'a', operator: 'In', values: ['c'] }] }] },
            },
          },
        },
      },
      { do: 'update', sub: 'status', patch: { status: { phase: 'Released', message: 'm', reason: 'r' } } },
      { do: 'update', patch: { metadata: { finalizers: null } } },
      { do: 'delete' },
    ],
  },
  {
    name: 'PersistentVolumeClaim',
    at: at('persistentvolumeclaims'),
    steps: [
      {
        do: 'create',
        body: {
          ...named('wrong', badMetadata),
          spec: { accessModes: ['x'], volumeMode: 'y', resources: { requests: { storage: '-1' } } },
        },
      },
      {
        do: 'create',
        body: {
          ...named('right'),
          spec: { accessModes: ['ReadWriteOnce'], storageClassName: 's', resources: { requests: { storage: '1Gi' } } },
        },
      },
      { do: 'update', patch: { spec: { accessModes: ['ReadOnlyMany'] } } },
      { do: 'update', patch: { spec: { resources: { requests: { storage: '2Gi' } } } } },
      { do: 'update', patch: { spec: { storageClassName: 't' } } },
      { do: 'update', patch: { spec: { volumeName: 'v' } } },
      { do: 'update', patch: { spec: { volumeName: 'w' } } },
      {
        do: 'update',
        sub: 'status',
        patch: { status: { phase: 'Bound', capacity: { storage: '1Gi' }, accessModes: ['ReadWriteOnce'] } },
      },
      { do: 'update', sub: 'status', patch: { status: { capacity: { storage: '-1Gi' } } } },
      { do: 'table' },
      { do: 'update', patch: { metadata: { finalizers: null } } },
      { do: 'delete' },
    ],
  },
  {
    name: 'Service',
    at: at('services'),
    steps: [
      {
        do: 'create',
        body: {
          ...named('Wrong', badMetadata),
          spec: { type: 'x', ports: [{ port: 0 }, { port: 70000, protocol: 'x' }], sessionAffinity: 'y' },
        },
      },
      { do: 'create', body: { ...named('headless'), spec: { clusterIP: 'None', selector: { a: 'b' }, ports: [{ port: 80 }] } } },
      { do: 'update', patch: { spec: { clusterIP: '10.43.7.7', clusterIPs: ['10.43.7.7'] } } },
      {
        do: 'update',
        patch: {
          spec: {
            selector: { 'a b': 'c' },
            ports: [
              { port: 80, name: 'a' },
              { port: 81, name: 'a' },
            ],
          },
        },
      },
      {
        do: 'update',
        patch: { spec: { sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 100000 } } } },
      },
      { do: 'update', patch: { spec: { publishNotReadyAddresses: true, ports: [{ port: 81, targetPort: 'web' }] } } },
      { do: 'update', patch: { spec: { externalName: 'x y', type: 'ExternalName', clusterIP: null, clusterIPs: null } } },
      { do: 'update', patch: { spec: { externalTrafficPolicy: 'Local' } } },
      { do: 'update', sub: 'status', patch: { status: { loadBalancer: { ingress: [{ ip: 'x' }] } } } },
      { do: 'table' },
      ...deletion,
    ],
  },
  {
    name: 'Endpoints',
    at: at('endpoints'),
    steps: [
      {
        do: 'create',
        body: {
          ...named('wrong', badMetadata),
          subsets: [{ addresses: [{ ip: '127.0.0.1' }, { ip: 'x' }], ports: [{ port: 0, name: 'A' }, { port: 1 }] }],
        },
      },
      { do: 'create', body: { ...named('right'), subsets: [{ addresses: [{ ip: '192.0.2.1' }], ports: [{ port: 80 }] }] } },
      { do: 'update', patch: { subsets: [{ addresses: [{ ip: '169.254.0.1' }] }] } },
      {
        do: 'update',
        patch: { subsets: [{ notReadyAddresses: [{ ip: '192.0.2.2', hostname: 'A b' }], ports: [{ port: 80 }] }] },
      },
      {
        do: 'update',
        patch: { subsets: [{ notReadyAddresses: [{ ip: '192.0.2.2' }], ports: [{ port: 81, protocol: 'UDP' }] }] },
      },
      { do: 'table' },
      ...deletion,
    ],
  },
  {
    name: 'ReplicationController',
    at: at('replicationcontrollers'),
    steps: [
      { do: 'create', body: { ...named('wrong', badMetadata), spec: { replicas: -1, selector: { a: 'b' } } } },
      {
        do: 'create',
        body: {
          ...named('right'),
          spec: {
            replicas: 0,
            template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'i' }] } },
          },
        },
      },
      { do: 'update', patch: { spec: { replicas: -1, selector: { a: 'c' } } } },
      { do: 'update', patch: { spec: { replicas: 0, minReadySeconds: 3 } } },
      { do: 'update', patch: { spec: { template: { spec: { restartPolicy: 'Never', containers: [] } } } } },
      { do: 'update', sub: 'status', patch: { status: { replicas: -1, readyReplicas: 2 } } },
      { do: 'update', sub: 'status', patch: { status: { replicas: 2, readyReplicas: 1, availableReplicas: 1 } } },
      { do: 'table' },
      ...deletion,
    ],
  },
  {
    name: 'LimitRange',
    at: at('limitranges'),
    steps: [
      {
        do: 'create',
        body: {
          ...named('wrong', badMetadata),
          spec: {
            limits: [
              { type: 'Container', max: { cpu: '1' }, min: { cpu: '2' }, default: { cpu: '3' } },
              { type: 'Container' },
              { type: 'Pod', default: { cpu: '1' } },
            ],
          },
        },
      },
      {
        do: 'create',
        body: { ...named('right'), spec: { limits: [{ type: 'PersistentVolumeClaim', max: { storage: '9Gi' } }] } },
      },
      { do: 'update', patch: { spec: { limits: [{ type: 'PersistentVolumeClaim' }] } } },
      {
        do: 'update',
        patch: {
          spec: {
            limits: [{ type: 'PersistentVolumeClaim', max: { storage: '8Gi' }, maxLimitRequestRatio: { storage: '0.5' } }],
          },
        },
      },
      { do: 'update', patch: { spec: { limits: [{ type: 'PersistentVolumeClaim', max: { storage: '7Gi' } }] } } },
      { do: 'table' },
      ...deletion,
    ],
  },
  {
    name: 'ResourceQuota',
    at: at('resourcequotas'),
    steps: [
      {
        do: 'create',
        body: {
          ...named('wrong', badMetadata),
          spec: { hard: { unknown: '-1' }, scopes: ['BestEffort', 'NotBestEffort', 'x'] },
        },
      },
      { do: 'create', body: { ...named('right'), spec: { hard: { 'count/things.example.com': '10' } } } },
      { do: 'update', patch: { spec: { hard: { pods: '1.5' } } } },
      { do: 'update', patch: { spec: { scopes: ['BestEffort'] } } },
      { do: 'update', patch: { spec: { hard: { 'count/others.example.com': '3' } } } },
      { do: 'update', sub: 'status', patch: { status: { hard: { pods: '-3' }, used: { 'a b': '1' } } } },
      {
        do: 'update',
        sub: 'status',
        patch: { status: { hard: { 'count/things.example.com': '10' }, used: { 'count/things.example.com': '1' } } },
      },
      { do: 'table' },
      ...deletion,
    ],
  },
  {
    name: 'PodTemplate',
    at: at('podtemplates'),
    steps: [
      { do: 'create', body: { ...named('wrong', badMetadata), template: { spec: { restartPolicy: 'x' } } } },
      {
        do: 'create',
        body: {
          ...named('right'),
          template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'i' }] } },
        },
      },
      { do: 'update', patch: { template: { spec: { containers: [{ name: 'C d' }] } } } },
      { do: 'update', patch: { template: { spec: { restartPolicy: 'Never' } } } },
      { do: 'table' },
      ...deletion,
    ],
  },
];
