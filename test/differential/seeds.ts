import { resourceData } from '../../core/api/schema-data.js';
import { formatApiVersion } from '../../core/machinery/object.js';
import { cases } from './cases/index.js';
import { deviceSeeds } from './device-seeds.js';
import { groupSeeds } from './group-seeds.js';

/** An object to make mutations of. */
export interface Seed {
  readonly kind: string;
  /** Its collection. */
  readonly at: string;
  readonly body: object;
  /** Put at its status endpoint, where it has one. */
  readonly status?: object;
  /** Both servers write into it by themselves: it is as it stays when it shows this. */
  readonly settled?: string;
}

const metadata = (name: string): object => ({
  name,
  labels: { app: 'web' },
  annotations: { note: 'x' },
  finalizers: ['example.com/kept'],
});

/** A pod with something in most of its corners. */
const podSpec = {
  terminationGracePeriodSeconds: 5,
  nodeSelector: { disk: 'fast' },
  securityContext: { runAsUser: 1000, fsGroup: 2000, supplementalGroups: [1], seccompProfile: { type: 'RuntimeDefault' } },
  tolerations: [{ key: 'a', operator: 'Equal', value: 'b', effect: 'NoExecute', tolerationSeconds: 5 }],
  hostAliases: [{ ip: '192.0.2.1', hostnames: ['a.example'] }],
  dnsConfig: { nameservers: ['192.0.2.53'], searches: ['example.com'], options: [{ name: 'ndots', value: '2' }] },
  topologySpreadConstraints: [
    { maxSkew: 1, topologyKey: 'zone', whenUnsatisfiable: 'DoNotSchedule', labelSelector: { matchLabels: { app: 'web' } } },
  ],
  affinity: {
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: [{ matchExpressions: [{ key: 'arch', operator: 'In', values: ['amd64'] }] }],
      },
      preferredDuringSchedulingIgnoredDuringExecution: [
        { weight: 1, preference: { matchExpressions: [{ key: 'size', operator: 'Gt', values: ['1'] }] } },
      ],
    },
    podAntiAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: [
        { topologyKey: 'host', labelSelector: { matchLabels: { app: 'web' } }, namespaces: ['default'] },
      ],
    },
  },
  resourceClaims: [
    { name: 'gpu', resourceClaimName: 'card' },
    { name: 'nic', resourceClaimTemplateName: 'fast' },
  ],
  volumes: [
    { name: 'scratch', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } },
    { name: 'map', configMap: { name: 'm', defaultMode: 420, items: [{ key: 'k', path: 'p', mode: 256 }] } },
    {
      name: 'all',
      projected: {
        sources: [{ serviceAccountToken: { path: 't', expirationSeconds: 3600, audience: 'a' } }, { secret: { name: 's' } }],
      },
    },
    { name: 'host', hostPath: { path: '/tmp', type: 'Directory' } },
    { name: 'down', downwardAPI: { items: [{ path: 'l', fieldRef: { fieldPath: 'metadata.labels' } }] } },
  ],
  initContainers: [{ name: 'first', image: 'busybox', command: ['true'] }],
  containers: [
    {
      name: 'web',
      image: 'nginx',
      ports: [{ name: 'http', containerPort: 80, hostPort: 8080, protocol: 'TCP' }],
      env: [
        { name: 'A', value: 'b' },
        { name: 'IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
        { name: 'CPU', valueFrom: { resourceFieldRef: { resource: 'limits.cpu', divisor: '1m' } } },
      ],
      envFrom: [{ prefix: 'P_', configMapRef: { name: 'm' } }],
      resources: {
        requests: { cpu: '100m', memory: '10Mi' },
        limits: { cpu: '1', memory: '20Mi' },
        claims: [{ name: 'gpu', request: 'one' }, { name: 'nic' }],
      },
      volumeMounts: [{ name: 'scratch', mountPath: '/scratch', subPath: 'a', readOnly: true }],
      livenessProbe: { httpGet: { path: '/', port: 'http' }, periodSeconds: 5, timeoutSeconds: 1 },
      readinessProbe: { exec: { command: ['true'] }, failureThreshold: 2 },
      startupProbe: { tcpSocket: { port: 80 } },
      lifecycle: { preStop: { sleep: { seconds: 1 } }, postStart: { exec: { command: ['true'] } } },
      securityContext: { capabilities: { add: ['NET_ADMIN'], drop: ['ALL'] }, allowPrivilegeEscalation: false },
    },
  ],
};

