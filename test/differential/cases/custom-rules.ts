import type { Case, Step } from '../replay.js';

const at = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const group = 'rules.example.com';
const merge = 'application/merge-patch+json';
const apply = 'application/apply-patch+yaml';

const text = { type: 'string' };
const integer = { type: 'integer' };
const object = (properties: object, more: object = {}): object => ({ type: 'object', properties, ...more });
const validations = (...rules: (object | string)[]): object => ({
  'x-kubernetes-validations': rules.map(rule => (typeof rule === 'string' ? { rule } : rule)),
});
const ruled = (properties: object, ...rules: (object | string)[]): object => object(properties, validations(...rules));

function definition(plural: string, schema: object, more: object = {}): object {
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      scope: 'Namespaced',
      names: { plural, kind: kindOf(plural) },
      versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: schema }, ...more }],
    },
  };
}

function kindOf(plural: string): string {
  return `${plural[0]!.toUpperCase()}${plural.slice(1, -1)}`;
}

const of = (plural: string): string => `/apis/${group}/v1/namespaces/default/${plural}`;
const named = (plural: string, name: string, rest: object = {}): object => ({
  apiVersion: `${group}/v1`,
  kind: kindOf(plural),
  metadata: { name },
  ...rest,
});
const established = (plural: string): Step => ({
  do: 'wait',
  path: `${at}/${plural}.${group}`,
  shows: '"type":"Established","status":"True"',
});
const wrong = (schema: object): Step => ({ do: 'create', body: definition('wrongs', schema) });
const wrongRule = (...rules: (object | string)[]): Step =>
  wrong(object({ spec: ruled({ a: text, n: integer, more: { type: 'object', additionalProperties: text } }, ...rules) }));
const list = (items: object, more: object = {}): object => ({ type: 'array', items, ...more });
const keyed = { 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['name'] };
const nested = 'self.all(a, self.all(b, self.all(c, a == b || b == c)))';

const short = { type: 'string', maxLength: 20 };
const bound = object({
  spec: ruled(
    {
      size: { ...integer, ...validations({ rule: 'self < 100', message: ' at most 100 ', reason: 'FieldValueForbidden' }) },
      low: integer,
      high: integer,
      name: { ...short, ...validations('self.startsWith("a")', { rule: 'self != "a"', messageExpression: '"not " + self' }) },
      ratio: { type: 'number', ...validations('self < 2.0') },
      on: { type: 'boolean', ...validations({ rule: 'self', reason: 'FieldValueDuplicate' }) },
      port: { 'x-kubernetes-int-or-string': true, ...validations('self + 1 > 2') },
      counts: {
        type: 'object',
        maxProperties: 9,
        additionalProperties: { ...integer, ...validations('self > 0') },
        ...validations('size(self) < 3'),
      },
      parts: list(
        {
          ...ruled({ name: short, value: integer, once: short }, 'self.value > 0', {
            rule: 'has(self.once) && self.once == oldSelf.once',
            message: 'once is forever',
            fieldPath: '.once',
          }),
          required: ['name'],
        },
        { ...keyed, maxItems: 9 },
      ),
      tags: list({ ...short, ...validations('self != "bad"') }, { 'x-kubernetes-list-type': 'set', maxItems: 9 }),
      loose: list({ ...integer, ...validations('self % 2 == 0') }, { maxItems: 9 }),
      when: { type: 'string', format: 'date-time', ...validations('self > timestamp("2020-01-01T00:00:00Z")') },
      'x-y.z': { ...integer, ...validations('self > 0') },
      '1odd ': { ...integer, ...validations('self > 0') },
      maybe: { ...short, nullable: true, ...validations('self == "x"') },
      inner: {
        type: 'object',
        'x-kubernetes-embedded-resource': true,
        properties: { spec: object({ a: short }) },
        ...validations('self.metadata.name == "inner"', 'self.kind == "Pod"'),
      },
      first: {
        ...short,
        ...validations({ rule: 'oldSelf.hasValue() ? self == oldSelf.value() : self == "first"', optionalOldSelf: true }),
      },
    },
    '!has(self.low) || self.low <= self.high',
    { rule: '!has(self.high) || self.high < 50', fieldPath: '.high', reason: 'FieldValueRequired', message: 'less' },
    {
      rule: '!has(self.counts) || !("x" in self.counts)',
      fieldPath: ".counts['x']",
      messageExpression: '"line\\nbreak"',
      message: 'no x',
    },
    { rule: '!has(self.name) || self.name != "ab"', messageExpression: '"" + [self.name][size(self.name)]' },
    { rule: '!has(self.name) || self.name != "ac"', messageExpression: '"  "' },
    { rule: '!has(self.name) || self.name != "ad"', messageExpression: '"x".replace("x", self.name)' },
    { rule: '!has(self.size) || self.size >= oldSelf.size', message: 'size only grows' },
  ),
  status: ruled({ phase: { ...short, ...validations('self != "Wrong"') } }, { rule: 'self.phase != "" || true', message: 'x' }),
});
const bad = (fields: object): Step => ({ do: 'create', at: of('bounds'), body: named('bounds', 'bad', { spec: fields }) });

