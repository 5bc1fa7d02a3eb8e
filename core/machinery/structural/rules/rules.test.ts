import { describe, expect, it } from '@jest/globals';
import { FieldErrors, fieldPath } from '../../field-errors.js';
import type { JsonSchema, ValidationRule } from '../json-schema.js';
import { CelRuleEngine } from '../rule-engine.js';
import { CorrelatedValue } from './correlated-value.js';

const engine = new CelRuleEngine();
const text: JsonSchema = { type: 'string' };
const integer: JsonSchema = { type: 'integer' };

function ruled(schema: JsonSchema, ...rules: (string | ValidationRule)[]): JsonSchema {
  return { ...schema, 'x-kubernetes-validations': rules.map(rule => (typeof rule === 'string' ? { rule } : rule)) };
}

function object(properties: Record<string, JsonSchema>, more: JsonSchema = {}): JsonSchema {
  return { type: 'object', properties, ...more };
}

const shown = (errors: FieldErrors): string[] => errors.list.map(({ field, body }) => `${field}: ${body}`);

async function check(schema: JsonSchema, more: { unsound?: JsonSchema[]; limitsEach?: boolean } = {}): Promise<string[]> {
  const errors = new FieldErrors();
  const { unsound = [], limitsEach = true } = more;
  await engine.check(schema, { path: fieldPath('schema'), unsound: new Set(unsound), limitsEach }, errors);
  return shown(errors);
}

async function run(schema: JsonSchema, value: object, old?: object): Promise<{ errors: string[]; warnings: string[] }> {
  const errors = new FieldErrors();
  const warnings: string[] = [];
  const rules = await engine.prepare(schema);
  rules!.validate(value, old, { errors, warn: warning => warnings.push(warning) });
  return { errors: shown(errors), warnings };
}

const failing = async (schema: JsonSchema, value: object, old?: object): Promise<string[]> =>
  (await run(schema, value, old)).errors;

