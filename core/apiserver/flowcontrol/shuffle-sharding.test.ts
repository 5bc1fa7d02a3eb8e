import { describe, expect, it } from '@jest/globals';
import { dealHand, requiredEntropyBits } from './shuffle-sharding.js';

describe('shuffle sharding', () => {
  it('knows how many bits of a hash a hand takes', () => {
    expect(requiredEntropyBits(1024, 6)).toBe(60);
    expect(requiredEntropyBits(512, 8)).toBe(72);
    expect(requiredEntropyBits(1, 1)).toBe(0);
  });

  it('deals the cards that the digits of the hash count off', () => {
    expect(dealHand(0n, 128, 6)).toEqual([0, 1, 2, 3, 4, 5]);
    // 5 of 8; then 5 of the 7 that are left, which is 6; then 0 of 6.
    expect(dealHand(5n + 8n * 5n, 8, 3)).toEqual([5, 6, 0]);
    // 3; then 2 of the others; then 3 of the others: 4 is moved up past both.
    expect(dealHand(3n + 8n * (2n + 7n * 3n), 8, 3)).toEqual([3, 2, 5]);
  });

  it('deals every card as often as any other, and none twice to a hand', () => {
    const dealt = new Map<string, number>();
    for (let hash = 0n; hash < 60n; hash++) {
      const hand = dealHand(hash, 5, 3);
      expect(new Set(hand).size).toBe(3);
      dealt.set(hand.join(), (dealt.get(hand.join()) ?? 0) + 1);
    }
    // 5 x 4 x 3 hands, each once; the 61st begins anew.
    expect(dealt.size).toBe(60);
  });
});
