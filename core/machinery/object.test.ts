import { describe, expect, it } from '@jest/globals';
import { cloneJson, emptyMap, jsonEqual, semanticEqual } from './object.js';

describe('semanticEqual', () => {
  it.each([
    ['an empty list and none', { a: [] }, {}],
    ['none and an empty list', {}, { a: [] }],
    ['an empty map and null', { a: emptyMap() }, { a: null }],
    ['a copy of an empty map and none', cloneJson({ a: emptyMap() }), {}],
    ['items that have them', [{ a: [], b: 1 }], [{ b: 1 }]],
  ])('takes for the same: %s', (_, left, right) => {
    expect(semanticEqual(left, right)).toBe(true);
    expect(jsonEqual(left, right)).toBe(false);
  });

  it.each([
    ['a struct without fields and none', { a: {} }, {}],
    ['a list of one and none', { a: [null] }, {}],
    ['an empty text and none', { a: '' }, {}],
    ['lists of other lengths', [1], [1, 2]],
    ['a map and a list', { a: { b: 1 } }, { a: [1] }],
    ['other values', { a: 1 }, { a: 2 }],
  ])('tells apart: %s', (_, left, right) => {
    expect(semanticEqual(left, right)).toBe(false);
    expect(semanticEqual(right, left)).toBe(false);
  });
});
