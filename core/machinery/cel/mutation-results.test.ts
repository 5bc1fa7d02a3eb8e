import { describe, expect, it } from '@jest/globals';

import { validateApplied } from '../patch/managed-fields/typed-value.js';
import { formatGoValue } from '../patch/go-format.js';
import type { MergeType } from '../patch/managed-fields/merge-type.js';
import { bindJson } from './bind-value.js';
import { dynType } from './cel-type.js';
import { formatValue } from './format-value.js';
import { kubernetesEnvironment } from './kubernetes-environment.js';
import { withMutationTypes } from './libraries/mutation.js';
import { applyConfigurationOf, jsonPatchOf } from './mutation-results.js';
import { compile } from './program.js';
import { mutatedObject, mutationAnswers } from './recorded-mutations-fixture.js';
import type { MutationAnswer } from './recorded-mutations-fixture.js';
import type { CelValue } from './values.js';

const environment = withMutationTypes(kubernetesEnvironment().extend({ variables: { object: dynType } }));

function resultOf(type: string, value: CelValue): MutationAnswer {
  try {
    if (type === 'list(JSONPatch)') return { json: jsonPatchOf(value) };
    return /^Object(\.|$)/.test(type) ? { json: applyConfigurationOf(value) } : { value: formatValue(value) };
  } catch (error) {
    return { fault: (error as Error).message };
  }
}

function answer(expression: string): MutationAnswer {
  const compiled = compile(environment, expression);
  if ('errors' in compiled) return { [compiled.stage === 'program' ? 'program' : 'errors']: compiled.errors };
  const result = compiled.program.evaluate(new Map([['object', bindJson(mutatedObject)]]));
  const { cost } = result;
  return 'error' in result ? { cost, error: result.error } : { cost, ...resultOf(String(compiled.type), result.value) };
}

describe('expressions of mutations as upstream', () => {
  it.each(mutationAnswers)('%s', (expression, wanted) => {
    expect(answer(expression)).toEqual(wanted);
  });
});

describe('objects written out', () => {
  it.each([
    ['Object{a: 1} == Object{a: 1}', 'true'],
    ['Object{a: 1} == Object{a: 1, b: 2}', 'false'],
    ['Object{a: {"x": 1}} == Object{a: {"x": 1}}', 'true'],
    ['Object{a: {"x": 1}} == Object{a: {"y": 1}}', 'false'],
    ['Object{a: {"x": 1}} == Object{a: {}}', 'false'],
    // Upstream compares what Go holds.
    ['Object{a: [1]} == Object{a: [1]}', 'false'],
    ['Object{a: {"x": [1]}} == Object{a: {"x": [1]}}', 'false'],
    ['[[1]].all(l, Object{a: l} == Object{a: l})', 'true'],
  ])('%s', (expression, value) => {
    expect(answer(expression)).toMatchObject({ value });
  });
});

describe('what JSON has no form for', () => {
  const anything: MergeType = { scalar: 'string' };

  it.each([
    ['null', 'expected string, got &value.valueUnstructured{Value:0}'],
    ['3u', 'expected string, got &value.valueUnstructured{Value:0x3}'],
    ["b'a'", 'expected string, got &value.valueUnstructured{Value:[]uint8{0x61}}'],
    [
      "timestamp('2020-02-01T03:04:05.5Z')",
      'got &value.valueUnstructured{Value:time.Date(2020, time.February, 1, 3, 4, 5, 500000000, time.UTC)}',
    ],
    ["duration('90s')", 'expected string, got &value.valueUnstructured{Value:90000000000}'],
  ])('fits no type: %s', (expression, text) => {
    const { json } = answer(`Object{x: ${expression}}`);
    expect(() => validateApplied((json as { x: unknown }).x, anything)).toThrow(text);
  });

  it.each([
    ['Object{x: {"a": {"b": 1}}}', 'expected map, got &{map[b:1]}'],
    ['Object{x: {"a": [1, 2]}}', 'expected map, got &{[1 2]}'],
    ['Object{x: {"a": timestamp("2020-01-01T00:00:00Z")}}', 'expected map, got &{2020-01-01 00:00:00 +0000 UTC}'],
  ])('is no map either: %s', (expression, text) => {
    const { json } = answer(expression);
    const map: MergeType = { map: { atomic: false, field: () => undefined, element: { scalar: 'string' }, alwaysPresent: [] } };
    expect(() => validateApplied((json as { x: { a: unknown } }).x.a, map)).toThrow(text);
  });

  it.each([['{1: "a"}'], ['{true: "a"}'], ['{2u: "a"}']])('cannot have other keys than texts: %s', map => {
    expect(answer(`Object{x: ${map}}`).fault).toBe('invalid return type: *dynamic.ObjectVal');
    const { json } = answer(`Object{y: Object.y{x: ${map}}}`);
    const text = formatGoValue((json as { y: unknown }).y);
    expect(text).toMatch(/^fail to convert field "x": map key .* not string$/);
  });

  it.each([
    ['"a,b".split(",")', '[]string', '[a b]', '[]string{"a", "b"}'],
    ['[[1, 2]][0]', '', '', ''],
    ['"abab".findAll("a")', '[]string', '[a a]', '[]string{"a", "a"}'],
  ])('is a list of texts that Go holds as such: %s', (expression, type, plain, syntax) => {
    const { x } = answer(`Object{x: ${expression}}`).json as { x: unknown };
    expect(x).toEqual(type ? { type, text: plain, syntax } : [1, 2]);
    expect(answer(`[JSONPatch{value: ${expression}}, JSONPatch{value: Object{x: ${expression}}}]`).fault).toBeUndefined();
  });

  it('is a whole number that a double cannot hold, but not in a patch', () => {
    const wide = 9007199254740993n;
    expect(answer('Object{x: 9007199254740993, y: [9007199254740993]}').json).toEqual({ x: wide, y: [wide] });
    const bound = compile(environment, '[JSONPatch{value: object}, JSONPatch{value: Object{x: object}}]');
    if ('errors' in bound) throw new Error(bound.errors);
    const result = bound.program.evaluate(new Map([['object', bindJson({ list: [wide, { deep: wide }] })]]));
    if ('error' in result) throw new Error(result.error);
    const text = String(wide);
    expect(jsonPatchOf(result.value)).toMatchObject([
      { value: { list: [text, { deep: text }] } },
      { value: { x: { list: [Number(wide), { deep: Number(wide) }] } } },
    ]);
  });

  it('is an optional without a value as null', () => {
    expect(answer('Object{x: optional.none(), y: [optional.none()]}').json).toEqual({ x: null, y: [null] });
  });

  it('refuses results of another kind', () => {
    expect(() => applyConfigurationOf(1n)).toThrow('unsupported return type');
    expect(() => jsonPatchOf(1n)).toThrow('should evaluate to array');
    expect(() => jsonPatchOf(bindJson([1]))).toThrow('should evaluate to array of JSONPatch');
  });

  it('lets objects stand in lists and maps of a patch, where upstream breaks the connection', () => {
    expect(answer('[JSONPatch{value: [Object.a{b: 1}]}, JSONPatch{value: {"x": Object.a{b: 1}}}]').json).toEqual([
      { op: '', path: '', value: [{ b: 1 }] },
      { op: '', path: '', value: { x: { b: 1 } } },
    ]);
  });
});
