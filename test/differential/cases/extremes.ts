import type { Case, Step } from '../replay.js';

/** Whole numbers of 64 bits, most of them beyond what a double holds. */
const largest = 2n ** 63n - 1n;
const least = -(2n ** 63n);
const odd = 2n ** 53n + 1n;

const core = (resource: string): string => `/api/v1/namespaces/default/${resource}`;
const batch = (resource: string): string => `/apis/batch/v1/namespaces/default/${resource}`;
const merge = 'application/merge-patch+json';
const strategic = 'application/strategic-merge-patch+json';
const jsonPatch = 'application/json-patch+json';
const apply = 'application/apply-patch+yaml';
const container = { name: 'c', image: 'i' };

const account: Step = {
  do: 'create',
  at: core('serviceaccounts'),
  body: { metadata: { name: 'differential' }, automountServiceAccountToken: false },
};

function pod(name: string, spec: object = {}): { metadata: { name: string }; spec: object } {
  return { metadata: { name }, spec: { serviceAccountName: 'differential', containers: [container], ...spec } };
}

/** Other cases list everything. */
const cleaned = (at: string): Step => ({ do: 'request', method: 'DELETE', path: at, bare: true });
const patched = (type: string, patch: unknown, sub?: string): Step => ({ do: 'patch', type, patch, ...(sub ? { sub } : {}) });
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
  {
    name: 'Extremes: texts',
    at: core('configmaps'),
    steps: [
      ...[
        { data: { a: '\u0000\u0001\u007f\u0080\u2028\u2029\ufeff\uffff' } },
        { data: { a: '\ud83d\ude00 \ud800 \udc00' } },
        { data: { a: '<script>&amp;</script>' } },
        { binaryData: { a: '/+8=', b: '_-8=' } },
        {
          data: { ['k'.repeat(253)]: 'x', ['k'.repeat(254)]: 'x', '..': 'x', '.': 'x', '..a': 'x', 'a b': 'x', é: 'x', '': 'x' },
        },
        { data: { a: 'x', b: 'y' }, binaryData: { a: 'eA==' } },
        {
          metadata: {
            annotations: { a: '\u0000', ['a'.repeat(64)]: 'x', 'é/a': 'x', '/a': 'x', 'a/': 'x', 'A.B/c_d': '\ud800' },
          },
        },
        { metadata: { annotations: { a: 'x'.repeat(256 * 1024) } } },
        {
          metadata: {
            labels: { a: 'x'.repeat(64), b: 'é', c: '-', d: '_x', e: 'x.', ['f'.repeat(64)]: '', 'g/h/i': 'j', 'K.com/L': 'M' },
          },
        },
        { metadata: { generateName: 'g'.repeat(300) } },
        { metadata: { generateName: 'Upper-' } },
        { metadata: { finalizers: ['a', 'a/b', 'a/b/c', '', 'é/x'] } },
        {
          metadata: {
            ownerReferences: [
              { apiVersion: 'v1', kind: 'é', name: '', uid: '\u0000' },
              { apiVersion: 'a/b/c', kind: 'K', name: 'n', uid: 'u' },
              { apiVersion: 'v1', kind: 'Event', name: 'n', uid: 'u' },
            ],
          },
        },
      ].flatMap((more: { metadata?: object }, index): Step[] => [
        { do: 'create', body: { ...more, metadata: { name: `text-${index}`, ...more.metadata } } },
        { do: 'get' },
      ]),
      ...['a'.repeat(253), 'a'.repeat(254), 'a..b', '-a', 'a-', 'A', 'é', '%', 'a/b', '.', '..', 'a_b', '1', ''].map(
        (name): Step => ({ do: 'create', body: { metadata: { name } } }),
      ),
      { do: 'list', query: 'labelSelector=a%20in%20(%C3%A9)' },
      { do: 'list', query: `labelSelector=${'a'.repeat(64)}%3Db` },
      ...['%00', 'a%00', 'a%00b', 'a%3D%00b', 'a%3Db%00%00c', 'a%00%3Db', 'a%20%00', '!%00a'].map((labelSelector): Step => ({
        do: 'list',
        query: `labelSelector=${labelSelector}`,
      })),
      { do: 'list', query: 'fieldSelector=metadata.name%3D%00' },
      { do: 'list', query: 'fieldSelector=metadata.name%3Da%5C%2Cb' },
      { do: 'list', query: 'fieldSelector=metadata.name%3Da%5C' },
      {
        do: 'create',
        at: core('pods'),
        body: pod('texts', { hostname: 'A'.repeat(64), subdomain: 'é', nodeName: 'x_y', schedulerName: '\u0000' }),
      },
      {
        do: 'create',
        at: core('pods'),
        body: pod('names', {
          containers: [
            {
              ...container,
              name: 'é',
              env: [{ name: '1=2' }, { name: '\u0000' }, { name: ' ' }, { name: 'é' }],
              workingDir: '\u0000',
              volumeMounts: [{ name: '', mountPath: '..:..', subPath: '../..' }],
            },
          ],
        }),
      },
      {
        do: 'create',
        at: core('secrets'),
        body: { metadata: { name: 'lone' }, stringData: { a: '\ud800', b: '\u0000' }, type: '\u0000' },
      },
      cleaned(core('configmaps')),
      cleaned(core('secrets')),
    ],
  },
  {
    name: 'Extremes: queries',
    at: core('configmaps'),
    steps: [
      { do: 'create', body: { metadata: { name: 'asked' } } },
      ...[
        ...['-1', '0', '00', '+1', ' 1', '1.5', '0x10', '18446744073709551616', '9223372036854775808', 'x', ''].flatMap(
          version => [
            `fieldSelector=metadata.name%3Dasked&resourceVersion=${version}&resourceVersionMatch=Exact`,
            `fieldSelector=metadata.name%3Dasked&resourceVersion=${version}&resourceVersionMatch=NotOlderThan`,
            `watch=1&timeoutSeconds=1&fieldSelector=metadata.name%3Dnobody&resourceVersion=${version}`,
          ],
        ),
        ...['-1', '0', 'x', '1.5', ''].map(limit => `fieldSelector=metadata.name%3Dasked&limit=${limit}`),
        ...['x', '%00', 'e30', 'eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6LTEsInN0YXJ0IjoiLi4vLi4vIn0'].map(
          token => `limit=1&continue=${token}`,
        ),
        ...['-1', 'x', '1.5'].map(timeout => `fieldSelector=metadata.name%3Dasked&timeoutSeconds=${timeout}`),
        ...['T', 'yes', '', '2', 'TRUE', 'tRUE'].map(
          watch => `watch=${watch}&timeoutSeconds=1&fieldSelector=metadata.name%3Dnobody`,
        ),
        'fieldSelector=metadata.name%3Dasked&allowWatchBookmarks=x',
        'fieldSelector=metadata.name%3Dasked&timeoutSeconds=',
        'watch=1&timeoutSeconds=&fieldSelector=metadata.name%3Dasked&resourceVersion=x',
        'watch=1&timeoutSeconds=1&sendInitialEvents=x&fieldSelector=metadata.name%3Dnobody',
        'fieldSelector=spec.x%3Dy',
        'fieldSelector=metadata.name%3Dasked,metadata.name%3Dother',
        'fieldSelector=metadata.name!%3Dasked,metadata.namespace%3Dnowhere',
        'labelSelector=a&labelSelector=b&fieldSelector=metadata.name%3Dasked',
        'limit=1&limit=2&fieldSelector=metadata.name%3Dasked',
        'resourceVersionMatch=Other',
      ].map((query): Step => ({ do: 'list', query })),
      ...[
        'dryRun=All&dryRun=All',
        'dryRun=all',
        'dryRun=',
        `fieldManager=${'m'.repeat(129)}`,
        'fieldManager=%00',
        'fieldManager=a%0Ab',
        'fieldValidation=strict',
        'fieldValidation=Ignore&fieldValidation=Strict',
        'pretty=x',
        'timeout=1h',
        'timeout=x',
        'timeout=-1s',
        'timeout=0',
      ].map((query, index): Step => ({
        do: 'request',
        method: 'POST',
        path: `${core('configmaps')}?${query}`,
        body: { metadata: { name: `query-${index}` }, data: { a: 'b' }, unknown: 1 },
      })),
      ...['force=true', 'force=x', 'fieldManager=', 'fieldManager=m&force=false'].map((query): Step => ({
        do: 'request',
        method: 'PATCH',
        path: `${core('configmaps')}/asked?${query}`,
        type: apply,
        body: { apiVersion: 'v1', kind: 'ConfigMap', data: { a: 'b' } },
      })),
      ...[
        'propagationPolicy=x',
        'orphanDependents=x',
        'propagationPolicy=Orphan&orphanDependents=true',
        'gracePeriodSeconds=x',
        'gracePeriodSeconds=',
        'dryRun=',
        'dryRun=x',
      ].map((query): Step => ({ do: 'request', method: 'DELETE', path: `${core('configmaps')}/asked?${query}` })),
      cleaned(core('configmaps')),
    ],
  },
];