describe('rules of definitions', () => {
  const advice =
    '(try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)';

  it('are nothing to a schema without any', async () => {
    expect(await check(object({ a: text }))).toEqual([]);
    expect(await engine.prepare(object({ a: text }))).toBeUndefined();
  });

  it('have to compile to a bool, and their message to a string', async () => {
    const rule = { rule: 'self', messageExpression: 'self.nothing' };
    expect(await check(object({ a: ruled(text, rule) }))).toEqual([
      'schema.properties[a].x-kubernetes-validations[0].rule: Invalid value: ' +
        '{"Rule":"self","Message":"","MessageExpression":"self.nothing","Reason":null,"FieldPath":"","OptionalOldSelf":null}: ' +
        'cel expression must evaluate to a bool',
    ]);
    const [first, second] = await check(object({ a: ruled(text, { rule: 'true', messageExpression: '1' }, 'self ==') }));
    expect(first).toMatch(/messageExpression: Invalid value: .*messageExpression must evaluate to a string$/);
    expect(second).toMatch(/compilation failed: ERROR: <input>:1:8: Syntax error/);
    const [odd] = await check(object({ a: ruled(text, { rule: 'true', messageExpression: 'self.' }) }));
    expect(odd).toMatch(/messageExpression compilation failed: ERROR/);
    const [pattern] = await check(object({ a: ruled(text, 'self.matches("(")') }));
    expect(pattern).toMatch(/compilation failed: ERROR: <input>:1:14: invalid matches argument/);
  });

  it('are silent of parts that are wrong otherwise, and of what has no type', async () => {
    const part = ruled(text, 'self == 1');
    expect(await check(object({ a: part }), { unsound: [part] })).toEqual([]);
    const [none] = await check(object({ a: ruled({ 'x-kubernetes-preserve-unknown-fields': true }, 'true') }));
    expect(none).toMatch(/x-kubernetes-validations: Internal error: internal error: failed to construct type information/);
  });

  it('may compare with what was before only where that can be told', async () => {
    const name: JsonSchema = { ...text, maxLength: 9 };
    const items = object({ name: ruled(name, 'self == oldSelf') }, { required: ['name'] });
    const keys = { 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['name'] };
    const keyed: JsonSchema = { type: 'array', maxItems: 9, ...keys, items };
    expect(await check(object({ l: keyed }))).toEqual([]);
    const [loose] = await check(object({ l: { type: 'array', maxItems: 9, items: object({ l: keyed }) } }));
    expect(loose).toBe(
      'schema.properties[l].items.properties[l].items.properties[name].x-kubernetes-validations[0].rule: Invalid value: ' +
        '"self == oldSelf": oldSelf cannot be used on the uncorrelatable portion of the schema within schema.properties[l]',
    );
    const [optional] = await check(object({ a: ruled(text, { rule: 'self != ""', optionalOldSelf: true }) }));
    expect(optional).toMatch(/optionalOldSelf: Invalid value: true: may not be set if oldSelf is not used in rule$/);
  });

  it('are limited in cost, one by one and together', async () => {
    const list = (maxItems: number): JsonSchema =>
      ruled({ type: 'array', items: integer, maxItems }, 'self.all(a, self.all(b, a <= b))');
    expect(await check(object({ l: list(100) }))).toEqual([]);
    const [much] = await check(object({ l: list(100_000) }));
    expect(much).toBe(
      `schema.properties[l].x-kubernetes-validations[0].rule: Forbidden: estimated rule cost exceeds budget by factor of more than 100x ${advice}`,
    );
    const many = object(Object.fromEntries(Array.from('abcdefghijklmnopqrst', name => [name, list(1000)])));
    const found = await check(many);
    expect(found.filter(each => each.includes('contributed to estimated rule cost total'))).toHaveLength(4);
    expect(found.at(-1)).toMatch(
      /^schema: Forbidden: x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema/,
    );
    // What was there before may be as expensive as it is.
    expect(
      (await check(object({ l: list(2000) }), { limitsEach: false })).filter(each => each.includes('estimated rule cost e')),
    ).toEqual([]);
    const messages = ruled(
      { type: 'array', items: text },
      {
        rule: 'true',
        messageExpression: 'self.map(a, self.map(b, b).join("")).join("")',
      },
    );
    expect((await check(object({ l: messages })))[0]).toMatch(
      /messageExpression: Forbidden: estimated messageExpression cost exceeds/,
    );
  });
});

