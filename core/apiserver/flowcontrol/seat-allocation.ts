/** What a level asks for: `target` is at least `lower`, `upper` is at least `lower`, none is negative. */
export interface SeatClaim {
  readonly target: number;
  readonly lower: number;
  readonly upper: number;
}

export interface SeatAllocation {
  /** One a claim, in their order. Their sum is what was to be given out. */
  readonly seats: readonly number[];
  /** What part of its target each gets that meets neither bound. */
  readonly fairFraction: number;
}

const smallestTarget = 0.001;
const halvings = 100;
const tolerance = 1e-7;

/**
 * Gives every claim the same fraction of its target, but not less than its lower and not more than its upper bound, so that all
 * comes to `total`. Throws where the bounds leave no way. Source: KEP-1040, computeConcurrencyAllocation.
 */
export function allocateSeats(total: number, claims: readonly SeatClaim[]): SeatAllocation {
  const lowest = sum(claims.map(({ lower }) => lower));
  const highest = sum(claims.map(({ upper }) => upper));
  if (lowest - total > tolerance) throw new Error(`lower bounds sum to ${lowest}, which is more than ${total}`);
  if (total - highest > tolerance) throw new Error(`upper bounds sum to ${highest}, which is less than ${total}`);
  const targets = claims.map(({ target }) => Math.max(target, smallestTarget));
  const at = (fraction: number): number[] =>
    claims.map(({ lower, upper }, index) => Math.min(upper, Math.max(lower, fraction * targets[index]!)));
  // What is given out rises with the fraction, so that the fraction can be searched for.
  let low = 0;
  let high = Math.max(0, ...claims.map(({ upper }, index) => upper / targets[index]!));
  for (let step = 0; step < halvings && high - low > Number.EPSILON * high; step++) {
    const middle = (low + high) / 2;
    if (sum(at(middle)) < total) low = middle;
    else high = middle;
  }
  return { seats: at(high), fairFraction: high };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
