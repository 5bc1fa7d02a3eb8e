import { describe, expect, it } from '@jest/globals';

import { bindJson, bindValue, toJson } from './bind-value.js';
import { dynType } from './cel-type.js';
import { escapeProperty, unescapeProperty } from './escaping.js';
import { formatValue } from './format-value.js';
import { kubernetesEnvironment } from './kubernetes-environment.js';
import { compile } from './program.js';
import type { CelSchema } from './schema-type.js';
import { schemaSizes, schemaTypeOf, SchemaTypeProvider } from './schema-type.js';
import { CelError } from './values.js';

const text: CelSchema = { type: 'string' };

function compiled(schema: CelSchema, expression: string, isResource = false) {
  const type = schemaTypeOf(schema, { name: 'selfType', isResource })!;
  const environment = kubernetesEnvironment().extend({
    variables: { self: type.type },
    provider: new SchemaTypeProvider(type),
  });
  return compile(environment, expression, { sizes: schemaSizes(type) });
}

/** The value of the expression with `self`, or why there is none. */
function evaluate(schema: CelSchema, self: unknown, expression: string): string {
  const result = compiled(schema, expression);
  if ('errors' in result) return result.errors.split('\n')[0]!.replace(/^ERROR: <input>:/, '');
  const evaluated = result.program.evaluate(new Map([['self', bindValue(self, schema)]]));
  return 'error' in evaluated ? `error: ${evaluated.error}` : formatValue(evaluated.value);
}

function object(properties: Record<string, CelSchema>): CelSchema {
  return { type: 'object', properties };
}

describe('names of properties', () => {
  it.each([
    ['foo', 'foo'],
    ['namespace', '__namespace__'],
    ['a.b', 'a__dot__b'],
    ['a-b/c', 'a__dash__b__slash__c'],
    ['a__b', 'a__underscores__b'],
    ['_a', '_a'],
  ])('%s is written %s', (name, escaped) => {
    expect(escapeProperty(name)).toBe(escaped);
    expect(unescapeProperty(escaped)).toBe(name);
  });

  it('that cannot be written have no form', () => {
    expect(['', '1a', 'a b', 'ä'].map(escapeProperty)).toEqual([undefined, undefined, undefined, undefined]);
    expect(['a__b__c', '__nothing__', 'x__in__'].map(unescapeProperty)).toEqual([undefined, undefined, undefined]);
  });

  it('are escaped in expressions, and words of the language may stand plainly', () => {
    const schema = object({ 'a-b': text, namespace: text, 'x y': text });
    const self = { 'a-b': '1', namespace: '2', 'x y': '3' };
    expect(evaluate(schema, self, 'self.a__dash__b + self.__namespace__ + self.namespace')).toBe('"122"');
    expect(evaluate(schema, self, 'self.x')).toBe("1:5: undefined field 'x'");
  });
});

describe('types of schemas', () => {
  const schema = object({
    count: { type: 'integer' },
    ratio: { type: 'number' },
    on: { type: 'boolean' },
    when: { type: 'string', format: 'date-time' },
    day: { type: 'string', format: 'date' },
    wait: { type: 'string', format: 'duration' },
    data: { type: 'string', format: 'byte' },
    port: { 'x-kubernetes-int-or-string': true },
    tags: { type: 'array', items: text },
    labels: { type: 'object', additionalProperties: text },
    open: { 'x-kubernetes-preserve-unknown-fields': true },
    nested: object({ items: { type: 'array', items: object({ name: text }) } }),
  });
  const self = {
    count: 3,
    ratio: 1.5,
    on: true,
    when: '2020-01-02T03:04:05Z',
    day: '2020-01-02',
    wait: '1h',
    data: 'aGk=',
    port: 'http',
    tags: ['a', 'b'],
    labels: { 'x/y': 'z' },
    open: { a: 1 },
    nested: { items: [{ name: 'n' }] },
  };

  it.each([
    ['self.count + 1', '4'],
    ['self.ratio * 2.0', '3.0'],
    ['self.on ? 1 : 2', '1'],
    ['self.when.getHours()', '3'],
    ['self.day.getDate()', '2'],
    ["self.wait > duration('59m')", 'true'],
    ["self.data == b'hi'", 'true'],
    ["self.port == 'http' || self.port > 80", 'true'],
    ["self.tags.exists(t, t == 'b')", 'true'],
    ["self.labels['x/y']", '"z"'],
    ["self.labels.all(k, k.startsWith('x'))", 'true'],
    ['self.nested.items.map(i, i.name)', '["n"]'],
    ['self.nested.items[0] == self.nested.items[0]', 'true'],
    ['has(self.count) && has(self.nested.items)', 'true'],
    ['self.open', "1:5: undefined field 'open'"],
    ["self.count + 'a'", "1:12: found no matching overload for '_+_' applied to '(int, string)'"],
    ['self.nested.other', "1:12: undefined field 'other'"],
    ['self.count.x', "1:11: type 'int' does not support field selection"],
    ['self.nested.items.name', "1:18: type 'list(selfType.nested.items.@idx)' does not support field selection"],
  ])('%s', (expression, answer) => {
    expect(evaluate(schema, self, expression)).toBe(answer);
  });

  it('without a type that expressions know there is none', () => {
    expect(schemaTypeOf({ 'x-kubernetes-preserve-unknown-fields': true }, { name: 't' })).toBeUndefined();
    expect(schemaTypeOf({ type: 'array' }, { name: 't' })).toBeUndefined();
  });

  it('of whole resources have apiVersion, kind and metadata', () => {
    const resource = object({ spec: object({}) });
    expect(compiled(resource, 'self.metadata.name + self.kind + self.apiVersion', true)).toHaveProperty('program');
    expect(compiled(resource, 'self.metadata.labels', true)).toHaveProperty('errors');
    const embedding = object({ template: { type: 'object', 'x-kubernetes-embedded-resource': true } });
    const embedded = { template: { kind: 'Pod', metadata: { name: 'a', labels: {} } } };
    expect(evaluate(embedding, embedded, 'self.template.metadata.name + self.template.kind')).toBe('"aPod"');
  });
});