describe('rules of objects', () => {
  it('say what failed: by the rule, a message or an expression', async () => {
    const of = (rule: ValidationRule): Promise<string[]> => failing(object({ a: ruled(text, rule) }), { a: 'b' });
    const rule = ' self == "a" ';
    expect(await of({ rule })).toEqual(['a: Invalid value: "b": failed rule: self == "a"']);
    expect(await of({ rule, message: ' no ' })).toEqual(['a: Invalid value: "b": no']);
    expect(await of({ rule, messageExpression: '"not " + self' })).toEqual(['a: Invalid value: "b": not b']);
    // Expressions that give nothing to show.
    for (const messageExpression of ['" "', '"a\\nb"', 'string(1 / 0)', `"${'x'.repeat(2049)}"`]) {
      expect(await of({ rule, messageExpression, message: 'no' })).toEqual(['a: Invalid value: "b": no']);
    }
    expect(await of({ rule, reason: 'FieldValueForbidden' })).toEqual(['a: Forbidden: failed rule: self == "a"']);
    expect(await of({ rule, reason: 'FieldValueRequired' })).toEqual(['a: Required value: failed rule: self == "a"']);
    expect(await of({ rule, reason: 'FieldValueDuplicate' })).toEqual(['a: Duplicate value: "b"']);
    const whole = ruled(object({ a: text }), { rule: 'self.a == "a"', fieldPath: '.a', message: 'no' });
    expect(await failing(object({ s: whole }), { s: { a: 'b' } })).toEqual(['s.a: Invalid value: no']);
    expect(await failing(ruled(object({}), 'self.metadata.name == "a"'), { metadata: { name: 'b' } })).toEqual([
      '<nil>: Invalid value: failed rule: self.metadata.name == "a"',
    ]);
  });

  it('say why they could not be evaluated', async () => {
    const port = ruled({ 'x-kubernetes-int-or-string': true }, 'self + 1 > 2');
    expect(await failing(object({ port }), { port: 'x' })).toEqual([
      `port: Invalid value: "": 'no such overload': call arguments did not match a supported operator, function or macro signature for rule: self + 1 > 2`,
    ]);
    const map = ruled(
      { type: 'object', additionalProperties: integer },
      { rule: 'self["x"] > 0', message: 'x' },
      '1 / self.a > 1',
    );
    expect(await failing(object({ map }), { map: { a: 0 } })).toEqual([
      'map: Invalid value: "object": no such key: x evaluating rule: x',
      'map: Invalid value: "object": division by zero evaluating rule: 1 / self.a > 1',
    ]);
    expect(await failing(object({ a: ruled(text, 'self ==', '') }), { a: 'a' })).toEqual([
      expect.stringMatching(/^a: Invalid value: "string": rule compile error: compilation failed: ERROR/),
    ]);
    const any = ruled({ 'x-kubernetes-preserve-unknown-fields': true }, 'true');
    expect(await failing(object({ any }), { any: 1 })).toEqual([
      'any: Invalid value: "": rule compiler initialization error: failed to convert to declType for CEL validation rules',
    ]);
  });

  it('see values, not their absence', async () => {
    const schema = object({ a: ruled({ ...text, nullable: true }, 'false') });
    expect(await failing(schema, { a: null })).toEqual([]);
    expect(await failing(schema, {})).toEqual([]);
  });

  it('compare with what was before where there is something', async () => {
    const items = object({ name: text, v: ruled(integer, 'self >= oldSelf') });
    const schema = object({
      a: ruled(integer, 'self >= oldSelf'),
      first: ruled(text, { rule: 'oldSelf.hasValue() ? self == oldSelf.value() : self == "x"', optionalOldSelf: true }),
      l: { type: 'array', 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['name', 'v2'], items },
      m: { type: 'object', additionalProperties: ruled(integer, 'self >= oldSelf') },
    });
    const low = { a: 1, first: 'x', l: [{ name: 'a', v2: 1, v: 1 }, { name: 'b' }, 7], m: { k: 1, n: 1 } };
    const high = {
      a: 2,
      first: 'y',
      l: [
        { name: 'c', v2: 1, v: 2 },
        { name: 'a', v2: 1, v: 2 },
      ],
      m: { k: 2 },
    };
    expect(await failing(schema, low)).toEqual([]);
    expect(await failing(schema, high)).toEqual([
      'first: Invalid value: "y": failed rule: oldSelf.hasValue() ? self == oldSelf.value() : self == "x"',
    ]);
    expect(await failing(schema, { ...low, l: low.l.slice(0, 1) }, { ...high, first: 'x' })).toEqual([
      'a: Invalid value: 1: failed rule: self >= oldSelf',
      'l[0].v: Invalid value: 1: failed rule: self >= oldSelf',
      'm[k]: Invalid value: 1: failed rule: self >= oldSelf',
    ]);
  });

  it('let stand what an update did not change, with a warning', async () => {
    const schema = object({
      kind: ruled(text, 'false'),
      a: ruled(text, 'self != "bad"'),
      b: ruled(object({ c: text }), 'false', 'oldSelf.c != self.c'),
      l: { type: 'array', items: ruled(integer, 'self > 0') },
    });
    const old = { kind: 'K', a: 'bad', b: { c: 'x' }, l: [-1] };
    const { errors, warnings } = await run(schema, { ...old, l: [-1] }, old);
    expect(errors).toEqual([
      'kind: Invalid value: "K": failed rule: false',
      'b: Invalid value: failed rule: oldSelf.c != self.c',
    ]);
    expect(warnings).toEqual([
      'a: Invalid value: "bad": failed rule: self != "bad"',
      'b: Invalid value: failed rule: false',
      'l[0]: Invalid value: -1: failed rule: self > 0',
    ]);
    expect(await failing(schema, { l: [-1, 1] }, { l: [-1] })).toEqual(['l[0]: Invalid value: -1: failed rule: self > 0']);
  });

  it('stop when they cost too much', async () => {
    const list: JsonSchema = { type: 'array', items: integer };
    const each = (count: number): number[] => Array.from({ length: count }, () => 1);
    const square = 'self.all(a, self.all(b, a <= b))';
    const [one, ...others] = await failing(object({ l: ruled(list, square), m: ruled(integer, 'false') }), {
      l: each(900),
      m: 1,
    });
    expect(one).toMatch(
      /^l: Invalid value: "array": 'operation cancelled: actual cost limit exceeded': no further validation rules will be run due to call cost exceeds limit for rule: self.all/,
    );
    expect(others).toEqual([]);
    const lists: JsonSchema = { type: 'array', items: ruled(list, square) };
    const spent = await failing(object({ l: lists }), { l: Array.from({ length: 40 }, () => each(400)) });
    expect(spent).toHaveLength(1);
    expect(spent[0]).toMatch(/^l\[\d+\]: Invalid value: "array": validation failed due to running out of cost budget/);
    const messageExpression = `self.all(a, self.all(b, a <= b)) ? "x" : "y"`;
    const [fatal] = await failing(object({ l: ruled(list, { rule: 'false', messageExpression }, 'false') }), { l: each(900) });
    expect(fatal).toMatch(
      /^l: Invalid value: "array": no further validation rules will be run due to call cost exceeds limit for messageExpression: "self/,
    );
    const several = { type: 'array', items: ruled(list, { rule: 'false', messageExpression }) };
    const last = (await failing(object({ l: several }), { l: Array.from({ length: 40 }, () => each(400)) })).at(-1);
    expect(last).toMatch(
      /messageExpression evaluation failed due to running out of cost budget, no further validation rules will be run$/,
    );
  });
});

