import { describe, expect, it } from '@jest/globals';
import { seededRandom } from '../../../core/testing/datastore-suite-support.js';
import { SortedKeys } from './sorted-keys.js';

describe('SortedKeys', () => {
  it('agrees with a sorted array through thousands of changes', () => {
    const random = seededRandom(4);
    const keys = new SortedKeys();
    const model = new Set<string>();
    for (let step = 0; step < 6000; step++) {
      const key = `/k/${random(3000)}`;
      if (model.delete(key)) keys.remove(key);
      else {
        model.add(key);
        keys.add(key);
      }
      if (step % 500 !== 0) continue;
      const from = `/k/${random(3000)}`;
      expect([...keys.from(from)]).toEqual([...model].filter(each => each >= from).sort());
      expect([...keys.from('')]).toEqual([...model].sort());
      expect(keys.size).toBe(model.size);
    }
    for (const key of model) keys.remove(key);
    expect([...keys.from('')]).toEqual([]);
  });
});
