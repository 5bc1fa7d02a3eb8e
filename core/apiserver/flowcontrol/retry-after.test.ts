import { describe, expect, it } from '@jest/globals';
import { RetryAfter } from './retry-after.js';

describe('how long clients stay away', () => {
  const noted = (retry: RetryAfter, second: number, count: number): number => {
    for (let at = 0; at < count; at++) retry.note(second * 1000 + at);
    return retry.seconds;
  };

  it('doubles while many are turned away, up to half a minute', () => {
    const retry = new RetryAfter();
    expect(retry.seconds).toBe(1);
    const seen = new Set<number>();
    for (let second = 100; second < 250; second++) seen.add(noted(retry, second, 200));
    expect([...seen]).toEqual([1, 2, 4, 8, 16, 32]);
  });

  it('goes back second by second while few are', () => {
    const retry = new RetryAfter();
    for (let second = 100; second < 110; second++) noted(retry, second, 50);
    expect(retry.seconds).toBe(8);
    expect(noted(retry, 200, 1)).toBe(7);
    expect(noted(retry, 300, 1)).toBe(6);
    for (let second = 400; second < 1400; second += 100) noted(retry, second, 1);
    expect(retry.seconds).toBe(1);
  });

  it('does not rise for a few', () => {
    const retry = new RetryAfter();
    for (let second = 100; second < 150; second++) expect(noted(retry, second, 2)).toBe(1);
  });
});
