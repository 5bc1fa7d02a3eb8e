import type { Case, Step } from '../replay.js';
import { account, apply, container, core, jsonPatch, merge, patched, pod, strategic } from './pod-steps.js';

/** Whole numbers of 64 bits, most of them beyond what a double holds. */
const largest = 2n ** 63n - 1n;
const least = -(2n ** 63n);
const odd = 2n ** 53n + 1n;

const batch = (resource: string): string => `/apis/batch/v1/namespaces/default/${resource}`;
const toleration = (tolerationSeconds: bigint): object => ({
  key: 'a',
  operator: 'Exists',
  effect: 'NoExecute',
  tolerationSeconds,
});
const runsAs = (runAsUser: bigint): object => ({ containers: [{ ...container, securityContext: { runAsUser } }] });
const slept = (seconds: bigint): object => ({
  terminationGracePeriodSeconds: largest,
  containers: [{ ...container, lifecycle: { preStop: { sleep: { seconds } } } }],
});
const probed = (terminationGracePeriodSeconds: bigint): object => ({
  containers: [{ ...container, livenessProbe: { exec: { command: ['x'] }, terminationGracePeriodSeconds } }],
});
const template = { spec: { restartPolicy: 'Never', containers: [container] } };
const timed = (activeDeadlineSeconds: bigint): object => ({ template, activeDeadlineSeconds });