describe('values of schemas', () => {
  it('are wrapped, not copied, and give their JSON back', () => {
    const json = { a: [1] };
    const schema = object({ a: { type: 'array', items: { type: 'integer' } } });
    expect(toJson(bindValue(json, schema))).toBe(json);
    expect(toJson(bindJson(json))).toBe(json);
  });

  it('that do not fit are errors when they are read', () => {
    const schema = object({ a: { type: 'integer' }, b: { type: 'integer' }, n: { ...text, nullable: true } });
    expect(evaluate(schema, { a: 'x', b: 1 }, 'self.b')).toBe('1');
    expect(evaluate(schema, { a: 'x', b: 1 }, 'self.a')).toBe('error: invalid data, expected int, got string');
    expect(evaluate(schema, { a: null }, 'has(self.a)')).toBe('false');
    expect(evaluate(schema, {}, 'self.a')).toBe('error: no such key: a');
    expect(bindValue(null, text)).toEqual(new CelError('invalid data, got null for schema with nullable=false'));
    expect(bindValue(null, { ...text, nullable: true })).toBeNull();
    for (const [json, fits] of [
      [[], object({})],
      [{}, { type: 'array', items: text }],
      [[], { type: 'array' }],
      [1, text],
      ['1', { type: 'number' }],
      [1, { type: 'boolean' }],
      [1.5, { 'x-kubernetes-int-or-string': true }],
      [1, {}],
      ['x', { type: 'string', format: 'date' }],
      ['x', { type: 'string', format: 'date-time' }],
      ['x', { type: 'string', format: 'duration' }],
      ['%', { type: 'string', format: 'byte' }],
      [[], { type: 'array', items: text, 'x-kubernetes-list-type': 'other' }],
    ] as [unknown, CelSchema][]) {
      expect(bindValue(json, fits)).toBeInstanceOf(CelError);
    }
  });

  it('do not find what objects inherit', () => {
    const schema: CelSchema = { type: 'object', additionalProperties: text };
    expect(evaluate(schema, {}, "'constructor' in self || has(self.toString)")).toBe('false');
    expect(bindJson(JSON.parse('{"__proto__": 1}'))).toMatchObject({ size: 1 });
  });

  it('of lists stay lists of their schema when something is added, which compare with lists only', () => {
    const schema = object({ list: { type: 'array', items: { type: 'integer' } } });
    expect(evaluate(schema, { list: [1] }, '(self.list + [2])[1] + (self.list + [2])[0]')).toBe('3');
    expect(evaluate(schema, { list: [1] }, "dyn(self.list + []) == 'a'")).toBe('error: no such overload');
    expect(evaluate(schema, { list: [1] }, "dyn([1]) == 'a'")).toBe('false');
  });

  it('of sets are equal in any order, and added without doubles', () => {
    const set: CelSchema = { type: 'array', items: text, 'x-kubernetes-list-type': 'set' };
    const schema = object({ a: set, b: set, c: { type: 'array', items: text } });
    const self = { a: ['x', 'y'], b: ['y', 'x'], c: ['y', 'x'] };
    expect(evaluate(schema, self, "[self.a == self.b, self.c == ['x', 'y'], self.a == ['x']]")).toBe('[true, false, false]');
    expect(evaluate(schema, self, "self.a + ['y', 'z', 'z']")).toBe('["x", "y", "z"]');
    expect(evaluate(schema, self, "(self.a + ['z']) == ['z', 'y', 'x']")).toBe('true');
    expect(evaluate(schema, self, "self.c + ['y']")).toBe('["y", "x", "y"]');
  });

  it('of lists with keys are equal in any order, and added by key', () => {
    const items = object({ name: text, 'the-value': { type: 'integer' } });
    const keyed: CelSchema = {
      type: 'array',
      items,
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['name'],
    };
    const schema: CelSchema = { type: 'array', items: keyed };
    const x = { name: 'x', 'the-value': 1 };
    const y = { name: 'y', 'the-value': 2 };
    const changed = { name: 'x', 'the-value': 9 };
    const equal = (left: unknown[], right: unknown[]): string => evaluate(schema, [left, right], 'self[0] == self[1]');
    expect([equal([x, y], [y, x]), equal([x, y], [y, changed]), equal([x, y], [x])]).toEqual(['true', 'false', 'false']);
    expect(evaluate(schema, [[x], [changed, y]], '(self[0] + self[1]).map(i, i.the__dash__value)')).toBe('[9, 2]');
    expect(evaluate(schema, [[x, y]], "self[0] == self[0].filter(i, i.name == 'y') + self[0]")).toBe('false');
  });

  it('of unknown parts can be compared as a whole', () => {
    const schema: CelSchema = { type: 'array', items: object({ x: { type: 'integer' } }) };
    const equal = (left: unknown, right: unknown): string => evaluate(schema, [left, right], 'self[0] == self[1]');
    expect(equal({ x: 1, more: [1] }, { x: 1, more: [1] })).toBe('true');
    expect(equal({ x: 1, more: [1] }, { x: 1, more: [2] })).toBe('false');
    expect(equal({ x: 1 }, { x: 1, more: [2] })).toBe('false');
  });

  it('without a schema are what JSON says, whole numbers being ints', () => {
    const environment = kubernetesEnvironment().extend({ variables: { object: dynType } });
    const expression = "object.spec.n + 1 == 3 && object.spec.f == 1.5 && object.list.exists(x, x == 'a') && object.none == null";
    const result = compile(environment, expression);
    if ('errors' in result) throw new Error(result.errors);
    const json = { spec: { n: 2, f: 1.5 }, list: [1, 'a', { b: true }], none: null };
    expect(result.program.evaluate(new Map([['object', bindJson(json)]]))).toMatchObject({ value: true });
    expect(toJson(bindJson(json))).toBe(json);
  });
});