const own: readonly Seed[] = [
  {
    kind: 'Pod',
    at: '/api/v1/namespaces/default/pods',
    body: { apiVersion: 'v1', kind: 'Pod', metadata: metadata('seed'), spec: podSpec },
  },
  {
    kind: 'Service',
    at: '/api/v1/namespaces/default/services',
    body: {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: metadata('seed'),
      spec: {
        type: 'LoadBalancer',
        selector: { app: 'web' },
        ports: [
          { name: 'http', port: 80, targetPort: 'http', protocol: 'TCP', appProtocol: 'http' },
          { name: 'dns', port: 53, targetPort: 53, protocol: 'UDP' },
        ],
        sessionAffinity: 'ClientIP',
        sessionAffinityConfig: { clientIP: { timeoutSeconds: 60 } },
        externalTrafficPolicy: 'Local',
        loadBalancerSourceRanges: ['192.0.2.0/24'],
        externalIPs: ['192.0.2.7'],
      },
    },
  },
  {
    kind: 'ConfigMap',
    at: '/api/v1/namespaces/default/configmaps',
    body: { apiVersion: 'v1', kind: 'ConfigMap', metadata: metadata('seed'), data: { a: 'b' }, binaryData: { c: 'YQ==' } },
  },
  {
    kind: 'Secret',
    at: '/api/v1/namespaces/default/secrets',
    body: {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: metadata('seed'),
      type: 'Opaque',
      data: { a: 'YQ==' },
      stringData: { b: 'c' },
    },
  },
  {
    kind: 'ServiceAccount',
    at: '/api/v1/namespaces/default/serviceaccounts',
    body: {
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: metadata('seed'),
      secrets: [{ name: 's' }],
      imagePullSecrets: [{ name: 'p' }],
    },
  },
  {
    kind: 'Namespace',
    at: '/api/v1/namespaces',
    body: { apiVersion: 'v1', kind: 'Namespace', metadata: metadata('seed'), spec: { finalizers: ['kubernetes'] } },
  },
  {
    kind: 'Node',
    at: '/api/v1/nodes',
    body: {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: metadata('seed'),
      spec: {
        podCIDR: '10.9.0.0/24',
        podCIDRs: ['10.9.0.0/24'],
        taints: [{ key: 'a', value: 'b', effect: 'NoSchedule' }],
        providerID: 'x://y',
      },
    },
  },
  {
    kind: 'PersistentVolume',
    at: '/api/v1/persistentvolumes',
    body: {
      apiVersion: 'v1',
      kind: 'PersistentVolume',
      metadata: metadata('seed'),
      spec: {
        capacity: { storage: '1Gi' },
        accessModes: ['ReadWriteOnce'],
        persistentVolumeReclaimPolicy: 'Retain',
        storageClassName: 'x',
        mountOptions: ['ro'],
        hostPath: { path: '/x', type: '' },
        claimRef: { name: 'c', namespace: 'default' },
        nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions: [{ key: 'a', operator: 'Exists' }] }] } },
      },
    },
  },
  {
    kind: 'PersistentVolumeClaim',
    at: '/api/v1/namespaces/default/persistentvolumeclaims',
    body: {
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: metadata('seed'),
      spec: {
        accessModes: ['ReadWriteOnce'],
        resources: { requests: { storage: '1Gi' }, limits: { storage: '2Gi' } },
        storageClassName: 'x',
        volumeMode: 'Filesystem',
        selector: { matchLabels: { a: 'b' } },
      },
    },
  },
  {
    kind: 'ReplicationController',
    at: '/api/v1/namespaces/default/replicationcontrollers',
    body: {
      apiVersion: 'v1',
      kind: 'ReplicationController',
      metadata: metadata('seed'),
      spec: {
        replicas: 1,
        selector: { app: 'web' },
        template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'web', image: 'nginx' }] } },
      },
    },
  },
  {
    kind: 'LimitRange',
    at: '/api/v1/namespaces/default/limitranges',
    body: {
      apiVersion: 'v1',
      kind: 'LimitRange',
      metadata: metadata('seed'),
      spec: {
        limits: [
          {
            type: 'Container',
            max: { cpu: '2' },
            min: { cpu: '1m' },
            default: { cpu: '1' },
            defaultRequest: { cpu: '1' },
            maxLimitRequestRatio: { cpu: '3' },
          },
        ],
      },
    },
  },
  {
    kind: 'ResourceQuota',
    at: '/api/v1/namespaces/default/resourcequotas',
    body: {
      apiVersion: 'v1',
      kind: 'ResourceQuota',
      metadata: metadata('seed'),
      spec: {
        hard: { pods: '1' },
        scopeSelector: { matchExpressions: [{ scopeName: 'PriorityClass', operator: 'In', values: ['a'] }] },
      },
    },
  },
  {
    kind: 'Endpoints',
    at: '/api/v1/namespaces/default/endpoints',
    body: {
      apiVersion: 'v1',
      kind: 'Endpoints',
      metadata: metadata('seed'),
      subsets: [
        {
          addresses: [{ ip: '192.0.2.9', hostname: 'a', targetRef: { kind: 'Pod', name: 'p', namespace: 'default' } }],
          ports: [{ name: 'http', port: 80, protocol: 'TCP' }],
        },
      ],
    },
  },
];

/** Our own seeds, and the first object that a case of each other kind creates. `at` gives the kind. */
export function seeds(kindAt: (at: string) => { apiVersion: string; kind: string } | undefined): Seed[] {
  // A kind may have a seed in each of its versions.
  const found = [...own, ...groupSeeds, ...deviceSeeds];
  const kinds = new Set(found.map(({ kind }) => kind));
  for (const one of Object.values(cases).flat()) {
    const step = one.steps.find(each => each.do === 'create' && each.as === undefined);
    if (step?.do !== 'create') continue;
    const at = step.at ?? one.at;
    const type = kindAt(at);
    if (!type || kinds.has(type.kind)) continue;
    kinds.add(type.kind);
    found.push({ kind: type.kind, at, body: { ...type, ...step.body } });
  }
  return found;
}

/** The kinds of all seeds, by the tables of the API. */
export function knownKinds(): string[] {
  return seeds(at => {
    const [, root, ...parts] = at.replace(/\/namespaces\/[^/]+(?=\/)/, '').split('/');
    const [group, version, resource] = root === 'api' ? ['', ...parts] : parts;
    const data = resourceData(group ?? '', version ?? '', resource ?? '');
    return data && { apiVersion: formatApiVersion({ group: group ?? '', version: version ?? '' }), kind: data.kind };
  }).map(({ kind }) => kind);
}
