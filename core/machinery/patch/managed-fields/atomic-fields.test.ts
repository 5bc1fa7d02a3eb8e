import { describe, expect, it } from '@jest/globals';
import { atomicFields } from './atomic-fields.js';
import { structuralMergeType } from './structural-merge-type.js';

const text = { type: 'string' };
const type = structuralMergeType(
  {
    type: 'object',
    properties: {
      spec: {
        type: 'object',
        properties: {
          plain: {
            type: 'array',
            items: { type: 'object', properties: { whole: { type: 'object', 'x-kubernetes-map-type': 'atomic' } } },
          },
          keyed: {
            type: 'array',
            'x-kubernetes-list-type': 'map',
            'x-kubernetes-list-map-keys': ['name'],
            items: { type: 'object', properties: { name: text, inner: { type: 'array', items: text } } },
          },
          set: { type: 'array', 'x-kubernetes-list-type': 'set', items: text },
          map: { type: 'object', additionalProperties: { type: 'array', items: text } },
        },
      },
    },
  },
  { map: { atomic: false, field: () => undefined, element: { scalar: 'untyped' }, alwaysPresent: [] } },
);

describe('atomic fields of an applied configuration', () => {
  it.each([
    [{ keyed: [{ name: 'a' }], set: ['a'], map: {} }, []],
    [{ plain: [] }, ['.spec.plain']],
    [{ plain: [{ whole: {} }] }, ['.spec.plain', '.spec.plain[0].whole']],
    [{ keyed: [{ name: 'a' }, { name: 'b', inner: ['x'] }] }, ['.spec.keyed[1].inner']],
    // What only the keys of a map lead to is not looked at, as upstream has it.
    [{ map: { a: ['x'] } }, []],
    [{ plain: null }, []],
  ])('%j', (spec, paths) => {
    expect(atomicFields({ spec }, type)).toEqual(paths);
  });
});