describe('estimates by schema', () => {
  const cost = (schema: CelSchema, expression: string): [number, number] => {
    const result = compiled(schema, expression);
    if ('errors' in result) throw new Error(result.errors);
    return [result.estimatedCost.min, result.estimatedCost.max];
  };
  const strings = (limits: Partial<CelSchema>, element: CelSchema = text): CelSchema =>
    object({ list: { type: 'array', items: element, ...limits }, name: { ...text, maxLength: 10 } });

  // Recorded from upstream, as the other answers are.
  it.each<[string, CelSchema, string, number, number]>([
    ['a list without a limit', strings({}), "self.list.all(x, x == 'a')", 3, 5242878],
    ['a list with a limit', strings({ maxItems: 10 }), "self.list.all(x, x == 'a')", 3, 53],
    ['long elements', strings({ maxItems: 10 }, { ...text, maxLength: 20 }), "self.list.all(x, x.contains('b'))", 3, 123],
    [
      'words to choose from',
      strings({ maxItems: 10 }, { ...text, enum: ['a', 'bcd'] }),
      'self.list.all(x, x == self.name)',
      3,
      73,
    ],
    ['a pattern', strings({}), "self.name.matches('a+b')", 3, 7],
    ['a name without a limit', object({ name: text }), "self.name.matches('a+b')", 3, 314575],
    [
      'a map',
      object({ m: { type: 'object', additionalProperties: text, maxProperties: 5 } }),
      'self.m.all(k, self.m[k].size() > k.size())',
      3,
      58,
    ],
  ])('%s', (_, schema, expression, least, most) => {
    expect(cost(schema, expression)).toEqual([least, most]);
  });
});
