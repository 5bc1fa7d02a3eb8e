import { describe, expect, it } from '@jest/globals';
import { formatGoSyntax, formatGoValue, goTypeName } from './go-format.js';

describe('Go formats', () => {
  it('print values', () => {
    const value = { b: [1, 'x', null, true], a: { c: 1.5 } };
    expect(formatGoValue(value)).toBe('map[a:map[c:1.5] b:[1 x <nil> true]]');
    expect(formatGoSyntax(value)).toBe(
      'map[string]interface {}{"a":map[string]interface {}{"c":1.5}, "b":[]interface {}{1, "x", interface {}(nil), true}}',
    );
    expect([1e21, 1e-7, 0.001, 123456789].map(formatGoValue)).toEqual(['1e+21', '1e-07', '0.001', '123456789']);
  });

  it('name types', () => {
    expect([1, 1.5, 'x', true, [], {}].map(goTypeName)).toEqual([
      'int64',
      'float64',
      'string',
      'bool',
      '[]interface {}',
      'map[string]interface {}',
    ]);
  });
});
