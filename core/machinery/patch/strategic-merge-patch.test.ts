import { describe, expect, it } from '@jest/globals';
import { errorText } from '../../base/errors.js';
import { deepFreeze } from '../object.js';
import { TypeSet } from '../schema.js';
import type { StatusError } from '../status-error.js';
import { applyPatch, strategicMergePatchType } from './apply-patch.js';

const types = new TypeSet();
types.add('test', {
  'test.Thing': {
    fields: [
      { name: 'name', type: 'string' },
      { name: 'value', type: 'int32' },
      { name: 'labels', type: 'map[string]string' },
      { name: 'items', type: '[]test.Item', patchStrategy: 'merge', patchMergeKey: 'name' },
      { name: 'words', type: '[]string', patchStrategy: 'merge' },
      { name: 'plain', type: '[]string' },
      { name: 'things', type: '[]test.Item' },
      { name: 'nested', type: '[][]string', patchStrategy: 'merge' },
      { name: 'strategy', type: 'test.Strategy', patchStrategy: 'retainKeys' },
      { name: 'swapped', type: 'test.Strategy', patchStrategy: 'replace' },
      { name: 'sources', type: '[]test.Item', patchStrategy: 'merge,retainKeys', patchMergeKey: 'name' },
      { name: 'child', type: 'test.Thing', pointer: true },
      { name: 'keyless', type: '[]test.Item', patchStrategy: 'merge' },
      { name: 'raw', type: 'rawExtension' },
    ],
  },
  'test.Item': {
    fields: [
      { name: 'name', type: 'string' },
      { name: 'value', type: 'string' },
      { name: 'other', type: 'string' },
      { name: 'ports', type: '[]test.Port', patchStrategy: 'merge', patchMergeKey: 'port' },
    ],
  },
  'test.Port': {
    fields: [
      { name: 'port', type: 'int32' },
      { name: 'name', type: 'string' },
    ],
  },
  'test.Strategy': {
    fields: [
      { name: 'type', type: 'string' },
      { name: 'rolling', type: 'map[string]string' },
      { name: 'other', type: 'string' },
    ],
  },
});
const type = types.struct('test.Thing');

function patched(original: Record<string, unknown>, patch: unknown): unknown {
  return applyPatch(deepFreeze(original), { contentType: strategicMergePatchType, patch: deepFreeze(patch), type });
}

function failure(original: Record<string, unknown>, patch: unknown): StatusError {
  try {
    patched(original, patch);
  } catch (error) {
    return error as StatusError;
  }
  throw new Error('the patch was applied');
}

const items = (...names: string[]): { name: string }[] => names.map(name => ({ name }));

