import { describe, expect, it } from '@jest/globals';
import { goRegexp } from './go-regexp.js';

describe('goRegexp', () => {
  it.each([
    ['^[a-z]([-a-z0-9]*[a-z0-9])?$', 'a-1', 'A'],
    ['(?i)^abc$', 'ABC', 'abd'],
    ['^[[:alpha:]_]+$', 'a_B', '1'],
    ['^(?i)(abort|warn)?$', 'WARN', 'x'],
    ['^((?i)jan|feb)x$', 'FEBx', 'FEBX'],
    ['^a(?i)b(?-i)c$', 'aBc', 'aBC'],
    ['^(?P<name>x)+$', 'xx', 'y'],
    ['\\Aab\\z', 'ab', 'abc'],
    ['^\\pL+$', 'é', '1'],
    ['^\\Qa.b\\E$', 'a.b', 'axb'],
    ['^[\\w\\-\\.]+$', 'a-.b', '/'],
    ['^[]a]$', ']', 'b'],
    ['^[^/]+$', 'a', '/'],
    ['^\\x{1F642}$', '🙂', 'x'],
    ['^[a[]$', '[', 'b'],
  ])('%s', (pattern, good, bad) => {
    expect([goRegexp(pattern).test(good), goRegexp(pattern).test(bad)]).toEqual([true, false]);
  });

  it.each([
    ['(', 'error parsing regexp: missing closing ): `(`'],
    ['a)', 'error parsing regexp: unexpected ): `a)`'],
    ['*', 'error parsing regexp: missing argument to repetition operator: `*`'],
    ['[a', 'error parsing regexp: missing closing ]: `[a`'],
    ['[z-a]', 'error parsing regexp: invalid character class range: `z-a`'],
    ['a{2,1}', 'error parsing regexp: invalid repeat count: `{2,1}`'],
    ['(?=a)', 'error parsing regexp: invalid or unsupported Perl syntax: `(?=`'],
    ['(?<!a)', 'error parsing regexp: invalid named capture: `(?<!a)`'],
    ['(a)\\1', 'error parsing regexp: invalid escape sequence: `\\1`'],
    ['a\\', 'error parsing regexp: trailing backslash at end of expression: ``'],
    ['[[:odd:]]', 'error parsing regexp: invalid character class range: `[:odd:]`'],
  ])('refuses %s as Go does', (pattern, text) => {
    expect(() => goRegexp(pattern)).toThrow(text);
  });

  it('takes no longer than the text is long, whatever the pattern', () => {
    expect(goRegexp('^(a+)+$').test(`${'a'.repeat(5000)}b`)).toBe(false);
  });
});
