import { describe, expect, it } from '@jest/globals';
import { parseIntOrString, scaledIntOrPercent } from './int-or-string.js';

describe('IntOrString', () => {
  it('reads digits as a number', () => {
    expect(parseIntOrString('80')).toBe(80);
    expect(parseIntOrString('http')).toBe('http');
    expect(parseIntOrString('99999999999')).toBe('99999999999');
  });

  it('scales percentages', () => {
    expect(scaledIntOrPercent('25%', { total: 10, roundUp: true })).toBe(3);
    expect(scaledIntOrPercent('25%', { total: 10, roundUp: false })).toBe(2);
    expect(scaledIntOrPercent(7, { total: 10, roundUp: true })).toBe(7);
    expect(() => scaledIntOrPercent('x', { total: 1, roundUp: true })).toThrow('string is not a percentage');
  });
});
