import { describe, expect, it } from '@jest/globals';
import { anyElement, excludeFields, includeFields } from './field-filter.js';
import {
  decodeFieldsV1,
  difference,
  encodeFieldsV1,
  fieldSetOf,
  formatFieldPath,
  intersection,
  mayTouch,
  memberPath,
  recursiveDifference,
  union,
} from './field-set.js';
import type { FieldSet } from './field-set.js';
import { itemElement, keyElement, sortElements } from './path-element.js';

const set = (...dotted: string[]): FieldSet => fieldSetOf(dotted.map(path => memberPath(...path.split('.'))));
const text = (of: FieldSet): string[] => [...of.paths()].map(formatFieldPath);

describe('field sets', () => {
  it('read and write FieldsV1', () => {
    const fields = {
      'f:a': { '.': {}, 'f:b': {} },
      'f:c': {
        'k:{"name":"x"}': { '.': {}, 'f:name': {} },
        'k:{"name":"y"}': {},
        'v:"text"': {},
        'i:3': {},
      },
    };
    const decoded = decodeFieldsV1(fields);
    expect(encodeFieldsV1(decoded)).toEqual(fields);
    expect(text(decoded)).toEqual(['.a', '.a.b', '.c[name="x"]', '.c[name="y"]', '.c[="text"]', '.c[3]', '.c[name="x"].name']);
  });

  it('order steps by kind and content', () => {
    const elements = ['i:10', 'v:"b"', 'f:b', 'k:{"port":443}', 'k:{"port":80}', 'f:a', 'i:9', 'v:2', 'v:10', 'k:{"a":"x"}'];
    expect(sortElements(elements)).toEqual([
      'f:a',
      'f:b',
      'k:{"a":"x"}',
      'k:{"port":80}',
      'k:{"port":443}',
      'v:2',
      'v:10',
      'v:"b"',
      'i:9',
      'i:10',
    ]);
  });

  it('make one form of keys', () => {
    const decoded = decodeFieldsV1({ 'f:l': { 'k:{"b": 1, "a":"\\u003c"}': {} } });
    expect(decoded.has(['f:l', keyElement({ a: '<', b: 1 })])).toBe(true);
    expect(encodeFieldsV1(decoded)).toEqual({ 'f:l': { 'k:{"a":"\\u003c","b":1}': {} } });
  });

  it('drop steps of unknown kinds and refuse malformed ones', () => {
    expect(encodeFieldsV1(decodeFieldsV1({ 'x:y': {}, 'f:a': {} }))).toEqual({ 'f:a': {} });
    for (const bad of ['x', 'fa', 'k:[1]', 'k:{', 'v:{', 'i:x']) expect(() => decodeFieldsV1({ [bad]: {} })).toThrow();
    expect(() => decodeFieldsV1({ 'f:a': 1 })).toThrow('a field set must consist of objects');
  });

  it('unite, intersect and subtract', () => {
    const a = set('a', 'a.b', 'c.d', 'e');
    const b = set('a', 'c.d', 'c.x');
    expect(text(union(a, b))).toEqual(['.a', '.e', '.a.b', '.c.d', '.c.x']);
    expect(text(intersection(a, b))).toEqual(['.a', '.c.d']);
    expect(text(difference(a, b))).toEqual(['.e', '.a.b']);
    expect(text(recursiveDifference(a, b))).toEqual(['.e']);
    expect(difference(a, set('z'))).toBe(a);
    expect(text(a)).toEqual(['.a', '.e', '.a.b', '.c.d']);
  });

  it('tell whether written fields may share members', () => {
    const fields = encodeFieldsV1(fieldSetOf([memberPath('spec', 'replicas'), ['f:l', keyElement({ a: '<' })]]));
    expect(mayTouch(fields, set('spec.replicas', 'x'))).toBe(true);
    expect(mayTouch(fields, set('spec'))).toBe(true);
    expect(mayTouch(fields, fieldSetOf([['f:l', keyElement({ a: '<' }), 'f:b']]))).toBe(false);
    expect(mayTouch(fields, fieldSetOf([['f:l', keyElement({ a: '<' })]]))).toBe(true);
    expect(mayTouch(fields, set('spec.paused', 'status.replicas'))).toBe(false);
    expect(mayTouch({ 'f:a': null }, set('a.b'))).toBe(false);
  });

  it('filter what a request resets', () => {
    const of = fieldSetOf([
      memberPath('metadata', 'name'),
      memberPath('status'),
      memberPath('status', 'phase'),
      ['f:spec', 'f:containers', keyElement({ name: 'a' }), 'f:resources', 'f:limits'],
      ['f:spec', 'f:containers', keyElement({ name: 'a' }), 'f:image'],
    ]);
    expect(text(excludeFields('status', 'spec')(of))).toEqual(['.metadata.name']);
    expect(text(includeFields(['spec', 'containers', anyElement, 'resources'])(of))).toEqual([
      '.spec.containers[name="a"].resources.limits',
    ]);
  });

  it('name items of lists', () => {
    const element = {};
    const byKeys = { atomic: false, keys: ['port', 'name'], element };
    expect(itemElement(byKeys, { name: 'x', port: 1, other: 2 })).toBe('k:{"name":"x","port":1}');
    expect(itemElement(byKeys, { name: 'x' })).toBe('k:{"name":"x"}');
    expect(() => itemElement(byKeys, { other: 1 })).toThrow(
      'associative list with keys has an element that omits all key fields ["port" "name"] (and doesn\'t have default values for any key fields)',
    );
    expect(() => itemElement(byKeys, null)).toThrow('may not have a null element');
    expect(() => itemElement(byKeys, 'x')).toThrow('may not have non-map elements');
    const bySelf = { atomic: false, keys: [], element };
    expect(itemElement(bySelf, 'x')).toBe('v:"x"');
    for (const item of [null, {}, []]) expect(() => itemElement(bySelf, item)).toThrow();
  });
});
