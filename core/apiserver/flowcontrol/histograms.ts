/** Counts observations below given bounds, for Prometheus. */
export class Histogram {
  readonly #bounds: readonly number[];
  readonly #counts: number[];
  #count = 0;
  #sum = 0;

  /** Ascending; what is above the last one is counted too. */
  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = bounds.map(() => 0);
  }

  observe(value: number): void {
    this.#count++;
    this.#sum += value;
    const at = bucketOf(this.#bounds, value);
    if (at < this.#bounds.length) this.#counts[at]!++;
  }

  /** Lines of a series; nothing where nothing was observed. */
  lines(name: string, labels: string): string[] {
    if (this.#count === 0) return [];
    return seriesLines(name, labels, { bounds: this.#bounds, counts: this.#counts, count: this.#count, sum: this.#sum });
  }
}

const nanosPerMs = 1e6;

/** How long, in nanoseconds, a value was below which part of its limit: a histogram that is observed every nanosecond. */
export class RatioOverTime {
  readonly #bounds: readonly number[];
  readonly #nanos: number[];
  #totalNanos = 0;
  #sum = 0;
  #value = 0;
  #limit = 1;
  #lastMs: number;
  #at: number;

  constructor(bounds: readonly number[], nowMs: number) {
    this.#bounds = bounds;
    this.#nanos = bounds.map(() => 0);
    this.#lastMs = nowMs;
    this.#at = bucketOf(bounds, 0);
  }

  set(value: number, nowMs: number): void {
    if (value === this.#value) return;
    this.#spend(nowMs);
    this.#value = value;
    this.#at = bucketOf(this.#bounds, value / this.#limit);
  }

  setLimit(limit: number, nowMs: number): void {
    if (limit === this.#limit) return;
    this.#spend(nowMs);
    this.#limit = limit;
    this.#at = bucketOf(this.#bounds, this.#value / limit);
  }

  lines(name: string, labels: string, nowMs: number): string[] {
    this.#spend(nowMs);
    return seriesLines(name, labels, { bounds: this.#bounds, counts: this.#nanos, count: this.#totalNanos, sum: this.#sum });
  }

  #spend(nowMs: number): void {
    const nanos = Math.max(0, Math.round((nowMs - this.#lastMs) * nanosPerMs));
    this.#lastMs = nowMs;
    this.#totalNanos += nanos;
    this.#sum += (this.#value / this.#limit) * nanos;
    if (this.#at < this.#nanos.length) this.#nanos[this.#at]! += nanos;
  }
}

/** The first bound that is not below the value. */
function bucketOf(bounds: readonly number[], value: number): number {
  let at = 0;
  while (at < bounds.length && value > bounds[at]!) at++;
  return at;
}

interface Counted {
  readonly bounds: readonly number[];
  /** Of each bucket alone. */
  readonly counts: readonly number[];
  readonly count: number;
  readonly sum: number;
}

function seriesLines(name: string, labels: string, { bounds, counts, count, sum }: Counted): string[] {
  let below = 0;
  const buckets = bounds.map((bound, at) => `${name}_bucket{${labels},le="${bound}"} ${(below += counts[at]!)}`);
  return [
    ...buckets,
    `${name}_bucket{${labels},le="+Inf"} ${count}`,
    `${name}_sum{${labels}} ${sum}`,
    `${name}_count{${labels}} ${count}`,
  ];
}
