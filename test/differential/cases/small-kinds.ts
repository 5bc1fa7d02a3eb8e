import type { Case } from '../replay.js';

const named = (name: string): object => ({ metadata: { name } });

export const smallKindCases: readonly Case[] = [
  {
    name: 'Lease',
    at: '/apis/coordination.k8s.io/v1/namespaces/default/leases',
    steps: [
      { do: 'create', body: { ...named('wrong'), spec: { leaseDurationSeconds: 0, leaseTransitions: -1 } } },
      {
        do: 'create',
        body: {
          ...named('right'),
          spec: {
            holderIdentity: 'me',
            leaseDurationSeconds: 15,
            renewTime: '2020-01-02T03:04:05.678901Z',
            strategy: 'x',
            preferredHolder: 'y',
          },
        },
      },
      { do: 'update', patch: { spec: { holderIdentity: 'you' } } },
      { do: 'update', patch: { metadata: { resourceVersion: null }, spec: { holderIdentity: 'they' } } },
      { do: 'table' },
    ],
  },
  {
    name: 'PriorityClass',
    at: '/apis/scheduling.k8s.io/v1/priorityclasses',
    steps: [
      { do: 'create', body: { ...named('system-mine'), value: 1 } },
      { do: 'create', body: { ...named('system-node-critical'), value: 1 } },
      { do: 'create', body: { ...named('system-cluster-critical'), value: 2000000000, globalDefault: true } },
      { do: 'create', body: { ...named('high'), value: 1000000001, preemptionPolicy: 'Sometimes' } },
      { do: 'create', body: { ...named('right'), value: 5, description: 'five' } },
      { do: 'update', patch: { value: 6, preemptionPolicy: 'Never' } },
      { do: 'update', patch: { description: 'still five', globalDefault: true } },
      { do: 'table' },
      { do: 'delete', at: '/apis/scheduling.k8s.io/v1/priorityclasses/system-node-critical' },
    ],
  },
  {
    name: 'RuntimeClass',
    at: '/apis/node.k8s.io/v1/runtimeclasses',
    steps: [
      { do: 'create', body: named('wrong') },
      {
        do: 'create',
        body: {
          ...named('wrong'),
          handler: 'A.b',
          overhead: { podFixed: { 'example.com/thing': '-500m' } },
          scheduling: {
            nodeSelector: { 'a b': 'c' },
            tolerations: [
              { key: 'a', operator: 'Exists', value: 'x' },
              { key: 'b', operator: 'Equal', value: 'x', effect: 'NoExecute', tolerationSeconds: 1 },
              { key: 'b', operator: 'Equal', value: 'x', effect: 'NoExecute', tolerationSeconds: 2 },
              { key: 'c', operator: 'Near' },
            ],
          },
        },
      },
      {
        do: 'create',
        body: {
          ...named('right'),
          handler: 'runc',
          overhead: { podFixed: { cpu: '0.5' } },
          scheduling: { nodeSelector: { 'beta.kubernetes.io/os': 'linux' } },
        },
      },
      { do: 'update', patch: { handler: 'other', scheduling: null } },
      { do: 'update', patch: { metadata: { labels: { a: 'b' } } } },
      { do: 'table' },
    ],
  },
  {
    name: 'PodDisruptionBudget',
    at: '/apis/policy/v1/namespaces/default/poddisruptionbudgets',
    steps: [
      {
        do: 'create',
        body: { ...named('wrong'), spec: { minAvailable: -1, maxUnavailable: '200%', unhealthyPodEvictionPolicy: 'Maybe' } },
      },
      {
        do: 'create',
        body: { ...named('wrong'), spec: { minAvailable: 'many', selector: { matchLabels: { a: 'b c' } } } },
      },
      { do: 'create', body: { ...named('right'), spec: { maxUnavailable: 1, selector: { matchLabels: { a: 'b' } } } } },
      { do: 'table' },
      { do: 'update', patch: { spec: { maxUnavailable: '50%' }, status: { expectedPods: 7 } } },
      {
        do: 'update',
        sub: 'status',
        patch: {
          metadata: { labels: { a: 'b' }, annotations: { c: 'd' } },
          spec: { maxUnavailable: 9 },
          status: { expectedPods: 3, currentHealthy: 2, desiredHealthy: 1, disruptionsAllowed: 1 },
        },
      },
      {
        do: 'update',
        sub: 'status',
        patch: {
          status: {
            expectedPods: -1,
            conditions: [
              { type: 'A b', status: 'Maybe', reason: '1', message: 'm', lastTransitionTime: '2020-01-01T00:00:00Z' },
              { type: 'C', status: 'True', reason: '', message: '', lastTransitionTime: '2020-01-01T00:00:00Z' },
              { type: 'C', status: 'True', reason: 'R', message: '', lastTransitionTime: null, observedGeneration: -1 },
            ],
          },
        },
      },
      { do: 'update', patch: { metadata: { resourceVersion: null } } },
      { do: 'table' },
    ],
  },
];
