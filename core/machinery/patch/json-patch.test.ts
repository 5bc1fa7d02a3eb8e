import { describe, expect, it } from '@jest/globals';
import { errorText } from '../../base/errors.js';
import { deepFreeze } from '../object.js';
import type { StatusError } from '../status-error.js';
import { applyJsonPatch, maximumJsonPatchOperations } from './json-patch.js';

function failure(document: unknown, patch: unknown): StatusError {
  try {
    applyJsonPatch(document, patch);
  } catch (error) {
    return error as StatusError;
  }
  throw new Error('the patch was applied');
}

describe('applyJsonPatch', () => {
  const cases: [name: string, document: unknown, patch: unknown[], result: unknown][] = [
    ['add a member', { a: 1 }, [{ op: 'add', path: '/b', value: { c: 2 } }], { a: 1, b: { c: 2 } }],
    ['add over a member', { a: 1 }, [{ op: 'add', path: '/a', value: 2 }], { a: 2 }],
    ['add without value means null', { a: 1 }, [{ op: 'add', path: '/b' }], { a: 1, b: null }],
    ['add into a list', { a: [1, 3] }, [{ op: 'add', path: '/a/1', value: 2 }], { a: [1, 2, 3] }],
    ['add at the end by index', { a: [1] }, [{ op: 'add', path: '/a/1', value: 2 }], { a: [1, 2] }],
    ['add at the end by dash', { a: [1] }, [{ op: 'add', path: '/a/-', value: 2 }], { a: [1, 2] }],
    ['negative index counts from the end', { a: [1, 2] }, [{ op: 'remove', path: '/a/-1' }], { a: [1] }],
    ['remove a member', { a: 1, b: 2 }, [{ op: 'remove', path: '/a' }], { b: 2 }],
    ['replace', { a: { b: 1 } }, [{ op: 'replace', path: '/a/b', value: 5 }], { a: { b: 5 } }],
    ['replace an absent member', { a: {} }, [{ op: 'replace', path: '/a/b', value: 5 }], { a: { b: 5 } }],
    ['replace the document', { a: 1 }, [{ op: 'replace', path: '', value: { b: 1 } }], { b: 1 }],
    ['move', { a: { b: 1 }, c: {} }, [{ op: 'move', from: '/a/b', path: '/c/d' }], { a: {}, c: { d: 1 } }],
    ['move inside a list', [1, 2, 3], [{ op: 'move', from: '/0', path: '/2' }], [2, 3, 1]],
    ['copy', { a: { b: [1] } }, [{ op: 'copy', from: '/a/b', path: '/c' }], { a: { b: [1] }, c: [1] }],
    [
      'a copy is independent',
      { a: { b: [1] } },
      [
        { op: 'add', path: '/a/b/-', value: 2 },
        { op: 'copy', from: '/a', path: '/c' },
        { op: 'add', path: '/c/b/-', value: 3 },
        { op: 'add', path: '/a/b/-', value: 4 },
      ],
      { a: { b: [1, 2, 4] }, c: { b: [1, 2, 3] } },
    ],
    [
      'escapes',
      { 'a/b': 1, 'm~n': 2 },
      [
        { op: 'remove', path: '/a~1b' },
        { op: 'replace', path: '/m~0n', value: 3 },
      ],
      { 'm~n': 3 },
    ],
    ['~01 is ~1', { '~1': 1 }, [{ op: 'remove', path: '/~01' }], {}],
    ['the empty member name', { '': 1 }, [{ op: 'remove', path: '/' }], {}],
    ['test passes', { a: { b: [1, 'x'] } }, [{ op: 'test', path: '/a', value: { b: [1, 'x'] } }], { a: { b: [1, 'x'] } }],
    ['test of an absent member for null', { a: 1 }, [{ op: 'test', path: '/b', value: null }], { a: 1 }],
    ['test of the document', { a: 1 }, [{ op: 'test', path: '', value: { a: 1 } }], { a: 1 }],
  ];
  it.each(cases)('%s', (_name, document, patch, result) => {
    expect(applyJsonPatch(deepFreeze(document), deepFreeze(patch))).toEqual(result);
  });

  const refused: [name: string, document: unknown, patch: unknown[], cause: string][] = [
    ['remove an absent member', { a: 1 }, [{ op: 'remove', path: '/b' }], 'Unable to remove nonexistent key: b: missing value'],
    [
      'way broken',
      { a: 1 },
      [{ op: 'add', path: '/b/c', value: 1 }],
      'add operation does not apply: doc is missing path: "/b/c"',
    ],
    ['through a scalar', { a: 1 }, [{ op: 'add', path: '/a/c', value: 1 }], 'doc is missing path'],
    ['index too high', { a: [1] }, [{ op: 'add', path: '/a/3', value: 1 }], 'Unable to access invalid index: 3'],
    ['index too low', { a: [1] }, [{ op: 'remove', path: '/a/-2' }], 'Unable to access invalid index: -2'],
    ['index not a number', { a: [1] }, [{ op: 'remove', path: '/a/x' }], 'strconv.Atoi: parsing "x": invalid syntax'],
    ['test fails', { a: 1 }, [{ op: 'test', path: '/a', value: 2 }], 'testing value /a failed: test failed'],
    ['test of an absent member', { a: 1 }, [{ op: 'test', path: '/b', value: 2 }], 'testing value /b failed'],
    ['unknown operation', { a: 1 }, [{ op: 'twist', path: '/b' }], 'Unexpected kind: twist'],
    ['no path', { a: 1 }, [{ op: 'add', value: 2 }], 'add operation failed to decode path'],
    ['move from nowhere', { a: 1 }, [{ op: 'move', from: '/x', path: '/y' }], 'Unable to remove nonexistent key: x'],
    ['replace beyond a list', { a: [] }, [{ op: 'replace', path: '/a/0', value: 1 }], 'doc is missing key: /a/0'],
  ];
  it.each(refused)('refuses: %s', (_name, document, patch, cause) => {
    const error = failure(document, patch);
    expect(error.status).toMatchObject({
      code: 422,
      reason: 'Invalid',
      message: 'the server rejected our request due to an error in our request',
    });
    expect(errorText(error)).toContain(cause);
  });

  it('refuses what is no list of operations', () => {
    expect(failure({}, { op: 'add' }).status).toMatchObject({
      code: 400,
      message: 'error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp',
    });
    expect(failure({}, [1]).status.code).toBe(400);
  });

  it('limits the number of operations', () => {
    const operations = Array.from({ length: maximumJsonPatchOperations + 1 }, () => ({ op: 'test', path: '/a', value: 1 }));
    expect(failure({ a: 1 }, operations).status).toMatchObject({
      code: 413,
      message: 'Request entity too large: The allowed maximum operations in a JSON patch is 10000, got 10001',
    });
    expect(applyJsonPatch({ a: 1 }, operations.slice(1))).toEqual({ a: 1 });
  });

  it('limits what copies add', () => {
    const document = { a: 'x'.repeat(1024 * 1024) };
    const copies = ['b', 'c', 'd'].map(name => ({ op: 'copy', from: '/a', path: `/${name}` }));
    expect(errorText(failure(document, copies))).toContain('exceeding the limit 3145728');
    const doubling = [
      { op: 'add', path: '/l', value: ['0123456789'] },
      ...Array.from({ length: 60 }, () => ({ op: 'copy', from: '/l', path: '/l/-' })),
    ];
    expect(errorText(failure({}, doubling))).toContain('accumulated size increase');
  });

  it('shares what did not change', () => {
    const document = { a: { b: 1 }, c: { d: 1 } };
    const result = applyJsonPatch(document, [{ op: 'replace', path: '/a/b', value: 2 }]) as typeof document;
    expect(result.c).toBe(document.c);
    expect(document.a.b).toBe(1);
  });

  it('keeps __proto__ as data', () => {
    const document = JSON.parse('{"__proto__":{"a":1}}') as object;
    const result = applyJsonPatch(document, [
      { op: 'add', path: '/__proto__/b', value: 2 },
      { op: 'add', path: '/constructor', value: 1 },
    ]);
    expect(JSON.stringify(result)).toBe('{"__proto__":{"a":1,"b":2},"constructor":1}');
    expect(Object.getPrototypeOf(result)).toBe(Object.prototype);
    expect(failure({}, [{ op: 'add', path: '/__proto__/polluted', value: 1 }]).status.code).toBe(422);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });
});
