import type { Case } from '../replay.js';

const at = (resource: string): string => `/apis/apps/v1/namespaces/default/${resource}`;
const named = (name: string): { metadata: object } => ({ metadata: { name } });
const labels = { app: 'web' };
const selector = { matchLabels: labels };
const template = { metadata: { labels }, spec: { containers: [{ name: 'web', image: 'nginx' }] } };
const two = {
  metadata: { labels },
  spec: {
    nodeSelector: { disk: 'fast', arch: 'any' },
    containers: [
      { name: 'web', image: 'nginx:1', ports: [{ containerPort: 80 }] },
      { name: 'log', image: 'fluent', env: [{ name: 'A', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }] },
    ],
  },
};
const wrongStatus = {
  observedGeneration: -1,
  replicas: 2,
  readyReplicas: 3,
  availableReplicas: 4,
};
const goodStatus = { observedGeneration: 1, replicas: 2, readyReplicas: 1, availableReplicas: 1 };

/** What the kinds with `scale` answer there. */
const scaling: Case['steps'] = [
  { do: 'get', sub: 'scale' },
  { do: 'get', sub: 'scale', accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' },
  { do: 'get', sub: 'scale', accept: 'application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io' },
  { do: 'update', sub: 'scale', patch: { spec: { replicas: 3 } } },
  { do: 'get' },
  { do: 'update', sub: 'scale', patch: { spec: { replicas: -3 } } },
  { do: 'update', sub: 'scale', patch: { metadata: { resourceVersion: '1' }, spec: { replicas: 4 } } },
  {
    do: 'patch',
    sub: 'scale',
    type: 'application/apply-patch+yaml',
    patch: { apiVersion: 'autoscaling/v1', kind: 'Scale', spec: { replicas: 6 } },
  },
  { do: 'patch', sub: 'scale', type: 'application/merge-patch+json', patch: { spec: { replicas: 0 } } },
  { do: 'get', sub: 'scale' },
  { do: 'get' },
];

/** Selectors that no such kind takes. */
function selectorSteps(more: object = {}): Case['steps'] {
  return [
    { do: 'create', body: { ...named('no-selector'), spec: { template, ...more } } },
    { do: 'create', body: { ...named('empty-selector'), spec: { template, selector: {}, ...more } } },
    { do: 'create', body: { ...named('wrong-labels'), spec: { template, selector: { matchLabels: { app: 'x' } }, ...more } } },
    { do: 'create', body: { ...named('no-labels'), spec: { template: { spec: template.spec }, selector, ...more } } },
    {
      do: 'create',
      body: {
        ...named('bad-selector'),
        spec: { template, selector: { matchExpressions: [{ key: 'a', operator: 'Near', values: ['b'] }] }, ...more },
      },
    },
    { do: 'create', body: { ...named('bad-value'), spec: { template, selector: { matchLabels: { app: 'a b' } }, ...more } } },
    { do: 'create', body: { ...named('no-template'), spec: { selector, ...more } } },
    {
      do: 'create',
      body: {
        ...named('short-lived'),
        spec: {
          selector,
          ...more,
          template: { ...template, spec: { ...template.spec, restartPolicy: 'Never', activeDeadlineSeconds: 5 } },
        },
      },
    },
    {
      do: 'create',
      body: {
        ...named('no-image'),
        spec: { selector, ...more, template: { metadata: { labels }, spec: { containers: [{ name: 'A_b' }] } } },
      },
    },
  ];
}

export const appsCases: readonly Case[] = [
  {
    name: 'Deployment: defaults, updates, table',
    at: at('deployments'),
    steps: [
      { do: 'create', body: { ...named('web'), spec: { selector, template, status: { replicas: 9 } } } },
      { do: 'update', patch: { spec: { template: two, paused: true } } },
      { do: 'update', patch: { metadata: { annotations: { a: 'b' } } } },
      { do: 'update', patch: { metadata: { labels: { a: 'b' } } } },
      { do: 'update', patch: { spec: { selector: { matchLabels: { app: 'other' } } } } },
      { do: 'table' },
      { do: 'update', sub: 'status', patch: { metadata: { labels: { c: 'd' }, annotations: { e: 'f' } }, status: goodStatus } },
      {
        do: 'update',
        sub: 'status',
        patch: { status: { ...wrongStatus, updatedReplicas: 3, unavailableReplicas: -1, collisionCount: -1 } },
      },
      { do: 'update', sub: 'status', patch: { status: { collisionCount: 2 } } },
      { do: 'update', sub: 'status', patch: { status: { collisionCount: 1 } } },
      { do: 'update', sub: 'status', patch: { status: { collisionCount: null } } },
      { do: 'table' },
    ],
  },
  { name: 'Deployment: selectors and templates', at: at('deployments'), steps: selectorSteps() },
  {
    name: 'Deployment: scale',
    at: at('deployments'),
    steps: [{ do: 'create', body: { ...named('web'), spec: { selector, template } } }, ...scaling],
  },
  {
    name: 'Deployment: numbers and strategies',
    at: at('deployments'),
    steps: [
      {
        do: 'create',
        body: {
          ...named('numbers'),
          spec: {
            selector,
            template,
            replicas: -1,
            minReadySeconds: -1,
            revisionHistoryLimit: -1,
            progressDeadlineSeconds: -2,
            strategy: { type: 'Recreate', rollingUpdate: { maxSurge: 1 } },
          },
        },
      },
      {
        do: 'create',
        body: {
          ...named('zero'),
          spec: { selector, template, strategy: { rollingUpdate: { maxSurge: 0, maxUnavailable: '0%' } } },
        },
      },
      {
        do: 'create',
        body: {
          ...named('odd'),
          spec: { selector, template, strategy: { rollingUpdate: { maxSurge: 'x', maxUnavailable: '101%' } } },
        },
      },
      { do: 'create', body: { ...named('other'), spec: { selector, template, strategy: { type: 'Other' } } } },
      {
        do: 'create',
        body: { ...named('other'), spec: { selector, template, strategy: { type: 'Other', rollingUpdate: { maxSurge: '5%' } } } },
      },
      { do: 'create', body: { ...named('a.name.with.dots'), spec: { selector, template, strategy: { type: 'Recreate' } } } },
      {
        do: 'create',
        body: {
          ...named('deadline'),
          spec: { selector, template, minReadySeconds: 10, progressDeadlineSeconds: 10 },
        },
      },
    ],
  },
  {
    name: 'ReplicaSet: defaults, updates, table',
    at: at('replicasets'),
    steps: [
      { do: 'create', body: { ...named('web'), spec: { selector, template: two, minReadySeconds: 3 } } },
      { do: 'update', patch: { spec: { replicas: 2 }, status: { replicas: 7 } } },
      { do: 'update', patch: { spec: { replicas: -2, minReadySeconds: -1 } } },
      { do: 'update', patch: { spec: { selector: { matchLabels: { other: 'x' } } } } },
      { do: 'table' },
      { do: 'update', sub: 'status', patch: { metadata: { labels: { c: 'd' } }, status: goodStatus } },
      { do: 'update', sub: 'status', patch: { status: { ...wrongStatus, fullyLabeledReplicas: 3, unknown: 1 } } },
      { do: 'table' },
    ],
  },
  { name: 'ReplicaSet: selectors and templates', at: at('replicasets'), steps: selectorSteps() },
  {
    name: 'ReplicaSet: scale',
    at: at('replicasets'),
    steps: [{ do: 'create', body: { ...named('web'), spec: { selector, template } } }, ...scaling],
  },
  {
    name: 'DaemonSet: defaults, updates, table',
    at: at('daemonsets'),
    steps: [
      { do: 'create', body: { ...named('web'), spec: { selector, template } } },
      { do: 'update', patch: { spec: { template: two } } },
      { do: 'update', patch: { metadata: { annotations: null } } },
      { do: 'update', patch: { spec: { minReadySeconds: 3 } } },
      { do: 'update', patch: { spec: { selector: { matchLabels: { other: 'x' } } } } },
      { do: 'table' },
      { do: 'get', accept: 'application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io' },
      { do: 'list', accept: 'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io' },
      {
        do: 'update',
        sub: 'status',
        patch: {
          metadata: { labels: { c: 'd' } },
          status: { desiredNumberScheduled: 2, currentNumberScheduled: 2, numberReady: 1, collisionCount: 2 },
        },
      },
      {
        do: 'update',
        sub: 'status',
        patch: {
          status: {
            desiredNumberScheduled: -1,
            currentNumberScheduled: -1,
            numberMisscheduled: -1,
            numberReady: -1,
            numberAvailable: -1,
            numberUnavailable: -1,
            updatedNumberScheduled: -1,
            observedGeneration: -1,
            collisionCount: 1,
          },
        },
      },
      { do: 'table' },
    ],
  },
  { name: 'DaemonSet: selectors and templates', at: at('daemonsets'), steps: selectorSteps() },
  {
    name: 'DaemonSet: numbers and strategies',
    at: at('daemonsets'),
    steps: [
      {
        do: 'create',
        body: {
          ...named('numbers'),
          spec: {
            selector,
            template,
            minReadySeconds: -1,
            revisionHistoryLimit: -1,
            updateStrategy: { rollingUpdate: { maxSurge: 1, maxUnavailable: 1 } },
          },
        },
      },
      {
        do: 'create',
        body: { ...named('zero'), spec: { selector, template, updateStrategy: { rollingUpdate: { maxUnavailable: 0 } } } },
      },
      {
        do: 'create',
        body: {
          ...named('odd'),
          spec: { selector, template, updateStrategy: { rollingUpdate: { maxUnavailable: '101%', maxSurge: 'x' } } },
        },
      },
      { do: 'create', body: { ...named('other'), spec: { selector, template, updateStrategy: { type: 'Other' } } } },
      { do: 'create', body: { ...named('on-delete'), spec: { selector, template, updateStrategy: { type: 'OnDelete' } } } },
    ],
  },
  {
    name: 'StatefulSet: defaults, updates, table',
    at: at('statefulsets'),
    steps: [
      {
        do: 'create',
        body: {
          ...named('db'),
          spec: {
            selector,
            serviceName: 'db',
            template: {
              metadata: { labels },
              spec: {
                containers: [{ name: 'db', image: 'db', volumeMounts: [{ name: 'data', mountPath: '/data' }] }],
                volumes: [{ name: 'data', emptyDir: {} }],
              },
            },
            volumeClaimTemplates: [
              {
                metadata: { name: 'data' },
                spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1.5Gi' } } },
              },
            ],
          },
        },
      },
      {
        do: 'update',
        patch: { spec: { replicas: 2, ordinals: { start: 1 }, minReadySeconds: 1, updateStrategy: { type: 'OnDelete' } } },
      },
      { do: 'update', patch: { spec: { updateStrategy: { type: 'OnDelete', rollingUpdate: null } } } },
      { do: 'update', patch: { spec: { serviceName: 'other' } } },
      { do: 'update', patch: { spec: { selector: { matchLabels: { app: 'y' } } } } },
      { do: 'table' },
      { do: 'update', sub: 'status', patch: { metadata: { labels: { c: 'd' } }, status: goodStatus } },
      {
        do: 'update',
        sub: 'status',
        patch: { status: { ...wrongStatus, currentReplicas: 3, updatedReplicas: 3, collisionCount: -1 } },
      },
      { do: 'table' },
    ],
  },
  { name: 'StatefulSet: selectors and templates', at: at('statefulsets'), steps: selectorSteps({ serviceName: 's' }) },
  {
    name: 'StatefulSet: scale',
    at: at('statefulsets'),
    steps: [{ do: 'create', body: { ...named('web'), spec: { selector, template } } }, ...scaling],
  },
  {
    name: 'StatefulSet: numbers and strategies',
    at: at('statefulsets'),
    steps: [
      {
        do: 'create',
        body: {
          ...named('numbers'),
          spec: {
            selector,
            template,
            serviceName: 'A_b',
            replicas: -1,
            minReadySeconds: -1,
            revisionHistoryLimit: -1,
            ordinals: { start: -1 },
            podManagementPolicy: 'Random',
            persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Lose' },
            updateStrategy: { rollingUpdate: { partition: -1, maxUnavailable: 0 } },
            volumeClaimTemplates: [{ metadata: { name: 'a' }, spec: {} }],
          },
        },
      },
      {
        do: 'create',
        body: { ...named('odd'), spec: { selector, template, updateStrategy: { rollingUpdate: { maxUnavailable: '101%' } } } },
      },
      { do: 'create', body: { ...named('other'), spec: { selector, template, updateStrategy: { type: 'Other' } } } },
      {
        do: 'create',
        body: {
          ...named('on-delete'),
          spec: { selector, template, updateStrategy: { type: 'OnDelete', rollingUpdate: { partition: 1 } } },
        },
      },
      { do: 'create', body: { ...named('warned'), spec: { selector, template, revisionHistoryLimit: -1 } } },
      { do: 'create', body: { ...named('a.dot'), spec: { selector, template } } },
    ],
  },
  {
    name: 'ControllerRevision',
    at: at('controllerrevisions'),
    steps: [
      { do: 'create', body: { ...named('none'), revision: 1 } },
      { do: 'create', body: { ...named('list'), revision: -1, data: [] } },
      { do: 'create', body: { ...named('text'), revision: 1, data: 'x' } },
      {
        do: 'create',
        body: {
          metadata: {
            name: 'right',
            ownerReferences: [{ apiVersion: 'apps/v1', kind: 'StatefulSet', name: 'x', uid: 'u', controller: true }],
          },
          revision: 1,
          data: { a: { b: [1] } },
        },
      },
      { do: 'update', patch: { revision: 2 } },
      { do: 'update', patch: { revision: -2, data: { a: 'c' } } },
      { do: 'table' },
    ],
  },
];
