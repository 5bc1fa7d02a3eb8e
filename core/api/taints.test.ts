import { describe, expect, it } from '@jest/globals';
import type { Taint, Toleration } from './generated/types.js';
import { firstUntoleratedTaint, keepsPodsAway, toleratedSeconds, tolerationTolerates } from './taints.js';

const taint: Taint = { key: 'k', value: 'v', effect: 'NoSchedule' };

describe('tolerationTolerates', () => {
  const cases: [string, Toleration, boolean][] = [
    ['key, value and effect', { key: 'k', operator: 'Equal', value: 'v', effect: 'NoSchedule' }, true],
    ['no operator means Equal', { key: 'k', value: 'v' }, true],
    ['another value', { key: 'k', value: 'w', effect: 'NoSchedule' }, false],
    ['no value against a value', { key: 'k' }, false],
    ['another key', { key: 'x', operator: 'Exists' }, false],
    ['another effect', { key: 'k', operator: 'Exists', effect: 'NoExecute' }, false],
    ['every effect', { key: 'k', operator: 'Exists' }, true],
    ['everything', { operator: 'Exists' }, true],
    ['every key with one effect', { operator: 'Exists', effect: 'NoSchedule' }, true],
    ['comparisons are off', { key: 'k', operator: 'Gt', value: '1' }, false],
    ['an unknown operator', { key: 'k', operator: 'Like', value: 'v' }, false],
  ];
  it.each(cases)('%s', (_name, toleration, expected) => expect(tolerationTolerates(toleration, taint)).toBe(expected));
});

describe('firstUntoleratedTaint', () => {
  const soft: Taint = { key: 'soft', effect: 'PreferNoSchedule' };
  it('is none without taints', () => expect(firstUntoleratedTaint(undefined, [])).toBeUndefined());
  it('leaves out what the filter leaves out', () => {
    expect(firstUntoleratedTaint([soft, taint], [], keepsPodsAway)).toBe(taint);
    expect(firstUntoleratedTaint([soft], undefined, keepsPodsAway)).toBeUndefined();
    expect(firstUntoleratedTaint([soft], undefined)).toBe(soft);
  });
});

describe('toleratedSeconds', () => {
  const noExecute = (key: string): Taint => ({ key, effect: 'NoExecute' });
  const toleration = (key: string, tolerationSeconds?: number): Toleration => ({ key, operator: 'Exists', tolerationSeconds });
  it('is none when a taint is not tolerated', () => {
    expect(toleratedSeconds([noExecute('a'), noExecute('b')], [toleration('a')])).toBeUndefined();
  });
  it('is the shortest of all that match', () => {
    expect(toleratedSeconds([noExecute('a'), noExecute('b')], [toleration('a', 300), toleration('b', 60)])).toBe(60);
  });
  it('has no end without seconds, and none below zero', () => {
    expect(toleratedSeconds([noExecute('a')], [toleration('a')])).toBe(Infinity);
    expect(toleratedSeconds([noExecute('a')], [toleration('a', -5)])).toBe(0);
  });
  it('does not mind other effects', () => expect(toleratedSeconds([taint], [])).toBe(Infinity));
});
