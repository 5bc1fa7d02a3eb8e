export interface BackoffOptions {
  readonly initialMs: number;
  readonly maximumMs: number;
  /** Multiplier per failure; 2 when absent. */
  readonly factor?: number;
  /** Fraction of random time added on top, 0 to 1; none when absent. */
  readonly jitter?: number;
}

/** The wait before try number `failures` + 1; 0 failures give the initial wait. */
export function backoffMs(options: BackoffOptions, failures: number, random: () => number = Math.random): number {
  const plain = Math.min(options.maximumMs, options.initialMs * (options.factor ?? 2) ** Math.min(failures, 64));
  return plain + plain * (options.jitter ?? 0) * random();
}
