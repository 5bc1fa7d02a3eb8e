import { describe, expect, it } from '@jest/globals';
import { didYouMean, editDistance, nearestName } from './nearest-name.js';

describe('nearest name', () => {
  it('counts edits, a swap of neighbours as one', () => {
    expect(editDistance('kitten', 'sitting')).toBe(3);
    expect(editDistance('treafik', 'traefik')).toBe(1);
    expect(editDistance('', 'abc')).toBe(3);
  });

  it('names the nearest known one, and nothing that is far', () => {
    const known = ['coredns', 'traefik', 'servicelb'];
    expect(nearestName('treafik', known)).toBe('traefik');
    expect(nearestName('core-dns', known)).toBe('coredns');
    expect(nearestName('zzz', known)).toBeUndefined();
    expect(didYouMean('servicelp', known)).toBe(' (did you mean "servicelb"?)');
    expect(didYouMean('x', known)).toBe('');
  });
});
