import { describe, expect, it } from '@jest/globals';
import { parseFieldSelector } from './field-selector.js';

describe('parseFieldSelector', () => {
  it.each([
    ['', ''],
    ['a==b', 'a=b'],
    ['z=1,a!=2', 'a!=2,z=1'],
    ['a=b\\,c', 'a=b\\,c'],
    ['a=', 'a='],
    ['a=b,', 'a=b'],
  ])('%j is %j', (text, canonical) => expect(parseFieldSelector(text).toString()).toBe(canonical));

  it.each([
    ['a', "invalid selector: 'a'; can't understand 'a'"],
    ['a=b=c', 'invalid field selector: unescaped character in value: 61'],
    ['a=\\x', 'invalid field selector: invalid escape sequence: \\x'],
    ['a=b\\', 'invalid field selector: invalid escape sequence: \\'],
  ])('refuses %j', (text, message) => expect(() => parseFieldSelector(text)).toThrow(message));

  it('matches, an absent field being empty', () => {
    const fields = { 'metadata.name': 'a', 'spec.nodeName': '' };
    expect(parseFieldSelector('metadata.name=a,spec.nodeName=').matches(fields)).toBe(true);
    expect(parseFieldSelector('metadata.name!=a').matches(fields)).toBe(false);
    expect(parseFieldSelector('constructor=').matches(fields)).toBe(true);
    expect(parseFieldSelector('metadata.name=x\\=y').exactValue('metadata.name')).toBe('x=y');
  });
});
