import { describe, expect, it } from '@jest/globals';
import { FieldErrors, fieldPath } from '../field-errors.js';
import { applyDefaults, dropNulls } from './defaults.js';
import type { JsonSchema } from './json-schema.js';
import { compareKubeVersions } from './kube-version.js';
import { validateListItems } from './list-items.js';
import { prune } from './prune.js';
import { validateStructural } from './structural-rules.js';

const text: JsonSchema = { type: 'string' };

function pruned(value: object, schema: JsonSchema): [object, string[]] {
  const unknown: string[] = [];
  prune(value, schema, { root: true, unknown });
  return [value, unknown];
}

describe('prune', () => {
  const schema: JsonSchema = {
    type: 'object',
    properties: {
      spec: {
        type: 'object',
        properties: {
          list: { type: 'array', items: { type: 'object', properties: { a: text } } },
          any: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true, properties: { known: { type: 'object' } } },
          map: { type: 'object', additionalProperties: { type: 'object', properties: { a: text } } },
          inner: { type: 'object', 'x-kubernetes-embedded-resource': true, properties: { spec: { type: 'object' } } },
        },
      },
    },
  };

  it('takes what is not declared, and says where it stood', () => {
    const value = {
      kind: 'Foo',
      metadata: { name: 'x', kept: 1 },
      extra: 1,
      spec: { list: [{ a: 'a', b: 1 }], map: { k: { a: 'a', z: 1 } }, other: {} },
    };
    expect(pruned(value, schema)).toEqual([
      { kind: 'Foo', metadata: { name: 'x', kept: 1 }, spec: { list: [{ a: 'a' }], map: { k: { a: 'a' } } } },
      ['extra', 'spec.list[0].b', 'spec.map.k.z', 'spec.other'],
    ]);
  });

  it('leaves what the schema keeps, but prunes what it declares below', () => {
    const value = { spec: { any: { free: [{ x: 1 }], known: { gone: 1 } } } };
    expect(pruned(value, schema)).toEqual([{ spec: { any: { free: [{ x: 1 }], known: {} } } }, ['spec.any.known.gone']]);
  });

  it('leaves the metadata of objects inside objects to others', () => {
    const value = { spec: { inner: { apiVersion: 'v1', kind: 'Pod', metadata: { odd: 1 }, spec: { a: 1 }, status: {} } } };
    expect(pruned(value, schema)[1]).toEqual(['spec.inner.spec.a', 'spec.inner.status']);
  });

  it('is not led astray by names of the language', () => {
    const value = JSON.parse('{"spec":{"map":{"__proto__":{"a":"x","b":1},"constructor":{"b":1}}},"toString":1}') as object;
    const [result, unknown] = pruned(value, schema);
    expect(JSON.stringify(result)).toBe('{"spec":{"map":{"__proto__":{"a":"x"},"constructor":{}}}}');
    expect(unknown).toEqual(['spec.map.__proto__.b', 'spec.map.constructor.b', 'toString']);
  });
});

describe('applyDefaults', () => {
  const schema: JsonSchema = {
    type: 'object',
    properties: {
      a: { type: 'string', default: 'x' },
      nullable: { type: 'string', nullable: true, default: 'x' },
      list: { type: 'array', items: { type: 'object', properties: { b: { type: 'integer', default: 0 } } } },
      deep: { type: 'object', default: {}, properties: { c: { type: 'string', default: 'y' } } },
      map: { type: 'object', additionalProperties: { type: 'object', properties: { d: { type: 'boolean', default: false } } } },
    },
  };

  it('fills in what is absent, at every depth, and nulls that may not be', () => {
    const value = { a: null, nullable: null, list: [{}, { b: 1 }], map: { k: {} } };
    applyDefaults(value, schema);
    expect(value).toEqual({ a: 'x', nullable: null, list: [{ b: 0 }, { b: 1 }], map: { k: { d: false } }, deep: { c: 'y' } });
  });

  it('gives every object a default of its own', () => {
    const [one, two]: { deep?: { c?: string } }[] = [{}, {}];
    applyDefaults(one, schema);
    applyDefaults(two, schema);
    one!.deep!.c = 'changed';
    expect(two!.deep).toEqual({ c: 'y' });
    expect(schema.properties!['deep']!.default).toEqual({});
  });

  it('is preceded by dropping nulls that nothing replaces', () => {
    const value = { a: null, deep: { c: null, d: null }, list: null };
    dropNulls(value, { ...schema, properties: { ...schema.properties, deep: { type: 'object', properties: { c: text } } } });
    expect(value).toEqual({ a: null, deep: { d: null } });
  });
});

describe('validateListItems', () => {
  const found = (value: unknown, schema: JsonSchema): string[] => {
    const errors = new FieldErrors();
    validateListItems(value, schema, errors);
    return errors.list.map(({ field, body }) => `${field}: ${body}`);
  };

  it('finds what a set has twice, once', () => {
    const schema: JsonSchema = { type: 'array', 'x-kubernetes-list-type': 'set', items: text };
    expect(found({ list: ['a', 'b', 'a', 'a', 1, '1'] }, { properties: { list: schema } })).toEqual([
      'list[2]: Duplicate value: "a"',
    ]);
  });

  it('tells items apart by all keys together, in whatever order they stand', () => {
    const schema: JsonSchema = {
      type: 'array',
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['name', 'protocol'],
      items: { type: 'object' },
    };
    const list = [{ name: 'a', protocol: 'TCP' }, { name: 'a' }, { protocol: 'TCP', name: 'a' }, { name: 'a' }];
    expect(found({ list }, { properties: { list: schema } })).toEqual([
      'list[2]: Duplicate value: {"name":"a","protocol":"TCP"}',
      'list[3]: Duplicate value: {"name":"a"}',
    ]);
    expect(found({ list: ['a'] }, { properties: { list: schema } })).toEqual([
      'list[0]: Invalid value: "a": must be an object for an array of list-type map',
    ]);
  });
});

describe('validateStructural', () => {
  it('says of each field what is missing, sorted', () => {
    const schema: JsonSchema = {
      type: 'object',
      properties: { b: { type: 'array' }, a: {} },
      anyOf: [{ properties: { c: { minimum: 1, type: 'integer' } } }],
    };
    expect(validateStructural(schema, fieldPath('schema')).list.map(({ field, body }) => `${field}: ${body}`)).toEqual([
      'schema.anyOf[0].properties[c].type: Forbidden: must be empty to be structural',
      'schema.properties[a].type: Required value: must not be empty for specified object fields',
      'schema.properties[b].items: Required value: must be specified',
      'schema.properties[c]: Required value: because it is defined in schema.anyOf[0].properties[c]',
    ]);
  });

  it('lets int-or-string say what it is', () => {
    const port: JsonSchema = { 'x-kubernetes-int-or-string': true, anyOf: [{ type: 'integer' }, { type: 'string' }] };
    expect(validateStructural({ type: 'object', properties: { port } }, fieldPath('schema')).empty).toBe(true);
  });
});

it('compareKubeVersions puts releases before betas before alphas before all else', () => {
  const versions = ['foo1', 'v1', 'v1alpha1', 'v10', 'v2', 'v2beta1', 'v1beta2', 'v11alpha2', 'v3beta1', 'bar'];
  expect(versions.sort(compareKubeVersions)).toEqual([
    'v10',
    'v2',
    'v1',
    'v3beta1',
    'v2beta1',
    'v1beta2',
    'v11alpha2',
    'v1alpha1',
    'bar',
    'foo1',
  ]);
});
