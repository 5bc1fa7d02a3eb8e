const longestSeconds = 32;

/**
 * How long clients that are turned away are told to stay away: doubled while many come, one second less while few do.
 * Source: apiserver pkg/util/flowcontrol/dropped_requests_tracker.go.
 */
export class RetryAfter {
  #seconds = 1;
  #raisedAt = 0;
  #current = 0;
  #count = 0;
  #history: { readonly second: number; readonly count: number }[] = [];

  get seconds(): number {
    return this.#seconds;
  }

  /** One more was turned away. */
  note(nowMs: number): void {
    const second = Math.floor(nowMs / 1000);
    if (second === this.#current) {
      this.#count++;
      return;
    }
    this.#history.push({ second: this.#current, count: this.#count });
    const kept = Math.min(longestSeconds, 2 * this.#seconds);
    this.#history = this.#history.filter(past => second - past.second <= kept);
    this.#current = second;
    this.#count = 1;
    this.#adjust(second);
  }

  #adjust(second: number): void {
    let recent = 0;
    for (const past of this.#history) if (second - past.second <= this.#seconds) recent += past.count;
    if (second - this.#raisedAt >= this.#seconds && recent >= 3 * this.#seconds) {
      this.#seconds = Math.min(longestSeconds, 2 * this.#seconds);
      this.#raisedAt = second;
    } else if (recent < this.#seconds && this.#seconds > 1) this.#seconds--;
  }
}