export const extremeCases: readonly Case[] = [
  {
    name: 'Whole numbers of 64 bits: pods',
    at: core('pods'),
    steps: [
      account,
      { do: 'create', body: pod('patient', { terminationGracePeriodSeconds: largest, tolerations: [toleration(odd)] }) },
      { do: 'get' },
      { do: 'list' },
      { do: 'list', query: `limit=${largest}` },
      { do: 'list', query: `limit=${largest + 1n}` },
      { do: 'table' },
      patched(merge, { metadata: { labels: { a: 'b' } } }),
      patched(merge, { spec: { terminationGracePeriodSeconds: largest } }),
      patched(merge, { spec: { terminationGracePeriodSeconds: 2n ** 62n } }),
      patched(strategic, { spec: { tolerations: [toleration(largest)] } }),
      patched(strategic, { spec: { tolerations: [toleration(odd), toleration(odd - 2n)] } }),
      patched(jsonPatch, [{ op: 'test', path: '/spec/terminationGracePeriodSeconds', value: largest }]),
      patched(jsonPatch, [{ op: 'test', path: '/spec/terminationGracePeriodSeconds', value: largest - 1n }]),
      patched(jsonPatch, [{ op: 'copy', from: '/spec/terminationGracePeriodSeconds', path: '/spec/activeDeadlineSeconds' }]),
      { do: 'update', patch: { metadata: { labels: { c: 'd' } } } },
      { do: 'update', patch: { spec: { terminationGracePeriodSeconds: largest - 2n } } },
      { do: 'update', patch: { spec: { tolerations: null } } },
      { do: 'update', sub: 'status', patch: { status: { message: 'm', observedGeneration: odd } } },
      patched(apply, {
        apiVersion: 'v1',
        kind: 'Pod',
        ...pod('patient', { terminationGracePeriodSeconds: largest, activeDeadlineSeconds: 5 }),
      }),
      { do: 'get' },
      { do: 'delete' },
    ],
  },
  {
    name: 'Whole numbers of 64 bits: pods on nodes that are deleted',
    at: core('pods'),
    steps: [
      account,
      { do: 'create', body: pod('bound', { nodeName: 'nowhere', terminationGracePeriodSeconds: largest }) },
      { do: 'delete' },
      { do: 'delete', body: { gracePeriodSeconds: largest } },
      { do: 'delete', body: { gracePeriodSeconds: odd } },
      { do: 'update', patch: { metadata: { labels: { a: 'b' } } } },
      { do: 'delete', query: '?gracePeriodSeconds=9007199254740991' },
      { do: 'get' },
      { do: 'delete', query: '?gracePeriodSeconds=0' },
      { do: 'create', body: pod('bound', { nodeName: 'nowhere' }) },
      { do: 'delete', query: `?gracePeriodSeconds=${largest}` },
      { do: 'delete', query: `?gracePeriodSeconds=${least - 1n}` },
      { do: 'delete', query: '?gracePeriodSeconds=%2B5x' },
      { do: 'delete', query: `?gracePeriodSeconds=${least}` },
      { do: 'delete', query: '?gracePeriodSeconds=0' },
      { do: 'create', body: pod('bound', { nodeName: 'nowhere' }) },
      { do: 'delete', body: { gracePeriodSeconds: least } },
      { do: 'delete', body: { gracePeriodSeconds: 0 } },
    ],
  },
  {
    name: 'Whole numbers of 64 bits: what refuses pods',
    at: core('pods'),
    steps: [
      account,
      ...[
        { terminationGracePeriodSeconds: least },
        { terminationGracePeriodSeconds: 2n ** 63n },
        { activeDeadlineSeconds: largest },
        { activeDeadlineSeconds: least },
        { securityContext: { runAsUser: odd, runAsGroup: largest, fsGroup: least, supplementalGroups: [1, odd] } },
        runsAs(largest),
        runsAs(least),
        slept(odd),
        slept(least),
        probed(largest),
        probed(least),
        { containers: [{ ...container, ports: [{ containerPort: odd }] }] },
      ].map((spec, index): Step => ({ do: 'create', body: pod(`refused-${index}`, spec) })),
      {
        do: 'create',
        body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { expirationSeconds: largest } },
        at: `${core('serviceaccounts')}/differential/token`,
      },
    ],
  },
  {
    name: 'Whole numbers of 64 bits: jobs',
    at: batch('jobs'),
    steps: [
      { do: 'create', body: { metadata: { name: 'timed' }, spec: timed(largest) } },
      { do: 'update', patch: { spec: { activeDeadlineSeconds: odd } } },
      { do: 'update', patch: { spec: { activeDeadlineSeconds: least } } },
      { do: 'update', patch: { spec: { template: { spec: { terminationGracePeriodSeconds: odd } } } } },
      { do: 'get' },
      { do: 'create', body: { metadata: { name: 'refused' }, spec: timed(least) } },
      {
        do: 'create',
        at: batch('cronjobs'),
        body: {
          metadata: { name: 'late' },
          spec: { schedule: '* * * * *', startingDeadlineSeconds: odd, jobTemplate: { spec: timed(odd) } },
        },
      },
      patched(merge, { spec: { startingDeadlineSeconds: least } }),
      patched(merge, { spec: { startingDeadlineSeconds: largest } }),
    ],
  },
  {
    name: 'Whole numbers of 64 bits: status, raw values and revisions',
    at: '/apis/apps/v1/namespaces/default/deployments',
    steps: [
      {
        do: 'create',
        body: {
          metadata: { name: 'wide' },
          spec: {
            selector: { matchLabels: { a: 'b' } },
            template: { metadata: { labels: { a: 'b' } }, spec: { containers: [container], terminationGracePeriodSeconds: odd } },
          },
        },
      },
      { do: 'update', sub: 'status', patch: { status: { observedGeneration: odd } } },
      { do: 'update', sub: 'status', patch: { status: { observedGeneration: least } } },
      { do: 'update', patch: { spec: { template: { spec: { terminationGracePeriodSeconds: largest } } } } },
      patched(merge, { spec: { replicas: 3 } }),
      patched(merge, { spec: { replicas: 2 } }, 'scale'),
      { do: 'get' },
      {
        do: 'create',
        at: '/apis/apps/v1/namespaces/default/controllerrevisions',
        body: { metadata: { name: 'wide' }, revision: odd, data: { n: largest, list: [odd] } },
      },
      { do: 'update', patch: { revision: largest } },
      { do: 'update', patch: { data: { n: odd } } },
      {
        do: 'create',
        at: '/apis/resource.k8s.io/v1/resourceslices',
        body: {
          metadata: { name: 'wide' },
          spec: {
            driver: 'wide.example.com',
            nodeName: 'nowhere',
            pool: { name: 'p', generation: odd, resourceSliceCount: largest },
            devices: [{ name: 'd', attributes: { serial: { int: odd }, other: { int: least } } }],
          },
        },
      },
      { do: 'update', patch: { spec: { pool: { generation: largest } } } },
      { do: 'delete' },
      {
        do: 'create',
        at: '/apis/resource.k8s.io/v1/namespaces/default/resourceclaims',
        body: {
          metadata: { name: 'wide' },
          spec: {
            devices: {
              requests: [
                {
                  name: 'r',
                  exactly: { deviceClassName: 'c', count: odd, tolerations: [{ operator: 'Exists', tolerationSeconds: odd }] },
                },
              ],
              config: [{ opaque: { driver: 'wide.example.com', parameters: { n: odd } } }],
            },
          },
        },
      },
      { do: 'get' },
    ],
  },
  {
    name: 'Whole numbers of 64 bits: definitions of custom resources',
    at: '/apis/apiextensions.k8s.io/v1/customresourcedefinitions',
    steps: [
      {
        do: 'create',
        body: {
          metadata: { name: 'bounds.cases.example.com' },
          spec: {
            group: 'cases.example.com',
            names: { plural: 'bounds', kind: 'Bound' },
            scope: 'Cluster',
            versions: [
              {
                name: 'v1',
                served: true,
                storage: true,
                schema: {
                  openAPIV3Schema: {
                    type: 'object',
                    properties: {
                      n: {
                        type: 'integer',
                        format: 'int64',
                        maximum: 2 ** 60,
                        minimum: -(2 ** 60),
                        default: odd,
                        enum: [1, odd, 2n ** 60n + 2n],
                      },
                      x: { type: 'number', multipleOf: 2 ** 53 },
                      text: { type: 'string', maxLength: largest, 'x-kubernetes-validations': [{ rule: 'self.size() < 3' }] },
                      list: { type: 'array', maxItems: odd, items: { type: 'string', maxLength: odd } },
                      map: { type: 'object', maxProperties: odd, additionalProperties: { type: 'integer' } },
                    },
                  },
                },
              },
            ],
          },
        },
      },
      {
        do: 'wait',
        path: '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/bounds.cases.example.com',
        shows: 'the initial names have been accepted',
      },
      // Nothing of it changes: no new generation.
      patched(merge, { metadata: { labels: { a: 'b' } } }),
      patched(merge, {
        spec: {
          versions: [
            { name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object', maxProperties: least } } },
          ],
        },
      }),
      { do: 'get' },
      {
        do: 'create',
        at: '/apis/cases.example.com/v1/bounds',
        body: {
          apiVersion: 'cases.example.com/v1',
          kind: 'Bound',
          metadata: { name: 'a' },
          text: 'x',
          map: { a: odd },
          list: ['y'],
        },
      },
      patched(merge, { n: 2n ** 60n + 2n }),
      patched(merge, { x: 2n ** 54n }),
      patched(merge, { x: 2n ** 54n + 2n }),
      patched(merge, { n: null }),
      { do: 'get' },
      { do: 'delete', at: '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/bounds.cases.example.com' },
      {
        do: 'wait',
        path: '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/bounds.cases.example.com',
        shows: 'not found',
      },
    ],
  },
  {
    name: 'Extremes: quantities',
    at: core('pods'),
    steps: [
      account,
      ...[
        '9223372036854775807',
        '9223372036854775808',
        '-9223372036854775808',
        '1e19',
        '1e1000',
        '1e-1000',
        '100000000000000000000Ei',
        '0.0000000000001',
        '1.0000000000000000001',
        '999999999999999999n',
        '9007199254740993',
        '9007199254740993m',
        '+5',
        '.5',
        '5.',
        '1e+3',
        '1E3',
        '12345678901234567890.123456789Ki',
      ].flatMap((amount, index): Step[] => [
        {
          do: 'create',
          body: pod(`amount-${index}`, {
            containers: [{ ...container, resources: { limits: { cpu: amount, memory: amount }, requests: { cpu: '1m' } } }],
          }),
        },
        { do: 'delete' },
        {
          do: 'create',
          at: core('resourcequotas'),
          body: { metadata: { name: `amount-${index}` }, spec: { hard: { 'requests.memory': amount, pods: amount } } },
        },
        { do: 'delete', at: `${core('resourcequotas')}/amount-${index}` },
      ]),
      {
        do: 'create',
        body: pod('number', { containers: [{ ...container, resources: { limits: { cpu: largest, memory: odd } } }] }),
      },
      { do: 'create', body: pod('float', { containers: [{ ...container, resources: { limits: { cpu: 0.1, memory: 1e30 } } }] }) },
      { do: 'create', body: pod('claims', { overhead: { cpu: odd } }) },
    ],
  },
  {
    name: 'Extremes: times',
    at: '/apis/coordination.k8s.io/v1/namespaces/default/leases',
    steps: [
      ...[
        '0000-01-01T00:00:00.000000Z',
        '0001-01-01T00:00:00.000000Z',
        '9999-12-31T23:59:59.999999Z',
        '9999-12-31T23:59:59.999999-23:59',
        '0000-01-01T00:00:00.000000+23:59',
        '2016-12-31T23:59:60.000000Z',
        '2024-02-29T24:00:00.000000Z',
        '2024-02-30T00:00:00.000000Z',
        '10000-01-01T00:00:00.000000Z',
        '2024-01-01T00:00:00.000000+24:00',
        '2024-01-01T00:00:00,123456Z',
        '2024-01-01t00:00:00.000000z',
      ].flatMap((renewTime, index): Step[] => [
        { do: 'create', body: { metadata: { name: `time-${index}` }, spec: { renewTime, leaseDurationSeconds: 2147483647 } } },
        { do: 'table' },
      ]),
      { do: 'list' },
      ...['0000-01-01T00:00:00Z', '9999-12-31T23:59:59-23:59', '1969-12-31T23:59:59.5Z', '2262-04-11T23:47:17Z'].map(
        (creationTimestamp, index): Step => ({
          do: 'create',
          body: { metadata: { name: `made-${index}`, creationTimestamp, deletionTimestamp: creationTimestamp }, spec: {} },
        }),
      ),
    ],
  },
];
