import { describe, expect, it } from '@jest/globals';
import { FieldErrors } from '../field-errors.js';
import { formatCheck } from './formats.js';
import type { JsonSchema } from './json-schema.js';
import { validateValue } from './schema-validator.js';

function faults(value: unknown, schema: JsonSchema, old?: unknown): string[] {
  const errors = new FieldErrors();
  validateValue(value, schema, errors, old === undefined ? {} : { old });
  return errors.list.map(({ field, body }) => `${field}: ${body}`);
}
const of = (field: JsonSchema): JsonSchema => ({ type: 'object', properties: { field } });

// The words of each kind of fault are compared with upstream's own in test/differential/cases/custom-resources.ts.
describe('validateValue', () => {
  it.each([
    [{ type: 'integer' }, 1, true],
    [{ type: 'integer' }, 1.5, false],
    [{ type: 'number' }, 1, true],
    [{ type: 'string' }, null, false],
    [{ type: 'string', nullable: true }, null, true],
    [{ 'x-kubernetes-int-or-string': true }, 'a', true],
    [{ 'x-kubernetes-int-or-string': true }, false, false],
    [{ enum: [{ a: 1 }, 'b'] }, { a: 1 }, true],
    [{ enum: [{ a: 1 }, 'b'] }, { a: 2 }, false],
    [{ type: 'string', maxLength: 2 }, '🙂🙂', true],
    [{ type: 'string', pattern: '^(?i)a$' }, 'b', false],
    [{ type: 'integer', format: 'int32' }, 2 ** 31, false],
    [{ type: 'number', multipleOf: 0.1 }, 0.3, true],
    [{ type: 'object', additionalProperties: false }, { a: 1 }, false],
    [{ type: 'string', format: 'not-known' }, 'anything', true],
  ] as const)('%j takes %j: %s', (schema, value, fits) => {
    expect(faults({ field: value }, of(schema)).length === 0).toBe(fits);
  });

  it('tells about the alternative that fits best', () => {
    const schema = of({
      type: 'object',
      properties: { a: { type: 'string' }, b: { type: 'string' } },
      oneOf: [{ required: ['a'], properties: { a: { enum: ['x'] } } }, { required: ['b'] }],
    });
    expect(faults({ field: { a: 'y' } }, schema)).toEqual([
      '<nil>: Invalid value: "": "field" must validate one and only one schema (oneOf). Found none valid',
      'field.a: Unsupported value: "y": supported values: "x"',
    ]);
  });

  it('lets through what an update did not change, and nothing else', () => {
    const item: JsonSchema = { type: 'object', properties: { name: { type: 'string' }, size: { type: 'integer', maximum: 1 } } };
    const schema: JsonSchema = {
      type: 'object',
      properties: {
        kept: { type: 'string', maxLength: 1 },
        keyed: { type: 'array', 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['name'], items: item },
        plain: { type: 'array', items: item },
      },
    };
    const old = { kept: 'long', keyed: [{ name: 'a', size: 9 }], plain: [{ name: 'a', size: 9 }] };
    expect(faults(old, schema)).toHaveLength(3);
    expect(faults({ ...old, more: 1 }, schema, old)).toEqual([]);
    expect(faults({ ...old, kept: 'longer' }, schema, old)).toEqual(['kept: Too long: may not be more than 1 bytes']);
    const added = { name: 'b', size: 0 };
    expect(faults({ ...old, keyed: [added, ...old.keyed] }, schema, old)).toEqual([]);
    // Items of a list without keys cannot be told from each other.
    expect(faults({ ...old, plain: [added, ...old.plain] }, schema, old)).toEqual([
      'plain[1].size: Invalid value: 9: plain[1].size in body should be less than or equal to 1',
    ]);
  });
});

it('numbers are printed as Go prints integers and floats', () => {
  const bound = (value: unknown, maximum: number): string[] => faults({ field: value }, of({ type: 'number', maximum }));
  const text = 'field in body should be less than or equal to';
  expect(bound(2_000_000, 1_000_000)).toEqual([`field: Invalid value: 2000000: ${text} 1000000`]);
  expect(bound(2_000_000.5, 1_000_000)).toEqual([`field: Invalid value: 2.0000005e+06: ${text} 1e+06`]);
  expect(bound(2n ** 60n + 1n, 2 ** 60)).toEqual([`field: Invalid value: 1152921504606846977: ${text} 1152921504606846976`]);
  expect(bound(2 ** 63, 0.00001)).toEqual([`field: Invalid value: 9.223372036854776e+18: ${text} 1e-05`]);
});

it.each([
  ['date', ['2024-02-29'], ['2023-02-29', '2024-1-1', 'x']],
  ['date-time', ['2024-01-02T03:04:05Z', '2024-01-02t03:04:05.1+01:00'], ['2024-01-02', '2024-01-02T24:00:00Z']],
  ['duration', ['1h2m', '3 days', '22 ns'], ['soon', '']],
  ['email', ['a@b', 'A B <a.b@c.de>'], ['a', '@b', 'a@', 'a b@c']],
  ['hostname', ['a', 'a-b.example.com'], ['a_b', '-a', `${'a'.repeat(64)}.com`]],
  ['ipv4', ['1.2.3.4'], ['1.2.3', '::1']],
  ['ipv6', ['::1', '2001:db8::1'], ['1.2.3.4', ':::']],
  ['cidr', ['10.0.0.0/8', '2001:db8::/32'], ['10.0.0.0', '10.0.0.0/33']],
  ['mac', ['01:23:45:67:89:ab', '01-23-45-67-89-ab-cd-ef', '0123.4567.89ab'], ['01:23', '01:23:45:67:89-ab']],
  ['uuid', ['123E4567-e89b-12d3-a456-426614174000', '123e4567e89b12d3a456426614174000'], ['123']],
  ['uuid4', ['123e4567-e89b-42d3-a456-426614174000'], ['123e4567-e89b-12d3-a456-426614174000']],
  ['byte', ['aGk='], ['aGk', '']],
  ['uri', ['https://a.b/c?d', '/path', 'mailto:a@b'], ['a b', '', 'http://a:b/']],
  ['hexcolor', ['#fff', 'a0b1c2'], ['#ffff']],
  ['rgbcolor', ['rgb(1, 2,255)'], ['rgb(1,2,256)']],
  ['creditcard', ['4111 1111 1111 1111'], ['4111 1111 1111 1112']],
  ['isbn', ['0321751043', '978-0321751041'], ['0321751044']],
  ['ssn', ['123-45-6789'], ['123456789']],
  ['bsonobjectid', ['507f1f77bcf86cd799439011'], ['507f']],
  ['k8s-short-name', ['a-1'], ['a.b', 'A', '-a']],
  ['k8s-long-name', ['a.b-1'], ['a..b']],
] as const)('format %s', (format, good, bad) => {
  const check = formatCheck(format)!;
  for (const one of good) expect([one, check(one)]).toEqual([one, true]);
  for (const one of bad) expect([one, check(one)]).toEqual([one, false]);
});
