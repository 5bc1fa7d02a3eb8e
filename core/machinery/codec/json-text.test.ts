import { describe, expect, it } from '@jest/globals';
import type { NumberToken } from './json-text.js';
import { goSyntaxError, jsonText, parseJsonText, parseOwnJson, scanJsonText, wideInteger, withoutTokens } from './json-text.js';

describe('scanJsonText', () => {
  it('counts members and depth, not what strings hold', () => {
    expect(scanJsonText('{"a:{\\"":[{"b":1}],"c":"x:y\\\\"}')).toMatchObject({ members: 3, depth: 3, hasOddNumbers: false });
  });

  it('sees numbers that are no plain integers', () => {
    expect(scanJsonText('[1, 23, -5, true, false, null, "1.5e3"]').hasOddNumbers).toBe(false);
    expect(scanJsonText('[1.5]').hasOddNumbers).toBe(true);
    expect(scanJsonText('[1e3]').hasOddNumbers).toBe(true);
    expect(scanJsonText('[1234567890123456]').hasOddNumbers).toBe(true);
  });
});

describe('integers that no double holds', () => {
  const text = '{"a":[9007199254740993,-9223372036854775808,9007199254740991,1.5],"b":"9007199254740993"}';

  it('are read and written as they are', () => {
    const value = parseOwnJson(text) as { a: unknown[] };
    expect(value.a).toEqual([9007199254740993n, -9223372036854775808n, 9007199254740991, 1.5]);
    expect(jsonText(value)).toBe(text);
    expect(jsonText([2n ** 62n], { indent: 1 })).toBe('[\n 4611686018427387904\n]');
    expect(withoutTokens(parseJsonText(text, true))).toEqual(value);
  });

  it('are those of 64 bits', () => {
    const texts = [
      '9007199254740991',
      '9007199254740992',
      '9223372036854775807',
      '9223372036854775808',
      '-9223372036854775809',
      '1e18',
    ];
    expect(texts.map(wideInteger)).toEqual([undefined, 2n ** 53n, 2n ** 63n - 1n, undefined, undefined, undefined]);
  });

  it('leave other faults of JSON.stringify to be seen', () => {
    const circle: { self?: unknown } = {};
    circle.self = circle;
    expect(() => jsonText(circle)).toThrow('circular');
  });
});

describe('parseJsonText', () => {
  it('keeps how odd numbers were written', () => {
    const value = parseJsonText('{"a":1.0,"b":[1e3,2]}', true) as { a: NumberToken; b: [NumberToken, number] };
    expect(value.a.source).toBe('1.0');
    expect(value.b[0].source).toBe('1e3');
    expect(value.b[1]).toBe(2);
    expect(withoutTokens(value)).toEqual({ a: 1, b: [1000, 2] });
  });

  it.each([
    ['', 'unexpected end of JSON input'],
    ['{"a" 1}', "invalid character '1' after object key"],
    ['{"a":1 "b"}', "invalid character '\"' after object key:value pair"],
    ['[1 2]', "invalid character '2' after array element"],
    ['{a:1}', "invalid character 'a' looking for beginning of object key string"],
    ['[1,]', "invalid character ']' looking for beginning of value"],
    ['{"a":1,}', "invalid character '}' looking for beginning of object key string"],
    ['tru', 'unexpected end of JSON input'],
    ['trux', "invalid character 'x' in literal true (expecting 'e')"],
    ['"\\x"', "invalid character 'x' in string escape code"],
    ['"\\u12g4"', "invalid character 'g' in \\u hexadecimal character escape"],
    ['"a\nb"', "invalid character '\\n' in string literal"],
    ['01', "invalid character '1' after top-level value"],
    ['1.', 'unexpected end of JSON input'],
    ['-x', "invalid character 'x' in numeric literal"],
    ['é', "invalid character 'Ã' looking for beginning of value"],
    ["'a'", "invalid character '\\'' looking for beginning of value"],
  ])('%j: %s', (text, message) => {
    expect(goSyntaxError(text)).toBe(message);
    expect(() => parseJsonText(text)).toThrow(message);
  });
});
