import type { Case, Step } from '../replay.js';

const pods = '/api/v1/namespaces/default/pods';
const account: Step = {
  do: 'create',
  at: '/api/v1/namespaces/default/serviceaccounts',
  body: { metadata: { name: 'differential' }, automountServiceAccountToken: false },
};
const pod = (name: string, more: object = {}, spec: object = {}): Step => ({
  do: 'create',
  at: pods,
  body: {
    metadata: { name, ...more },
    spec: { serviceAccountName: 'differential', containers: [{ name: 'c', image: 'i' }], ...spec },
  },
});
const update = (spec: object): Step => ({ do: 'update', patch: { spec } });
const resources = (cpu: string): object => ({ containers: [{ name: 'c', image: 'i', resources: { requests: { cpu } } }] });
const merge = (patch: object, sub?: string): Step => ({
  do: 'patch',
  type: 'application/strategic-merge-patch+json',
  patch,
  ...(sub ? { sub } : {}),
});

export const podCases: readonly Case[] = [
  {
    name: 'Pod',
    at: pods,
    steps: [
      account,
      pod('wrong', { finalizers: ['nowhere'] }, { restartPolicy: 'x', dnsPolicy: 'y', terminationGracePeriodSeconds: -3 }),
      pod('right'),
      merge({ spec: { containers: [{ name: 'c', image: 'j' }] } }),
      merge({ spec: { containers: [{ name: 'c', image: '' }] } }),
      merge({ spec: { containers: [{ name: 'c', command: ['x'] }] } }),
      merge({ spec: { containers: [{ name: 'd', image: 'x' }] } }),
      update({ activeDeadlineSeconds: 10 }),
      update({ activeDeadlineSeconds: 20 }),
      update({ activeDeadlineSeconds: null }),
      update({ terminationGracePeriodSeconds: 5 }),
      update({ nodeName: 'n' }),
      update({ restartPolicy: 'Never' }),
      update({ tolerations: [{ key: 'a', operator: 'Exists' }] }),
      merge({ spec: { tolerations: [{ key: 'a', operator: 'Exists', effect: 'NoSchedule' }] } }),
      update({ nodeSelector: { a: 'b' } }),
      { do: 'update', patch: { metadata: { labels: { 'a b': 'c' }, annotations: { d: 'e' } } } },
      { do: 'update', patch: { metadata: { labels: { a: 'b' }, finalizers: ['nowhere'] } } },
      {
        do: 'update',
        sub: 'status',
        patch: { status: { phase: 'Running', podIPs: [{ ip: 'x' }], conditions: [{ type: 'Ready', status: 'True' }] } },
      },
      { do: 'update', sub: 'status', patch: { status: { phase: 'Running', podIPs: null, podIP: null, message: 'm' } } },
      { do: 'update', patch: { metadata: { finalizers: ['example.com/hold'] } } },
      { do: 'delete', query: '?gracePeriodSeconds=0' },
      { do: 'update', patch: { metadata: { finalizers: null } } },
      { do: 'get' },
    ],
  },
  {
    name: 'Pod with gates',
    at: pods,
    steps: [
      account,
      pod('gated', {}, { schedulingGates: [{ name: 'example.com/a' }, { name: 'example.com/b' }] }),
      update({ schedulingGates: [{ name: 'example.com/a' }, { name: 'example.com/c' }] }),
      update({ nodeSelector: { a: 'b' } }),
      update({ nodeSelector: { a: 'c' } }),
      update({
        affinity: {
          nodeAffinity: {
            requiredDuringSchedulingIgnoredDuringExecution: {
              nodeSelectorTerms: [{ matchExpressions: [{ key: 'a', operator: 'Exists' }] }],
            },
          },
        },
      }),
      update({ schedulingGates: [{ name: 'example.com/a' }] }),
      update({ schedulingGates: null }),
      update({ nodeSelector: { a: 'b', d: 'e' } }),
      { do: 'delete' },
    ],
  },
  {
    name: 'Pod with ephemeral containers',
    at: pods,
    steps: [
      account,
      pod('debugged'),
      { do: 'get', sub: 'ephemeralcontainers' },
      merge({ spec: { ephemeralContainers: [{ name: 'e', image: 'x' }] } }),
      merge({ spec: { ephemeralContainers: [{ name: 'c', image: 'x' }] } }, 'ephemeralcontainers'),
      merge(
        {
          spec: {
            ephemeralContainers: [
              { name: 'e', image: 'x', ports: [{ containerPort: 1 }], livenessProbe: { exec: { command: ['a'] } } },
            ],
          },
        },
        'ephemeralcontainers',
      ),
      merge(
        { spec: { ephemeralContainers: [{ name: 'e', image: 'x', targetContainerName: 'nothing' }] } },
        'ephemeralcontainers',
      ),
      merge({ spec: { ephemeralContainers: [{ name: 'e', image: 'x', targetContainerName: 'c' }] } }, 'ephemeralcontainers'),
      merge({ spec: { ephemeralContainers: [{ name: 'e', image: 'y' }] } }, 'ephemeralcontainers'),
      { do: 'update', sub: 'ephemeralcontainers', patch: { spec: { ephemeralContainers: null } } },
      { do: 'delete' },
    ],
  },
  {
    name: 'Pod that is resized',
    at: pods,
    steps: [
      account,
      pod('sized', {}, resources('100m')),
      { do: 'update', patch: { spec: resources('200m') } },
      merge({ spec: resources('200m') }, 'resize'),
      merge({ spec: resources('-1') }, 'resize'),
      merge({ spec: { containers: [{ name: 'c', image: 'j', resources: { requests: { cpu: '300m' } } }] } }, 'resize'),
      merge({ spec: { containers: [{ name: 'c', resources: { limits: { cpu: '300m' } } }] } }, 'resize'),
      merge({ spec: { containers: [{ name: 'd', resources: { requests: { cpu: '300m' } } }] } }, 'resize'),
      { do: 'table' },
      { do: 'delete' },
      pod('overhead', {}, { overhead: {} }),
      pod('empties', { labels: {}, finalizers: [] }, { nodeSelector: {}, tolerations: [], volumes: [], readinessGates: [] }),
      update({ hostAliases: [], imagePullSecrets: [], schedulingGates: [] }),
    ],
  },
];
