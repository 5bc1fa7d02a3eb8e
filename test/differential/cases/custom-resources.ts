import type { Case, Step } from '../replay.js';

const at = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const group = 'cases.example.com';
const merge = 'application/merge-patch+json';
const jsonPatch = 'application/json-patch+json';
const apply = 'application/apply-patch+yaml';

type Version = Record<string, unknown>;

const text = { type: 'string' };
const object = (properties: object, more: object = {}): object => ({ type: 'object', properties, ...more });
const version = (schema: object, more: Version = {}): Version => ({
  name: 'v1',
  served: true,
  storage: true,
  schema: { openAPIV3Schema: schema },
  ...more,
});

function definition(plural: string, versions: readonly Version[], more: object = {}): object {
  const kind = `${plural[0]!.toUpperCase()}${plural.slice(1, -1)}`;
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}` },
    spec: { group, scope: 'Namespaced', names: { plural, kind }, versions, ...more },
  };
}

const established = (plural: string): Step => ({
  do: 'wait',
  path: `${at}/${plural}.${group}`,
  shows: '"type":"Established","status":"True"',
});
const gone = (plural: string): Step => ({ do: 'wait', path: `${at}/${plural}.${group}`, shows: '"code":404' });
const of = (plural: string, name = 'v1'): string => `/apis/${group}/${name}/namespaces/default/${plural}`;
const named = (plural: string, name: string, rest: object = {}): object => ({
  apiVersion: `${group}/v1`,
  kind: `${plural[0]!.toUpperCase()}${plural.slice(1, -1)}`,
  metadata: { name },
  ...rest,
});

/** A schema that is refused. */
const wrong = (schema: object, more: Version = {}): Step => ({
  do: 'create',
  body: definition('wrongs', [version(schema, more)]),
});
const wrongField = (field: object): Step => wrong(object({ field }));

const rich = object(
  {
    spec: object({
      host: { type: 'string', maxLength: 10, pattern: '^[a-z]+$', default: 'localhost' },
      replicas: { type: 'integer', minimum: 0, maximum: 9, default: 1 },
      small: { type: 'integer', format: 'int32' },
      ratio: { type: 'number', multipleOf: 0.5, exclusiveMinimum: true, minimum: 0 },
      port: { 'x-kubernetes-int-or-string': true },
      any: object({ known: object({ a: text }) }, { 'x-kubernetes-preserve-unknown-fields': true }),
      mode: { type: 'string', enum: ['a', 'b', ''] },
      ports: {
        type: 'array',
        'x-kubernetes-list-type': 'map',
        'x-kubernetes-list-map-keys': ['name', 'protocol'],
        items: object(
          { name: text, protocol: { type: 'string', default: 'TCP' }, port: { type: 'integer' } },
          { required: ['name', 'protocol'] },
        ),
      },
      few: { type: 'array', minItems: 1, maxItems: 2, items: text },
      tags: { type: 'array', 'x-kubernetes-list-type': 'set', items: text },
      nothing: { type: 'string', nullable: true },
      defaulted: { type: 'string', default: 'x' },
      inner: { type: 'object', 'x-kubernetes-embedded-resource': true, properties: { spec: object({ a: text }) } },
      either: object({ left: text, right: text }, { oneOf: [{ required: ['left'] }, { required: ['right'] }] }),
      some: object({ left: text, right: text }, { anyOf: [{ required: ['left'] }, { required: ['right'] }] }),
      all: object(
        { left: text, right: text },
        { allOf: [{ required: ['left'] }, { required: ['right'] }], not: { required: ['left', 'right'] } },
      ),
      counts: { type: 'object', additionalProperties: { type: 'integer' }, maxProperties: 2, minProperties: 1 },
      when: { type: 'string', format: 'date-time' },
      address: { type: 'string', format: 'ipv4' },
      on: { type: 'boolean' },
    }),
    status: object({ replicas: { type: 'integer' }, selector: text, phase: { type: 'string', maxLength: 5 } }),
  },
  { required: ['spec'] },
);

const richVersion = version(rich, {
  subresources: {
    status: {},
    scale: { specReplicasPath: '.spec.replicas', statusReplicasPath: '.status.replicas', labelSelectorPath: '.status.selector' },
  },
  selectableFields: [{ jsonPath: '.spec.host' }, { jsonPath: '.spec.replicas' }, { jsonPath: '.spec.on' }],
  additionalPrinterColumns: [
    { name: 'Host', type: 'string', jsonPath: '.spec.host' },
    { name: 'Replicas', type: 'integer', jsonPath: '.spec.replicas', priority: 1 },
    { name: 'Ratio', type: 'number', jsonPath: '.spec.ratio' },
    { name: 'On', type: 'boolean', jsonPath: '.spec.on' },
    { name: 'First', type: 'string', jsonPath: '.spec.ports[0].name' },
    { name: 'Web', type: 'integer', jsonPath: '.spec.ports[?(@.name=="web")].port' },
    { name: 'Tags', type: 'string', jsonPath: '.spec.tags' },
    { name: 'Dotted', type: 'string', jsonPath: ".metadata.labels['a\\.b/c']" },
    { name: 'Date', type: 'date', jsonPath: '.spec.when' },
    { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
  ],
});

const spec = (fields: object): object => ({ spec: fields });
const bad = (fields: object): Step => ({ do: 'create', at: of('riches'), body: named('riches', 'bad', spec(fields)) });

export const customResourceCases: readonly Case[] = [
  {
    name: 'CustomResourceDefinition: what is refused',
    at,
    steps: [
      { do: 'create', body: { ...definition('wrongs', [version(object({}))]), metadata: { name: 'other' } } },
      { do: 'create', body: definition('wrongs', []) },
      { do: 'create', body: definition('wrongs', [version(object({}), { storage: false })]) },
      { do: 'create', body: definition('wrongs', [version(object({})), version(object({}), { storage: false })]) },
      { do: 'create', body: definition('wrongs', [version(object({}), { name: 'V_1' })]) },
      { do: 'create', body: definition('wrongs', [{ name: 'v1', served: true, storage: true }]) },
      { do: 'create', body: definition('wrongs', [version(object({}))], { scope: 'Galaxy' }) },
      { do: 'create', body: definition('wrongs', [version(object({}))], { scope: undefined }) },
      { do: 'create', body: definition('wrongs', [version(object({}))], { group: 'nodot' }) },
      { do: 'create', body: definition('wrongs', [version(object({}))], { preserveUnknownFields: true }) },
      {
        do: 'create',
        body: definition('wrongs', [version(object({}))], {
          names: { plural: 'wrongs', kind: 'Wrong_', listKind: 'Wrong_', shortNames: ['A'], categories: ['B'], singular: 'C' },
        }),
      },
      { do: 'create', body: definition('wrongs', [version(object({}))], { conversion: { strategy: 'Magic' } }) },
      { do: 'create', body: definition('wrongs', [version(object({}))], { conversion: { strategy: 'Webhook' } }) },
      {
        do: 'create',
        body: definition('wrongs', [version(object({}))], {
          conversion: {
            strategy: 'Webhook',
            webhook: { conversionReviewVersions: ['v7'], clientConfig: { url: 'http://me@x/?a#b' } },
          },
        }),
      },
      {
        do: 'create',
        body: definition('wrongs', [version(object({}))], {
          conversion: {
            strategy: 'None',
            webhook: { conversionReviewVersions: ['v1'], clientConfig: { service: { name: 'a', namespace: 'b' } } },
          },
        }),
      },
      {
        do: 'create',
        body: { ...definition('wrongs', [version(object({}))], { group: 'x.k8s.io' }), metadata: { name: 'wrongs.x.k8s.io' } },
      },
      {
        do: 'create',
        body: {
          ...definition('wrongs', [version(object({}))], { group: 'x.k8s.io' }),
          metadata: { name: 'wrongs.x.k8s.io', annotations: { 'api-approved.kubernetes.io': 'by me' } },
        },
      },
      wrong(object({}), { deprecationWarning: 'old' }),
      wrong(object({}), { deprecated: true, deprecationWarning: '' }),
      wrong(object({}), {
        additionalPrinterColumns: [
          { name: '', type: 'text', jsonPath: 'x', format: 'y' },
          { name: 'a', type: 'date', jsonPath: '' },
        ],
      }),
      wrong(object({}), {
        subresources: { scale: { specReplicasPath: '', statusReplicasPath: '.spec.x', labelSelectorPath: '.x' } },
      }),
      wrong(object({ spec: object({ a: { type: 'array', items: text } }) }), {
        selectableFields: [
          { jsonPath: '.spec.a' },
          { jsonPath: '.spec.b' },
          { jsonPath: '' },
          { jsonPath: 'spec' },
          { jsonPath: ".spec['a']" },
        ],
      }),
      wrong(object({}, { nullable: true })),
      wrong(
        object(
          {
            a: { type: 'array', items: { type: 'integer', minimum: 0, enum: [2, 1] } },
            b: { type: 'object', additionalProperties: true, default: { z: '<1>', a: [null] } },
            c: { type: 'string', 'x-kubernetes-validations': [{ rule: 'self != ""', message: 'empty' }] },
          },
          { default: {}, anyOf: [{ required: ['a'] }] },
        ),
        { subresources: { status: {} } },
      ),
      wrong({ type: 'array', items: text }),
      wrong({}),
      wrong({ type: 'object', additionalProperties: text }),
      wrong(object({ metadata: object({ labels: object({}) }) })),
      wrong(object({ metadata: object({ name: { type: 'string', maxLength: 3 } }) })),
      wrong(object({ kind: { type: 'integer' }, apiVersion: { type: 'object' } })),
      wrongField({}),
      wrongField({ type: 'array' }),
      wrongField({ type: 'array', items: {} }),
      wrongField({ type: 'array', items: [text] }),
      wrongField({ type: 'text' }),
      wrongField({ type: 'string', pattern: '(' }),
      wrongField({ type: 'string', pattern: '(?!x)' }),
      wrongField({ type: 'string', uniqueItems: true }),
      wrongField({ type: 'string', default: 7 }),
      wrongField(object({ a: text }, { default: { b: 1 } })),
      wrongField(object({ a: text }, { additionalProperties: text })),
      wrongField({ type: 'string', id: 'x' }),
      wrongField({ $ref: '#/definitions/x' }),
      wrongField({ type: 'object', patternProperties: { a: text } }),
      wrongField({ type: 'object', definitions: { a: text } }),
      wrongField({ type: 'object', dependencies: { a: ['b'] } }),
      wrongField({ type: 'array', items: text, additionalItems: true }),
      wrongField({ type: 'string', anyOf: [{ type: 'string', default: 'a', title: 'b', description: 'c', nullable: true }] }),
      wrongField({ type: 'object', oneOf: [{ properties: { a: { minimum: 1 } } }] }),
      wrongField({ type: 'object', allOf: [{ additionalProperties: text, 'x-kubernetes-list-type': 'set' }] }),
      wrongField({ 'x-kubernetes-int-or-string': true, 'x-kubernetes-preserve-unknown-fields': true }),
      wrongField({ type: 'object', 'x-kubernetes-preserve-unknown-fields': false }),
      wrongField({ 'x-kubernetes-embedded-resource': true }),
      wrongField({ type: 'object', 'x-kubernetes-embedded-resource': true }),
      wrongField({ type: 'string', 'x-kubernetes-list-type': 'map', 'x-kubernetes-map-type': 'round' }),
      wrongField({ type: 'array', items: text, 'x-kubernetes-list-type': 'heap' }),
      wrongField({ type: 'array', items: text, 'x-kubernetes-list-type': 'map' }),
      wrongField({ type: 'array', items: text, 'x-kubernetes-list-map-keys': ['a'] }),
      wrongField({
        type: 'array',
        'x-kubernetes-list-type': 'map',
        'x-kubernetes-list-map-keys': ['a', 'a', 'b', 'c'],
        items: object({ a: text, b: { type: 'object' } }, { nullable: true }),
      }),
      wrongField({ type: 'array', 'x-kubernetes-list-type': 'set', items: object({}) }),
      wrongField({
        type: 'array',
        'x-kubernetes-list-type': 'set',
        items: { type: 'array', items: text, 'x-kubernetes-list-type': 'set' },
      }),
    ],
  },
  {
    name: 'CustomResourceDefinition: its life',
    at,
    steps: [
      { do: 'create', body: definition('lives', [version(object({ a: { type: 'string', format: 'odd' } }))]) },
      established('lives'),
      { do: 'get' },
      { do: 'table' },
      { do: 'get', sub: 'status' },
      { do: 'update', patch: { spec: { names: { kind: 'Other' }, scope: 'Cluster', group: 'other.com' } } },
      { do: 'update', patch: { metadata: { resourceVersion: null } } },
      { do: 'update', patch: { metadata: { labels: { a: 'b' } }, spec: { names: { shortNames: ['lf'] } } } },
      {
        do: 'wait',
        path: `${at}/lives.${group}`,
        shows: '"acceptedNames":{"plural":"lives","singular":"live","shortNames":["lf"]',
      },
      { do: 'get' },
      { do: 'update', sub: 'status', patch: { status: { storedVersions: ['v0', 'v1'] } } },
      { do: 'update', patch: { metadata: { labels: { a: 'c' } } } },
      { do: 'update', sub: 'status', patch: { status: { storedVersions: ['v1'] }, spec: { scope: 'Cluster' } } },
      {
        do: 'patch',
        sub: 'status',
        type: merge,
        patch: { status: { conditions: [{ type: 'Odd', status: 'True', reason: 'a', message: 'b', lastTransitionTime: null }] } },
      },
      { do: 'delete' },
      gone('lives'),
    ],
  },
  {
    name: 'CustomResourceDefinition: names that are taken',
    at,
    steps: [
      {
        do: 'create',
        body: definition('firsts', [version(object({}))], { names: { plural: 'firsts', kind: 'First', shortNames: ['f'] } }),
      },
      established('firsts'),
      {
        do: 'create',
        body: definition('seconds', [version(object({}))], {
          names: { plural: 'seconds', kind: 'First', singular: 'first', shortNames: ['f', 'x'] },
        }),
      },
      { do: 'wait', path: `${at}/seconds.${group}`, shows: '"type":"NamesAccepted"' },
      { do: 'get' },
      { do: 'request', method: 'GET', path: of('seconds'), bare: true },
      { do: 'delete', at: `${at}/seconds.${group}` },
      gone('seconds'),
    ],
  },
  {
    name: 'Custom resources: decoding, defaults and pruning',
    at,
    steps: [
      { do: 'create', body: definition('riches', [richVersion], { names: { plural: 'riches', kind: 'Riche' } }) },
      established('riches'),
      { do: 'create', at: of('riches'), body: named('riches', 'a', spec({})) },
      { do: 'create', at: of('riches'), body: named('riches', 'a', spec({})) },
      { do: 'table' },
      {
        do: 'create',
        at: of('riches'),
        body: named('riches', 'b', {
          extra: 1,
          metadata: { name: 'b', odd: 1, labels: { 'a.b/c': 'd' }, finalizers: ['mine', 'example.com'] },
          spec: {
            unknown: true,
            any: { free: { x: [1] }, known: { a: 'a', b: 'b' } },
            port: '80',
            ports: [
              { name: 'web', port: 80, extra: 1 },
              { name: 'web', protocol: 'UDP' },
            ],
            nothing: null,
            defaulted: null,
            host: null,
            inner: {
              apiVersion: 'v1',
              kind: 'Pod',
              metadata: { name: 'x', creationTimestamp: null, odd: 1 },
              spec: { a: 'b', c: 'd' },
            },
            tags: [],
            ratio: 1.5,
            on: true,
            when: '2020-01-02T03:04:05Z',
          },
          status: { phase: 'dropped' },
        }),
      },
      { do: 'table' },
      { do: 'patch', type: merge, patch: { metadata: { finalizers: null } } },
      {
        do: 'request',
        method: 'POST',
        path: `${of('riches')}?fieldValidation=Strict`,
        body: named('riches', 'c', { x: 1, metadata: { name: 'c', y: 1 }, spec: { z: 1, ports: [{ name: 'a', q: 1 }] } }),
      },
      {
        do: 'request',
        method: 'POST',
        path: `${of('riches')}?fieldValidation=Ignore&dryRun=All`,
        body: named('riches', 'c', { x: 1, spec: { z: 1 } }),
      },
      { do: 'request', method: 'POST', path: of('riches'), body: named('riches', 'c', { kind: 'Poor', spec: {} }) },
      {
        do: 'request',
        method: 'POST',
        path: of('riches'),
        body: named('riches', 'c', { metadata: { name: 'c', labels: 7 }, spec: {} }),
      },
      { do: 'request', method: 'POST', path: of('riches'), body: [1] },
      { do: 'request', method: 'POST', path: of('riches'), body: named('riches', '-c-', { spec: {} }) },
      { do: 'request', method: 'POST', path: of('riches'), body: { apiVersion: `${group}/v1`, kind: 'Riche', spec: {} } },
      { do: 'request', method: 'POST', path: of('riches'), type: 'application/xml', body: {} },
      { do: 'list', query: '' },
      { do: 'request', method: 'GET', path: `${of('riches')}?fieldSelector=spec.host%3Dlocalhost,spec.on%3Dtrue` },
      { do: 'request', method: 'GET', path: `${of('riches')}?fieldSelector=spec.mode%3Da` },
      { do: 'request', method: 'GET', path: `${of('riches')}/a`, accept: 'application/vnd.kubernetes.protobuf' },
      {
        do: 'request',
        method: 'GET',
        path: `${of('riches')}/a`,
        accept: 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1',
      },
      { do: 'request', method: 'GET', path: `${of('riches')}/a/other` },
      { do: 'request', method: 'GET', path: `/apis/${group}/v1/riches/a` },
      { do: 'request', method: 'PUT', path: of('riches'), body: {} },
      { do: 'request', method: 'GET', path: `/apis/${group}/v1/riches` },
      { do: 'request', method: 'DELETE', path: of('riches'), bare: true },
      { do: 'delete', at: `${at}/riches.${group}` },
      gone('riches'),
    ],
  },
  {
    name: 'Custom resources: validation',
    at,
    steps: [
      { do: 'create', body: definition('riches', [richVersion], { names: { plural: 'riches', kind: 'Riche' } }) },
      established('riches'),
      { do: 'create', at: of('riches'), body: named('riches', 'bad') },
      { do: 'create', at: of('riches'), body: named('riches', 'bad', { spec: 'text' }) },
      { do: 'create', at: of('riches'), body: named('riches', 'bad', { spec: null }) },
      bad({ host: 'UPPER' }),
      bad({ host: 'muchtoolongahost' }),
      bad({ host: 7 }),
      bad({ replicas: -1 }),
      bad({ replicas: 10 }),
      bad({ replicas: 1.5 }),
      bad({ replicas: '1' }),
      bad({ small: 3000000000 }),
      bad({ ratio: 0 }),
      bad({ ratio: 0.3 }),
      bad({ ratio: 'x' }),
      bad({ port: true }),
      bad({ port: 1.5 }),
      bad({ mode: 'c' }),
      bad({ mode: 3 }),
      bad({ ports: {} }),
      bad({ ports: [{ port: 1 }] }),
      bad({ ports: [{ name: 'a' }, { name: 'a' }, { name: 'a' }] }),
      bad({ ports: [{ name: 'a', port: 'x' }, 7] }),
      bad({ few: [] }),
      bad({ few: ['a', 'b', 'c'] }),
      bad({ few: [1] }),
      bad({ tags: ['a', 'b', 'a'] }),
      bad({ tags: 'a' }),
      bad({ inner: { apiVersion: '', kind: '-' } }),
      bad({ inner: { metadata: { name: 'a/b', labels: { '-': 'x' } } } }),
      bad({ inner: { apiVersion: 7, kind: 'a' } }),
      bad({ inner: { apiVersion: 'v1', kind: 'a', metadata: { labels: 3 } } }),
      bad({ either: {} }),
      bad({ either: { left: 'a', right: 'b' } }),
      bad({ some: {} }),
      bad({ all: {} }),
      bad({ all: { left: 'a' } }),
      bad({ all: { left: 'a', right: 'b' } }),
      bad({ counts: {} }),
      bad({ counts: { a: 1, b: 2, c: 3 } }),
      bad({ counts: { a: 'x' } }),
      bad({ when: 'yesterday' }),
      bad({ address: '::1' }),
      bad({ on: 'yes' }),
      { do: 'delete', at: `${at}/riches.${group}` },
      gone('riches'),
    ],
  },
  {
    name: 'Custom resources: updates, patches and apply',
    at,
    steps: [
      { do: 'create', body: definition('riches', [richVersion], { names: { plural: 'riches', kind: 'Riche' } }) },
      established('riches'),
      { do: 'create', at: of('riches'), body: named('riches', 'a', spec({ replicas: 2, any: { list: [1, 2] } })) },
      { do: 'update', patch: { metadata: { labels: { a: 'b' } } } },
      { do: 'update', patch: { spec: { replicas: 3 }, status: { phase: 'x' } } },
      { do: 'update', patch: { metadata: { resourceVersion: null } } },
      { do: 'update', patch: { spec: { replicas: 99 } } },
      {
        do: 'update',
        sub: 'status',
        patch: { metadata: { labels: { c: 'd' } }, spec: { replicas: 5 }, status: { phase: 'on', replicas: 2 } },
      },
      { do: 'update', sub: 'status', patch: { status: { phase: 'muchtoolong' } } },
      { do: 'patch', sub: 'status', type: merge, patch: { status: { selector: 'a=b', odd: 1 } } },
      { do: 'get', sub: 'scale' },
      { do: 'update', sub: 'scale', patch: { spec: { replicas: 4 } } },
      { do: 'update', sub: 'scale', patch: { spec: { replicas: -4 } } },
      { do: 'patch', sub: 'scale', type: merge, patch: { spec: { replicas: 6 } } },
      { do: 'get' },
      {
        do: 'patch',
        type: jsonPatch,
        patch: [
          { op: 'add', path: '/spec/tags', value: ['x'] },
          { op: 'add', path: '/spec/odd', value: 1 },
        ],
      },
      { do: 'patch', type: 'application/strategic-merge-patch+json', patch: {} },
      { do: 'patch', type: merge, patch: { spec: { host: null, tags: null, mode: 'zz' } } },
      { do: 'patch', type: merge, patch: { spec: { host: null, tags: null } } },
      { do: 'patch', type: apply, patch: named('riches', 'a', spec({ ports: [{ name: 'p', port: 1 }], replicas: 6 })) },
      { do: 'patch', type: apply, patch: named('riches', 'a', spec({ replicas: 7 })) },
      { do: 'patch', type: apply, patch: named('riches', 'a', spec({ ports: [{ name: 'q', protocol: 'UDP' }], odd: 1 })) },
      { do: 'patch', type: apply, patch: named('riches', 'a', spec({ ports: [{ name: 'q', protocol: 'UDP' }] })) },
      { do: 'patch', type: apply, patch: named('riches', 'a', spec({ replicas: 'x' })) },
      { do: 'get' },
      { do: 'delete' },
      { do: 'delete', at: `${at}/riches.${group}` },
      gone('riches'),
    ],
  },
  {
    name: 'Custom resources: a Scale that was never set',
    at,
    steps: [
      {
        do: 'create',
        body: definition('unsets', [
          version(object({ spec: object({ size: { type: 'integer' }, now: { type: 'integer' } }) }), {
            subresources: { scale: { specReplicasPath: '.spec.size', statusReplicasPath: '.status.now' } },
          }),
        ]),
      },
      established('unsets'),
      { do: 'create', at: of('unsets'), body: named('unsets', 'a') },
      { do: 'get', sub: 'scale' },
      { do: 'patch', sub: 'scale', type: merge, patch: { metadata: { labels: { a: 'b' } } } },
      { do: 'patch', sub: 'scale', type: merge, patch: { spec: { replicas: 2 } } },
      { do: 'get' },
      { do: 'patch', type: merge, patch: { spec: null } },
      { do: 'request', method: 'PUT', path: `${of('unsets')}/a/scale`, body: { metadata: { name: 'a' }, spec: { replicas: 3 } } },
      { do: 'get', sub: 'scale' },
      { do: 'patch', type: merge, patch: { spec: null } },
      { do: 'request', method: 'PUT', path: `${of('unsets')}/a/scale`, body: { metadata: { name: 'a' } } },
      { do: 'get' },
      { do: 'delete' },
      { do: 'delete', at: `${at}/unsets.${group}` },
      gone('unsets'),
    ],
  },
  {
    name: 'Custom resources: numbers that no double holds',
    at,
    steps: [
      {
        do: 'create',
        body: definition('wides', [
          version(
            object({
              spec: object({
                n: { type: 'integer', format: 'int64', maximum: 2 ** 60 },
                small: { type: 'integer', format: 'int32' },
                few: { type: 'integer', enum: [1, 9007199254740993n] },
                x: { type: 'number' },
                text,
                port: { 'x-kubernetes-int-or-string': true },
                set: { type: 'array', 'x-kubernetes-list-type': 'set', items: { type: 'integer' } },
                any: object({}, { 'x-kubernetes-preserve-unknown-fields': true }),
                ruled: {
                  type: 'integer',
                  'x-kubernetes-validations': [{ rule: 'self != 9007199254740993', messageExpression: 'string(self)' }],
                },
              }),
            }),
            {
              additionalPrinterColumns: [
                { name: 'N', type: 'integer', jsonPath: '.spec.n' },
                { name: 'X', type: 'number', jsonPath: '.spec.n' },
                { name: 'Text', type: 'string', jsonPath: '.spec.n' },
                { name: 'Any', type: 'string', jsonPath: '.spec.any' },
              ],
              selectableFields: [{ jsonPath: '.spec.n' }],
            },
          ),
        ]),
      },
      established('wides'),
      {
        do: 'create',
        at: of('wides'),
        body: named(
          'wides',
          'a',
          spec({ n: 9007199254740993n, any: { least: -(2n ** 63n), list: [2n ** 63n - 1n, 2n ** 63n] } }),
        ),
      },
      { do: 'get' },
      { do: 'table' },
      { do: 'list', query: 'fieldSelector=spec.n=9007199254740993' },
      { do: 'update', patch: { spec: { port: 9007199254740995n } } },
      { do: 'update', patch: { spec: { any: { other: 1 } } } },
      { do: 'patch', type: merge, patch: { spec: { x: 9007199254740993n, few: 9007199254740993n } } },
      { do: 'patch', type: jsonPatch, patch: [{ op: 'test', path: '/spec/n', value: 9007199254740993n }] },
      { do: 'patch', type: jsonPatch, patch: [{ op: 'test', path: '/spec/n', value: 9007199254740992 }] },
      { do: 'patch', type: jsonPatch, patch: [{ op: 'copy', from: '/spec/n', path: '/spec/any/copied' }] },
      { do: 'patch', type: apply, patch: named('wides', 'a', spec({ set: [9007199254740993n, 9007199254740995n, 2] })) },
      { do: 'patch', type: apply, patch: named('wides', 'a', spec({ set: [9007199254740993n, 2] })) },
      { do: 'patch', type: apply, patch: named('wides', 'a', spec({ set: [9007199254740993n, 9007199254740993n] })) },
      { do: 'patch', type: merge, patch: { spec: { few: 9007199254740992 } } },
      { do: 'patch', type: merge, patch: { spec: { small: 9007199254740993n } } },
      { do: 'patch', type: merge, patch: { spec: { n: 2n ** 62n + 1n } } },
      { do: 'patch', type: merge, patch: { spec: { n: 2n ** 63n } } },
      { do: 'patch', type: merge, patch: { spec: { text: 9007199254740993n } } },
      { do: 'patch', type: merge, patch: { spec: { ruled: 9007199254740993n } } },
      { do: 'patch', type: merge, patch: { spec: { ruled: 9007199254740992 } } },
      { do: 'get' },
      { do: 'delete' },
      { do: 'delete', at: `${at}/wides.${group}` },
      gone('wides'),
    ],
  },
  {
    name: 'Custom resources: several versions',
    at,
    steps: [
      {
        do: 'create',
        body: definition(
          'manies',
          [
            version(object({ spec: object({ a: text, b: { type: 'string', default: 'one' } }) }), { name: 'v1' }),
            version(object({ spec: object({ a: text, c: text }) }), {
              name: 'v1beta1',
              storage: false,
              deprecated: true,
            }),
            version(object({ spec: object({ a: text }) }), {
              name: 'v2alpha1',
              storage: false,
              deprecated: true,
              deprecationWarning: 'never use it',
            }),
            version(object({}), { name: 'v0', storage: false, served: false }),
          ],
          { names: { plural: 'manies', kind: 'Manie' }, scope: 'Cluster' },
        ),
      },
      established('manies'),
      { do: 'create', at: `/apis/${group}/v1/manies`, body: named('manies', 'x', spec({ a: 'a', c: 'pruned' })) },
      { do: 'request', method: 'GET', path: `/apis/${group}/v1beta1/manies/x` },
      { do: 'request', method: 'GET', path: `/apis/${group}/v2alpha1/manies` },
      { do: 'request', method: 'GET', path: `/apis/${group}/v0/manies` },
      {
        do: 'request',
        method: 'POST',
        path: `/apis/${group}/v1beta1/manies`,
        body: { apiVersion: `${group}/v1beta1`, kind: 'Manie', metadata: { name: 'y' }, spec: { a: 'b', b: 'pruned' } },
      },
      { do: 'request', method: 'GET', path: `/apis/${group}/v1/manies/y` },
      { do: 'request', method: 'PATCH', path: `/apis/${group}/v1beta1/manies/x`, type: merge, body: { spec: { a: 'c' } } },
      {
        do: 'request',
        method: 'PATCH',
        path: `/apis/${group}/v1beta1/manies/x?fieldManager=me`,
        type: apply,
        body: { apiVersion: `${group}/v1beta1`, kind: 'Manie', metadata: { name: 'x' }, spec: { a: 'c' } },
      },
      // What v1 defaulted, v1beta1 does not know.
      {
        do: 'request',
        method: 'PATCH',
        path: `/apis/${group}/v1/manies/y?fieldManager=me`,
        type: apply,
        body: { apiVersion: `${group}/v1`, kind: 'Manie', metadata: { name: 'y' }, spec: { a: 'b', b: 'two' } },
      },
      {
        do: 'request',
        method: 'POST',
        path: `/apis/${group}/v2alpha1/manies`,
        body: { apiVersion: `${group}/v2alpha1`, kind: 'Manie', metadata: { name: 'z' }, spec: { a: 'z' } },
      },
      {
        do: 'request',
        method: 'PATCH',
        path: `/apis/${group}/v2alpha1/manies/z?fieldManager=me`,
        type: apply,
        body: { apiVersion: `${group}/v2alpha1`, kind: 'Manie', metadata: { name: 'z' }, spec: { a: 'z' } },
      },
      { do: 'request', method: 'PATCH', path: `/apis/${group}/v1/manies/z`, type: merge, body: { spec: { b: 'three' } } },
      { do: 'request', method: 'GET', path: `/apis/${group}/v1/manies/z` },
      { do: 'wait', path: `/apis/${group}`, shows: 'v2alpha1' },
      { do: 'request', method: 'GET', path: `/apis/${group}` },
      { do: 'request', method: 'GET', path: `/apis/${group}/v1` },
      { do: 'delete', at: `${at}/manies.${group}` },
      gone('manies'),
      { do: 'request', method: 'GET', path: `/apis/${group}/v1/manies`, bare: true },
    ],
  },
];
