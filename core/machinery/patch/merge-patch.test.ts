import { describe, expect, it } from '@jest/globals';
import { deepFreeze } from '../object.js';
import { applyMergePatch } from './merge-patch.js';

describe('applyMergePatch', () => {
  // The table of RFC 7396, appendix A, where both sides are objects.
  const cases: [document: Record<string, unknown>, patch: unknown, result: unknown][] = [
    [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
    [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
    [{ a: 'b' }, { a: null }, {}],
    [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
    [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
    [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
    [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
    [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
    [{ a: 1 }, { a: { b: null, c: 1 } }, { a: { c: 1 } }],
    [{}, { a: [{ b: null }, null] }, { a: [{}, null] }],
  ];
  it.each(cases)('%j with %j', (document, patch, result) => {
    expect(applyMergePatch(deepFreeze(document), deepFreeze(patch))).toEqual(result);
  });

  it('refuses what is no object', () => {
    expect(() => applyMergePatch({}, null)).toThrow('Invalid JSON Patch');
    expect(() => applyMergePatch({}, [])).toThrow(
      'error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}',
    );
  });

  it('keeps __proto__ as data', () => {
    const patch: unknown = JSON.parse('{"__proto__":{"polluted":1},"b":{"__proto__":{"c":null,"d":1}}}');
    const result = applyMergePatch({ b: { x: 1 } }, patch);
    expect(JSON.stringify(result)).toBe('{"b":{"x":1,"__proto__":{"d":1}},"__proto__":{"polluted":1}}');
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });
});
