import { describe, expect, it } from '@jest/globals';
import { expand } from './expansion.js';

describe('expand', () => {
  const lookup = (name: string): string | undefined => ({ A: '1', B: '$(A)', EMPTY: '' })[name];
  it.each([
    ['plain', 'plain'],
    ['$(A)', '1'],
    ['x$(A)y$(A)', 'x1y1'],
    ['$(B)', '$(A)'],
    ['$(EMPTY)', ''],
    ['$(NONE)', '$(NONE)'],
    ['$$(A)', '$(A)'],
    ['$$$(A)', '$1'],
    ['$A', '$A'],
    ['$(A', '$(A'],
    ['a$', 'a$'],
  ])('%j gives %j', (text, expected) => {
    expect(expand(text, lookup)).toBe(expected);
  });
});
