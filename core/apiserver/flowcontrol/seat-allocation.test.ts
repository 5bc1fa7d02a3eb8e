import { describe, expect, it } from '@jest/globals';
import { allocateSeats } from './seat-allocation.js';
import type { SeatClaim } from './seat-allocation.js';

describe('the allocation of seats', () => {
  it('gives each the same part of its target where no bound stands in the way', () => {
    const { seats, fairFraction } = allocateSeats(60, [
      { target: 10, lower: 0, upper: 100 },
      { target: 20, lower: 0, upper: 100 },
    ]);
    expect(seats[0]).toBeCloseTo(20, 6);
    expect(seats[1]).toBeCloseTo(40, 6);
    expect(fairFraction).toBeCloseTo(2, 6);
  });

  it('keeps to the bounds and gives the rest to the others', () => {
    const claims = [
      { target: 30, lower: 30, upper: 40 },
      { target: 10, lower: 0, upper: 12 },
      { target: 0, lower: 0, upper: 100 },
    ];
    expect(allocateSeats(35, claims).seats.map(Math.round)).toEqual([30, 5, 0]);
    expect(allocateSeats(60, claims).seats.map(Math.round)).toEqual([40, 12, 8]);
  });

  it('refuses what the bounds do not allow', () => {
    expect(() => allocateSeats(1, [{ target: 2, lower: 2, upper: 3 }])).toThrow('lower bounds sum to 2, which is more than 1');
    expect(() => allocateSeats(4, [{ target: 2, lower: 2, upper: 3 }])).toThrow('upper bounds sum to 3, which is less than 4');
    expect(allocateSeats(0, [])).toEqual({ seats: [], fairFraction: 0 });
  });

  it('holds for whatever is claimed', () => {
    let seed = 12_345;
    const random = (): number => (seed = (seed * 16_807) % 2_147_483_647) / 2_147_483_647;
    for (let round = 0; round < 500; round++) {
      const claims: SeatClaim[] = Array.from({ length: 1 + Math.floor(random() * 9) }, () => {
        const lower = Math.max(0, random() * 5 - 1);
        return { lower, target: random() < 0.2 ? lower : lower + 2 * random(), upper: lower + 3 * random() };
      });
      const low = claims.reduce((sum, { lower }) => sum + lower, 0);
      const high = claims.reduce((sum, { upper }) => sum + upper, 0);
      const total = low + (high - low) * random();
      const { seats, fairFraction } = allocateSeats(total, claims);
      expect(seats.reduce((sum, value) => sum + value, 0)).toBeCloseTo(total, 5);
      for (const [at, { lower, upper, target }] of claims.entries()) {
        const fair = fairFraction * Math.max(target, 0.001);
        expect(seats[at]).toBeCloseTo(Math.min(upper, Math.max(lower, fair)), 5);
      }
    }
  });
});
