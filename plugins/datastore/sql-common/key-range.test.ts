import { describe, expect, it } from '@jest/globals';
import { compareKeys, prefixEnd } from './key-range.js';

describe('prefixEnd', () => {
  it('is the first string behind every key with the prefix', () => {
    expect(prefixEnd('/pods/')).toBe('/pods0');
    expect(prefixEnd('a\u{10ffff}')).toBe('b');
    expect(prefixEnd('\ud7ff')).toBe('\ue000');
    expect(prefixEnd('\uffff')).toBe('\u{10000}');
  });

  it('is absent where every key has the prefix or lies before it', () => {
    expect(prefixEnd('')).toBeUndefined();
    expect(prefixEnd('\u{10ffff}')).toBeUndefined();
  });
});

describe('compareKeys', () => {
  it('orders as the UTF-8 bytes do', () => {
    const keys = [
      '',
      '/',
      '/a',
      '/a/',
      '/a/b',
      '/a0',
      '/b',
      '/é',
      '/\ud7ff',
      '/\ue000',
      '/\uff5e',
      '/\uffff',
      '/\u{10000}',
      '/\u{1f600}',
      '/\u{1f601}',
      '/\u{10ffff}',
    ];
    for (const left of keys) {
      for (const right of keys) {
        expect(Math.sign(compareKeys(left, right))).toBe(Buffer.compare(Buffer.from(left), Buffer.from(right)));
      }
    }
  });
});