describe('applyStrategicMergePatch', () => {
  const cases: [name: string, original: Record<string, unknown>, patch: unknown, result: unknown][] = [
    ['scalars and nulls', { name: 'a', value: 1 }, { name: 'b', value: null }, { name: 'b' }],
    ['a null that matches nothing is dropped', {}, { labels: { a: null, b: 'c' } }, { labels: { b: 'c' } }],
    ['maps merge', { labels: { a: '1', b: '2' } }, { labels: { b: null, c: '3' } }, { labels: { a: '1', c: '3' } }],
    ['maps replaced', { labels: { a: '1' } }, { labels: { $patch: 'replace', c: '3' } }, { labels: { c: '3' } }],
    ['maps deleted', { labels: { a: '1' } }, { labels: { $patch: 'delete' } }, { labels: {} }],
    ['a directive alone adds nothing', {}, { labels: { $patch: 'delete' } }, {}],
    ['replace strategy', { swapped: { type: 'a', other: 'x' } }, { swapped: { type: 'b' } }, { swapped: { type: 'b' } }],
    ['lists without strategy are replaced', { plain: ['a'] }, { plain: ['b'] }, { plain: ['b'] }],
    ['lists of objects without strategy', { things: [{ name: 'a' }] }, { things: [{ name: 'b' }] }, { things: [{ name: 'b' }] }],
    ['lists of scalars merge', { words: ['a', 'b'] }, { words: ['b', 'c'] }, { words: ['a', 'b', 'c'] }],
    ['lists of scalars lose', { words: ['a', 'b', 'c'] }, { '$deleteFromPrimitiveList/words': ['a', 'c'] }, { words: ['b'] }],
    ['a delete list for nothing', {}, { '$deleteFromPrimitiveList/words': ['a'] }, {}],
    [
      'lists of objects merge by key',
      { items: [{ name: 'a', value: '1', other: 'x' }, { name: 'b' }] },
      { items: [{ name: 'a', value: '2' }, { name: 'c' }] },
      { items: [{ name: 'a', value: '2', other: 'x' }, { name: 'c' }, { name: 'b' }] },
    ],
    ['items deleted', { items: items('a', 'b') }, { items: [{ $patch: 'delete', name: 'a' }] }, { items: items('b') }],
    ['lists replaced', { items: items('a') }, { items: [{ $patch: 'replace' }, { name: 'z' }] }, { items: items('z') }],
    ['a new list loses its directives', {}, { items: [{ name: 'z' }, { $patch: 'delete', name: 'a' }] }, { items: items('z') }],
    [
      'nested lists merge',
      { items: [{ name: 'a', ports: [{ port: 80, name: 'web' }] }] },
      { items: [{ name: 'a', ports: [{ port: 80, name: 'http' }, { port: 443 }] }] },
      { items: [{ name: 'a', ports: [{ port: 80, name: 'http' }, { port: 443 }] }] },
    ],
    [
      'order of objects',
      { items: items('a', 'b', 'c') },
      {
        '$setElementOrder/items': items('c', 'n', 'a'),
        items: [
          { name: 'n', value: '1' },
          { name: 'a', value: '2' },
        ],
      },
      { items: [{ name: 'b' }, { name: 'c' }, { name: 'n', value: '1' }, { name: 'a', value: '2' }] },
    ],
    ['order alone', { items: items('a', 'b') }, { '$setElementOrder/items': items('b', 'a') }, { items: items('b', 'a') }],
    [
      'order of scalars with deletion',
      { words: ['a', 'b', 'c'] },
      { '$setElementOrder/words': ['c', 'd', 'a'], '$deleteFromPrimitiveList/words': ['b'], words: ['d'] },
      { words: ['c', 'd', 'a'] },
    ],
    ['order of a new list', {}, { '$setElementOrder/words': ['b', 'a'], words: ['b', 'a'] }, { words: ['b', 'a'] }],
    ['order of nothing', { name: 'x' }, { '$setElementOrder/words': ['b', 'a'] }, { name: 'x' }],
    [
      'retainKeys on a map',
      { strategy: { type: 'Rolling', rolling: { a: '1' }, other: 'x' } },
      { strategy: { $retainKeys: ['type'], type: 'Recreate' } },
      { strategy: { type: 'Recreate' } },
    ],
    [
      'retainKeys in a list',
      { sources: [{ name: 'a', value: '1' }] },
      { sources: [{ name: 'a', other: '2', $retainKeys: ['name', 'other'] }] },
      { sources: [{ name: 'a', other: '2' }] },
    ],
    ['other types replace', { labels: { a: '1' } }, { labels: 'x' }, { labels: 'x' }],
    [
      'recursive types',
      { child: { items: items('a') } },
      { child: { items: items('b') } },
      { child: { items: items('b', 'a') } },
    ],
    ['free-form values merge', { raw: { a: { b: 1 } } }, { raw: { a: { c: 2 } } }, { raw: { a: { b: 1, c: 2 } } }],
    ['a null patch', { name: 'x' }, null, { name: 'x' }],
  ];
  it.each(cases)('%s', (_name, original, patch, result) => {
    expect(patched(original, patch)).toEqual(result);
  });

  const refused: [name: string, original: Record<string, unknown>, patch: unknown, code: number, text: string][] = [
    ['no object', {}, [1], 400, 'json: cannot unmarshal array into Go value of type map[string]interface {}'],
    [
      'no merge key',
      { items: items('a') },
      { items: [{ value: 'x' }] },
      500,
      'map: map[value:x] does not contain declared merge key: name',
    ],
    [
      'unknown directive',
      { labels: { a: '1' } },
      { labels: { $patch: 'x' } },
      500,
      'unknown patch type: x in map: map[$patch:x]',
    ],
    [
      'merge directive',
      { items: items('a') },
      { items: [{ $patch: 'merge' }] },
      500,
      'merging lists cannot yet be specified in the patch',
    ],
    ['no declared key', { keyless: items('a') }, { keyless: items('b') }, 500, 'cannot merge lists without merge key for struct'],
    [
      'unknown field',
      { odd: { a: 1 } },
      { odd: { b: 1 } },
      500,
      'unable to find api field in struct Thing for the json field "odd"',
    ],
    ['bad delete list', { words: [] }, { $deleteFromPrimitiveList: ['a'] }, 400, 'invalid patch format of primitive list'],
    ['bad order list', { words: [] }, { '$setElementOrder-words': ['a'] }, 400, 'invalid patch format of setElementOrder list'],
    [
      'order not a list',
      { words: [] },
      { '$setElementOrder/words': 'a' },
      500,
      'expected a []interface {}, but received a string',
    ],
    [
      'bad retainKeys',
      { strategy: { type: 'a' } },
      { strategy: { $retainKeys: ['other'], type: 'x' } },
      400,
      'invalid patch format of retainKeys',
    ],
    ['mixed types', { words: ['a'] }, { words: [1] }, 500, 'list element types are not identical: [[a] [1]]'],
    [
      'order against the patch',
      { items: items('a') },
      { '$setElementOrder/items': items('a', 'b'), items: items('b', 'a') },
      500,
      "The order in patch list:\n[map[name:b] map[name:a]]\n doesn't match $setElementOrder list:\n[map[name:a] map[name:b]]\n",
    ],
  ];
  it.each(refused)('refuses: %s', (_name, original, patch, code, text) => {
    const error = failure(original, patch);
    expect([error.status.code, error.status.message]).toEqual([code, text]);
  });

  it('refuses lists of lists as upstream does', () => {
    const error = failure({ nested: [['a']] }, { nested: [['b']] });
    expect(error.status.code).toBe(422);
    expect(errorText(error)).toContain('lists of lists are not supported');
  });

  it('is for known types only', () => {
    expect(() => applyPatch({}, { contentType: strategicMergePatchType, patch: {} })).toThrow(
      'strategic merge patch format is not supported',
    );
    expect(() => applyPatch({}, { contentType: 'text/plain', patch: {} })).toThrow(
      'the body of the request was in an unknown format',
    );
  });

  it('is quick with long lists', () => {
    const long = Array.from({ length: 20_000 }, (_, index) => ({ name: `n${index}` }));
    const order = [...long].reverse();
    const startMs = performance.now();
    expect(patched({ items: long }, { items: order, '$setElementOrder/items': order })).toEqual({ items: order });
    const deleted = long.map(item => ({ ...item, $patch: 'delete' }));
    expect(patched({ items: long }, { items: deleted })).toEqual({ items: [] });
    // A merge that compares each with each needs many times as long.
    expect(performance.now() - startMs).toBeLessThan(3000);
  });

  it('shares what did not change', () => {
    const original = { labels: { a: '1' }, items: [{ name: 'a' }, { name: 'b' }] };
    const result = patched(original, { items: [{ name: 'a', value: '1' }] }) as typeof original;
    expect(result.labels).toBe(original.labels);
    expect(result.items[1]).toBe(original.items[1]);
  });

  it('keeps __proto__ as data', () => {
    const patch: unknown = JSON.parse(
      '{"labels":{"__proto__":"x"},"raw":{"__proto__":{"polluted":1}},"__proto__":{"polluted":1}}',
    );
    const result = patched({ labels: { a: '1' }, raw: {} }, patch);
    expect(JSON.stringify(result)).toBe(
      '{"labels":{"a":"1","__proto__":"x"},"raw":{"__proto__":{"polluted":1}},"__proto__":{"polluted":1}}',
    );
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });
});
