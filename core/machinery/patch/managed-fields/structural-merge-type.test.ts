import { describe, expect, it } from '@jest/globals';
import { deepFreeze } from '../../object.js';
import { FieldManager } from './field-manager.js';
import { structuralMergeType } from './structural-merge-type.js';
import { kindType } from './test-types.js';

const objectMeta = kindType('', 'Pod').map!.field('metadata')!.type;
const type = structuralMergeType(
  {
    type: 'object',
    properties: {
      spec: {
        type: 'object',
        properties: {
          size: { type: 'integer' },
          limit: { 'x-kubernetes-int-or-string': true },
          plain: { type: 'array', items: { type: 'string' } },
          tags: { type: 'array', 'x-kubernetes-list-type': 'set', items: { type: 'string' } },
          parts: {
            type: 'array',
            'x-kubernetes-list-type': 'map',
            'x-kubernetes-list-map-keys': ['name', 'zone'],
            items: {
              type: 'object',
              properties: { name: { type: 'string' }, zone: { type: 'string', default: 'z1' }, value: { type: 'string' } },
            },
          },
          whole: { type: 'object', 'x-kubernetes-map-type': 'atomic', properties: { a: { type: 'string' } } },
          labels: { type: 'object', additionalProperties: { type: 'string' } },
          free: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
          when: { type: 'string', format: 'date-time' },
        },
      },
    },
  },
  objectMeta,
);
const manager = new FieldManager({ apiVersion: 'a.b/v1', kind: 'Thing', type });

function apply(live: object | undefined, spec: object, name: string, metadata: object = {}): Record<string, unknown> {
  const config = deepFreeze({ apiVersion: 'a.b/v1', kind: 'Thing', metadata: { name: 'x', ...metadata }, spec });
  return deepFreeze(manager.apply(live, config, { manager: name, nowMs: 0 }));
}

describe('structuralMergeType', () => {
  it('merges as the schema says', () => {
    const one = apply(
      undefined,
      {
        plain: ['a'],
        tags: ['x', 'y'],
        parts: [{ name: 'p', value: '1' }],
        whole: { a: '1' },
        labels: { l: '1' },
        free: { deep: { b: 1 } },
        limit: '10%',
      },
      'one',
      { finalizers: ['f'] },
    );
    const two = apply(
      one,
      { tags: ['z', 'y'], parts: [{ name: 'p', zone: 'z2' }], labels: { m: '2' }, free: { deep: { c: 2 } }, size: 3 },
      'two',
      { finalizers: ['g'] },
    );
    expect(two).toMatchObject({
      metadata: { finalizers: ['f', 'g'] },
      spec: {
        plain: ['a'],
        tags: ['x', 'z', 'y'],
        parts: [
          { name: 'p', value: '1' },
          { name: 'p', zone: 'z2' },
        ],
        labels: { l: '1', m: '2' },
        free: { deep: { b: 1, c: 2 } },
        limit: '10%',
        size: 3,
      },
    });
    expect(() => apply(two, { whole: { a: '2' } }, 'two')).toThrow('conflict with "one": .spec.whole');
    expect(() => apply(two, { plain: ['b'] }, 'two')).toThrow('conflict with "one": .spec.plain');
  });

  it('refuses what the schema does not have', () => {
    expect(() => apply(undefined, { odd: 1 }, 'one')).toThrow('.spec.odd: field not declared in schema');
    expect(() => apply(undefined, { size: 'x' }, 'one')).toThrow('.spec.size: expected numeric (int or float), got string');
  });
});
