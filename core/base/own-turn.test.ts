import { expect, it } from '@jest/globals';
import { ownTurn } from './own-turn.js';

it('slices of several works take turns, and what else comes runs between them', async () => {
  const seen: string[] = [];
  const work = async (name: string): Promise<void> => {
    for (let slice = 1; slice <= 3; slice++) {
      await ownTurn();
      seen.push(`${name}${slice}`);
    }
  };
  let over = false;
  const others = (async () => {
    while (!over) {
      await new Promise(resolve => setImmediate(resolve));
      seen.push('-');
    }
  })();
  await Promise.all([work('a'), work('b')]);
  over = true;
  await others;
  const order = seen.join('');
  expect(order.replaceAll('-', '')).toBe('a1b1a2b2a3b3');
  expect(order).not.toMatch(/[ab]\d[ab]\d/);
});
