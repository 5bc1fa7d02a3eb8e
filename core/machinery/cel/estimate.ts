/** Ranges of sizes and costs for the estimate before an expression runs; they stop at the largest number of 64 bits. */
export interface Estimate {
  readonly min: number;
  readonly max: number;
}

/** 2^64 - 1, as near as a double comes to it. */
export const unlimited = 2 ** 64;

export const unknownSize: Estimate = { min: 0, max: unlimited };

export function exactly(value: number): Estimate {
  return { min: value, max: value };
}

function bounded(value: number): number {
  return value > unlimited ? unlimited : value;
}

export function plus(left: Estimate, right: Estimate): Estimate {
  return { min: bounded(left.min + right.min), max: bounded(left.max + right.max) };
}

export function times(left: Estimate, right: Estimate): Estimate {
  return { min: bounded(left.min * right.min), max: bounded(left.max * right.max) };
}

/** Rounded up. */
export function scaled(estimate: Estimate, factor: number): Estimate {
  return { min: bounded(Math.ceil(estimate.min * factor)), max: bounded(Math.ceil(estimate.max * factor)) };
}

export function union(left: Estimate, right: Estimate): Estimate {
  return { min: Math.min(left.min, right.min), max: Math.max(left.max, right.max) };
}

const largest = (1n << 64n) - 1n;

/** `value * factor + offset` where upstream does not look for overflow: it comes round at 2^64. */
export function wrapping(value: number, factor: bigint, offset = 0n): number {
  const whole = value >= unlimited ? largest : BigInt(value);
  return Number(BigInt.asUintN(64, whole * factor + offset));
}
