/** One figure. `must` fails the run when missed, `budget` is printed as missed. Lower is better unless `atLeast`. */
export interface BenchResult {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly budget?: number;
  readonly must?: number;
  readonly atLeast?: boolean;
}