describe('CorrelatedValue', () => {
  const items = object({ name: text, v: integer });
  const keyed: JsonSchema = { type: 'array', 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['name'], items };

  it('takes items by their keys, and other lists as they stand', () => {
    const [a, b] = [
      { name: 'a', v: 1 },
      { name: 'b', v: 2 },
    ];
    expect(new CorrelatedValue([a, b], [b, a], keyed).isEqual).toBe(true);
    expect(new CorrelatedValue([a, b], [b, { ...a, v: 3 }], keyed).isEqual).toBe(false);
    expect(new CorrelatedValue([a], [b], keyed).isEqual).toBe(false);
    expect(new CorrelatedValue([a, b], [b, a], { type: 'array', items }).isEqual).toBe(false);
    expect(new CorrelatedValue([a, b], [a, b], { type: 'array', items }).isEqual).toBe(true);
    expect(new CorrelatedValue([a], [a, b], { type: 'array', items }).isEqual).toBe(false);
    expect(new CorrelatedValue({}, [], items).item(0)).toBeUndefined();
  });

  it('cannot tell what the schema does not know', () => {
    expect(new CorrelatedValue({ x: 1 }, { x: 1 }, { type: 'object' }).isEqual).toBe(false);
    expect(new CorrelatedValue({ name: 'a' }, { name: 'a' }, items).isEqual).toBe(true);
    expect(new CorrelatedValue({ name: 'a' }, {}, items).isEqual).toBe(false);
    expect(new CorrelatedValue({}, {}, items).isEqual).toBe(true);
  });
});
