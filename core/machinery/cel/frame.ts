import type { CelValue } from './values.js';

/** Variables of one evaluation; found when first asked for. */
export interface VariableSource {
  /** Undefined for a variable that has no value. */
  find(name: string): CelValue | undefined;
}

/** Ends an evaluation that would cost too much. */
export class CostLimitExceeded extends Error {
  constructor() {
    super('operation cancelled: actual cost limit exceeded');
  }
}

/** The state of one evaluation. */
export class Frame {
  cost = 0;
  /** Of comprehensions; the planner gives out the places. */
  readonly locals: (CelValue | undefined)[];

  constructor(
    readonly variables: VariableSource,
    readonly costLimit: number,
    localCount: number,
  ) {
    this.locals = localCount === 0 ? noLocals : new Array<CelValue | undefined>(localCount).fill(undefined);
  }

  charge(cost: number): void {
    this.cost += cost;
    if (this.cost > this.costLimit) throw new CostLimitExceeded();
  }
}

const noLocals: (CelValue | undefined)[] = [];
