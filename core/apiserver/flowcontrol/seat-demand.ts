export interface DemandSummary {
  readonly seconds: number;
  /** Over time. 0 where no time has passed. */
  readonly average: number;
  readonly deviation: number;
  readonly highest: number;
}

/** How many seats were wanted, in use or waited for, integrated over time. Source: apiserver fairqueuing/integrator.go. */
export class SeatDemand {
  #value = 0;
  #highest = 0;
  #lastMs: number;
  #seconds = 0;
  #integral = 0;
  #integralOfSquares = 0;

  constructor(nowMs: number) {
    this.#lastMs = nowMs;
  }

  get value(): number {
    return this.#value;
  }

  set(value: number, nowMs: number): void {
    this.#integrate(nowMs);
    this.#value = value;
    if (value > this.#highest) this.#highest = value;
  }

  /** What was since the last reset, and begins anew. */
  reset(nowMs: number): DemandSummary {
    this.#integrate(nowMs);
    const seconds = this.#seconds;
    const average = seconds > 0 ? this.#integral / seconds : 0;
    const variance = seconds > 0 ? this.#integralOfSquares / seconds - average * average : 0;
    const summary = { seconds, average, deviation: Math.sqrt(Math.max(0, variance)), highest: this.#highest };
    this.#seconds = this.#integral = this.#integralOfSquares = 0;
    this.#highest = this.#value;
    return summary;
  }

  #integrate(nowMs: number): void {
    const seconds = (nowMs - this.#lastMs) / 1000;
    this.#lastMs = nowMs;
    this.#seconds += seconds;
    this.#integral += this.#value * seconds;
    this.#integralOfSquares += this.#value * this.#value * seconds;
  }
}