const costly = 'self.all(x, self.all(y, self.all(z, x == y || y == z || x.contains(z))))';

export const customRuleCases: readonly Case[] = [
  {
    name: 'Rules: definitions that are refused',
    at,
    steps: [
      wrongRule(''),
      wrongRule('  '),
      wrongRule('self.a =='),
      wrongRule('self.a == 1'),
      wrongRule('self.b == "x"', 'self.a'),
      wrongRule('self.more'),
      wrongRule('self.a', 'size(self.a)'),
      wrongRule('dyn(self.a)'),
      wrongRule('[1, "a"].size() == 2'),
      wrongRule('self.a.matches("(")'),
      wrongRule('authorizer == null'),
      wrongRule({ rule: 'true', message: ' ' }),
      wrongRule({ rule: 'true', message: 'a\nb' }),
      wrongRule('true\n&& true'),
      wrongRule({ rule: 'true\n&& true', message: 'both' }, 'x'),
      wrongRule({ rule: 'true', messageExpression: ' ' }),
      wrongRule({ rule: 'true', messageExpression: '1' }),
      wrongRule({ rule: 'true', messageExpression: 'self.' }),
      wrongRule({
        rule: 'true',
        messageExpression: 'self.nothing',
        message: 'm <b>',
        reason: 'FieldValueInvalid',
        fieldPath: '.a',
      }),
      wrongRule({ rule: 'true', reason: 'Odd' }),
      wrongRule({ rule: 'true', fieldPath: '.b' }),
      wrongRule({ rule: 'true', fieldPath: 'a' }),
      wrongRule({ rule: 'true', fieldPath: '.a.b' }),
      wrongRule({ rule: 'true', fieldPath: ".more['x' ]" }),
      wrongRule({ rule: 'true', fieldPath: ".more['\\q']" }),
      wrongRule({ rule: 'true', fieldPath: ' ' }),
      wrongRule({ rule: 'true', fieldPath: '.a\n' }),
      wrongRule({ rule: 'true', optionalOldSelf: true }),
      wrongRule({ rule: 'true', optionalOldSelf: false }),
      wrongRule({ rule: 'oldSelf.a == self.a', optionalOldSelf: true }),
      wrong(object({ l: list({ ...text, ...validations('self == oldSelf') }) })),
      wrong(object({ l: list({ ...text, ...validations('self == oldSelf') }, { 'x-kubernetes-list-type': 'set' }) })),
      wrong(object({ l: list(object({ m: list(ruled({ name: text }, 'self == oldSelf'), keyed) })) })),
      wrong(
        object({
          l: list(object({ name: { ...text, ...validations('[1].all(oldSelf, oldSelf > 0)') } }, { required: ['name'] })),
        }),
      ),
      wrong(object({ metadata: ruled({ name: text }, 'self.name == "a"', 'self.labels.size() > 0') })),
      wrong(ruled({}, 'self.metadata.name.size() < 9', 'self.metadata.labels.size() > 0', 'self.spec.a == ""')),
      wrong(object({ any: { 'x-kubernetes-preserve-unknown-fields': true, ...validations('true') } })),
      wrong(object({ any: list({ 'x-kubernetes-preserve-unknown-fields': true }, validations('true')) })),
      wrong(object({ a: { type: 'string', allOf: [validations('true')] } })),
      wrong(object({ a: ruled({ b: { type: 'string', default: 7 } }, 'self.x') })),
      wrong(object({ a: ruled({ b: { type: 'string', uniqueItems: true } }, 'self.x'), c: ruled({}, 'self.x') })),
      wrong(object({ a: ruled({ namespace: text, 'a-b': text, __x: text }, 'self.namespace == self.a__dash__b', 'self.zz') })),
    ],
  },
  {
    name: 'Rules: what they may cost',
    at,
    steps: [
      wrong(object({ l: list(text, validations(nested)) })),
      wrong(object({ l: list({ type: 'string', maxLength: 100 }, { maxItems: 100, ...validations(costly) }) })),
      wrong(object({ l: list({ type: 'string', maxLength: 9 }, { maxItems: 160, ...validations(costly) }) })),
      wrong(object({ l: list({ ...text, ...validations('self.contains("x")') }) })),
      wrong(object({ l: list({ ...text, ...validations('self.contains("x")') }, { maxItems: 9 }) })),
      wrong(object({ l: list(list({ ...text, maxLength: 60, ...validations('self.contains("x")') }), { maxItems: 9 }) })),
      wrong(object({ m: { type: 'object', additionalProperties: { type: 'string', ...validations('self.matches("a*")') } } })),
      wrong(
        object(
          Object.fromEntries(
            ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l'].map((name, index) => [
              name,
              list(integer, { maxItems: 2900 + index, ...validations('self.all(a, self.all(b, a <= b))') }),
            ]),
          ),
        ),
      ),
      wrong(
        object({
          a: list(integer, {
            maxItems: 5,
            ...validations({ rule: 'true', messageExpression: 'self.map(a, [a, a, a].map(b, string(b)).join(",")).join("")' }),
          }),
        }),
      ),
      wrong(
        object({
          a: list(text, {
            ...validations({ rule: 'true', messageExpression: 'self.map(a, self.map(b, b).join(",")).join("")' }),
          }),
        }),
      ),
    ],
  },
  {
    name: 'Rules: objects',
    at,
    steps: [
      { do: 'create', body: definition('bounds', bound, { subresources: { status: {} } }) },
      { do: 'create', body: definition('bounds', bound, { subresources: { status: {} } }) },
      established('bounds'),
      bad({ size: 100 }),
      bad({ low: 2, high: 1 }),
      bad({ low: 2 }),
      bad({ high: 50 }),
      bad({ name: 'b' }),
      bad({ name: 'a' }),
      bad({ name: 'ab' }),
      bad({ name: 'ac' }),
      bad({ name: 'ad' }),
      bad({ ratio: 2.5 }),
      bad({ ratio: 3 }),
      bad({ on: false }),
      bad({ port: 'x' }),
      bad({ port: 1 }),
      bad({ counts: { a: 0 } }),
      bad({ counts: { x: 1 } }),
      bad({ counts: { a: 1, b: 2, c: 3 } }),
      bad({ parts: [{ name: 'a', value: 0 }, { name: 'b' }] }),
      bad({ tags: ['good', 'bad'] }),
      bad({ loose: [2, 3] }),
      bad({ when: '2019-01-01T00:00:00Z' }),
      bad({ 'x-y.z': 0, '1odd ': 0 }),
      bad({ maybe: null }),
      bad({ maybe: 'y' }),
      bad({ inner: { apiVersion: 'v1', kind: 'Service', metadata: { name: 'outer' } } }),
      bad({ first: 'second' }),
      bad({ size: 'x', low: 2, high: 1 }),
      {
        do: 'create',
        at: of('bounds'),
        body: named('bounds', 'good', {
          spec: {
            size: 5,
            low: 1,
            high: 2,
            name: 'abc',
            parts: [
              { name: 'a', value: 1, once: 'x' },
              { name: 'b', value: 1, once: 'y' },
            ],
            tags: ['x'],
            loose: [2],
            counts: { a: 1 },
            first: 'first',
          },
        }),
      },
      { do: 'update', patch: { spec: { size: 4 } } },
      { do: 'update', patch: { spec: { size: 6 } } },
      { do: 'update', patch: { spec: { first: 'second' } } },
      { do: 'update', patch: { spec: { first: null } } },
      { do: 'update', patch: { spec: { first: 'second' } } },
      {
        do: 'update',
        patch: {
          spec: {
            parts: [
              { name: 'b', value: 1, once: 'y' },
              { name: 'a', value: 1, once: 'z' },
            ],
          },
        },
      },
      {
        do: 'update',
        patch: {
          spec: {
            parts: [
              { name: 'c', value: 1, once: 'y' },
              { name: 'a', value: 0, once: 'x' },
            ],
          },
        },
      },
      { do: 'patch', type: merge, patch: { spec: { low: 9 } } },
      { do: 'patch', type: apply, patch: named('bounds', 'good', { spec: { low: 9 } }) },
      { do: 'update', sub: 'status', patch: { status: { phase: 'Wrong' } } },
      { do: 'update', sub: 'status', patch: { status: { phase: 'Right' } } },
      { do: 'get' },
    ],
  },
  {
    name: 'Rules: what was wrong before may stay',
    at,
    warnsAtRandom: true,
    steps: [
      {
        do: 'create',
        body: definition('stales', {
          type: 'object',
          properties: {
            spec: object({
              a: text,
              b: object({ c: text, d: text }),
              keys: list(object({ name: text, v: integer }, { required: ['name'] }), keyed),
              plain: list(integer),
              free: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
              map: { type: 'object', additionalProperties: integer },
            }),
          },
        }),
      },
      established('stales'),
      {
        do: 'create',
        at: of('stales'),
        body: named('stales', 'a', {
          spec: {
            a: 'bad',
            b: { c: 'bad', d: 'x' },
            keys: [
              { name: 'a', v: -1 },
              { name: 'b', v: -1 },
            ],
            plain: [-1, 2],
            free: { x: 1 },
            map: { a: -1 },
          },
        }),
      },
      { do: 'get' },
      {
        do: 'request',
        method: 'PATCH',
        path: `${at}/stales.${group}`,
        type: merge,
        bare: true,
        body: {
          spec: {
            versions: [
              {
                name: 'v1',
                served: true,
                storage: true,
                schema: {
                  openAPIV3Schema: {
                    type: 'object',
                    properties: {
                      spec: object({
                        a: { ...short, ...validations('self != "bad"') },
                        b: ruled(
                          { c: short, d: short },
                          { rule: 'self.c != "bad"', message: 'c is bad' },
                          'oldSelf.c == self.c && false',
                        ),
                        keys: list(
                          { ...ruled({ name: short, v: integer }, { rule: 'self.v > 0', fieldPath: '.v' }), required: ['name'] },
                          { ...keyed, maxItems: 9 },
                        ),
                        plain: list({ ...integer, ...validations('self > 0') }, { maxItems: 9 }),
                        free: {
                          type: 'object',
                          'x-kubernetes-preserve-unknown-fields': true,
                          ...validations('1 > 2', 'false'),
                        },
                        map: {
                          type: 'object',
                          maxProperties: 9,
                          additionalProperties: { ...integer, ...validations('self > 0') },
                        },
                      }),
                    },
                  },
                },
              },
            ],
          },
        },
      },
      // Both serve the new schema only a moment later.
      { do: 'wait', path: `/openapi/v3/apis/${group}/v1`, shows: 'c is bad' },
      { do: 'update', patch: { metadata: { labels: { a: 'b' } } } },
      { do: 'update', patch: { spec: { b: { d: 'y' } } } },
      {
        do: 'update',
        patch: {
          spec: {
            b: null,
            free: null,
            keys: [
              { name: 'b', v: -1 },
              { name: 'a', v: -1 },
            ],
          },
        },
      },
      {
        do: 'update',
        patch: {
          spec: {
            b: null,
            free: null,
            keys: [
              { name: 'b', v: -2 },
              { name: 'a', v: -1 },
            ],
          },
        },
      },
      { do: 'update', patch: { spec: { b: null, free: null, plain: [-1, 2, 3] } } },
      { do: 'update', patch: { spec: { b: null, free: null, plain: [1, 2, 3] } } },
      { do: 'update', patch: { spec: { map: { b: -1 } } } },
      { do: 'update', patch: { spec: { a: 'bad', map: { b: 1 } } } },
      { do: 'get' },
    ],
  },
  {
    name: 'Rules: what they cost when they run',
    at,
    steps: [
      {
        do: 'create',
        body: definition(
          'runs',
          object({
            l: list(integer, { maxItems: 1000, ...validations('self.all(a, self.all(b, a <= b + 1))') }),
            g: list(
              list(integer, {
                maxItems: 430,
                ...validations(...['<=', '>=', '=='].map(sign => `self.all(a, self.all(b, a ${sign} b))`)),
              }),
              { maxItems: 8 },
            ),
            m: list({ ...text, maxLength: 9, ...validations('self + "x" != "" && self.matches("a*b*c*")') }, { maxItems: 5000 }),
          }),
        ),
      },
      established('runs'),
      { do: 'create', at: of('runs'), body: named('runs', 'a', { l: Array.from({ length: 10 }, () => 1) }) },
      { do: 'create', at: of('runs'), body: named('runs', 'b', { l: Array.from({ length: 1000 }, () => 1) }) },
      {
        do: 'create',
        at: of('runs'),
        body: named('runs', 'd', { g: Array.from({ length: 8 }, () => Array.from({ length: 380 }, () => 1)) }),
      },
      { do: 'create', at: of('runs'), body: named('runs', 'c', { m: Array.from({ length: 500 }, () => 'abc') }) },
    ],
  },
];
