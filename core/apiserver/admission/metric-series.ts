/** Series of one metric, by their labels as they are printed. */
export class CounterSeries {
  readonly #name: string;
  readonly #help: string;
  readonly #counts = new Map<string, number>();

  constructor(name: string, help: string) {
    this.#name = name;
    this.#help = help;
  }

  add(labels: string, count = 1): void {
    this.#counts.set(labels, (this.#counts.get(labels) ?? 0) + count);
  }

  /** In Prometheus' text format; nothing before the first count. */
  lines(): string[] {
    if (this.#counts.size === 0) return [];
    const lines = [`# HELP ${this.#name} ${this.#help}`, `# TYPE ${this.#name} counter`];
    for (const [labels, count] of this.#counts) lines.push(`${this.#name}{${labels}} ${count}`);
    return lines;
  }
}

interface Durations {
  readonly buckets: number[];
  sumSeconds: number;
  count: number;
}

export class HistogramSeries {
  readonly #name: string;
  readonly #help: string;
  readonly #boundsSeconds: readonly number[];
  readonly #series = new Map<string, Durations>();

  constructor(name: string, help: string, boundsSeconds: readonly number[]) {
    this.#name = name;
    this.#help = help;
    this.#boundsSeconds = boundsSeconds;
  }

  observe(labels: string, seconds: number): void {
    let durations = this.#series.get(labels);
    if (!durations) {
      durations = { buckets: this.#boundsSeconds.map(() => 0), sumSeconds: 0, count: 0 };
      this.#series.set(labels, durations);
    }
    durations.count++;
    durations.sumSeconds += seconds;
    for (const [index, bound] of this.#boundsSeconds.entries()) if (seconds <= bound) durations.buckets[index]!++;
  }

  lines(): string[] {
    if (this.#series.size === 0) return [];
    const name = this.#name;
    const lines = [`# HELP ${name} ${this.#help}`, `# TYPE ${name} histogram`];
    for (const [labels, { buckets, sumSeconds, count }] of this.#series) {
      for (const [index, bound] of this.#boundsSeconds.entries())
        lines.push(`${name}_bucket{${labels},le="${bound}"} ${buckets[index]}`);
      lines.push(`${name}_bucket{${labels},le="+Inf"} ${count}`);
      lines.push(`${name}_sum{${labels}} ${sumSeconds}`, `${name}_count{${labels}} ${count}`);
    }
    return lines;
  }
}

/** The text of several metrics; '' where there is nothing yet. */
export function metricsText(...series: readonly { lines(): string[] }[]): string {
  const lines = series.flatMap(each => each.lines());
  return lines.length ? `${lines.join('\n')}\n` : '';
}
