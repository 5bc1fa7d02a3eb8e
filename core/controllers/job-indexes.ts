/**
 * A set of completion indexes as sorted intervals, written `1,3-5,7,8` in a job's status.
 * Source: pkg/controller/job/indexed_job_utils.
 */
export class IndexSet {
  readonly #intervals: readonly (readonly [first: number, last: number])[];

  private constructor(intervals: readonly (readonly [number, number])[]) {
    this.#intervals = intervals;
  }

  /** Parts that cannot be read are left out, indexes from `completions` on too. */
  static parse(text: string | undefined, completions: number): IndexSet {
    const intervals: [number, number][] = [];
    for (const part of (text ?? '').split(',')) {
      const match = /^(\d+)(?:-(\d+))?$/.exec(part);
      if (!match) continue;
      const first = Number(match[1]);
      if (first >= completions) break;
      intervals.push([first, Math.min(Number(match[2] ?? first), completions - 1)]);
    }
    return new IndexSet(joined(intervals));
  }

  static of(indexes: Iterable<number>): IndexSet {
    return new IndexSet(joined(Array.from(indexes, (index): [number, number] => [index, index])));
  }

  get size(): number {
    return this.#intervals.reduce((sum, [first, last]) => sum + last - first + 1, 0);
  }

  has(index: number): boolean {
    let low = 0;
    let high = this.#intervals.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#intervals[middle]![1] >= index) high = middle;
      else low = middle + 1;
    }
    return low < this.#intervals.length && this.#intervals[low]![0] <= index;
  }

  with(other: IndexSet): IndexSet {
    return new IndexSet(joined([...this.#intervals, ...other.#intervals]));
  }

  /** How many indexes both have. */
  overlap(other: IndexSet): number {
    let count = 0;
    let mine = 0;
    let theirs = 0;
    while (mine < this.#intervals.length && theirs < other.#intervals.length) {
      const [first, last] = this.#intervals[mine]!;
      const [otherFirst, otherLast] = other.#intervals[theirs]!;
      count += Math.max(0, Math.min(last, otherLast) - Math.max(first, otherFirst) + 1);
      if (last <= otherLast) mine++;
      if (otherLast <= last) theirs++;
    }
    return count;
  }

  /** The lowest `count` indexes below `completions` that are not in the set. */
  firstMissing(count: number, completions: number): number[] {
    const missing: number[] = [];
    let candidate = 0;
    for (const [first, last] of [...this.#intervals, [completions, completions] as const]) {
      for (; candidate < first && candidate < completions && missing.length < count; candidate++) missing.push(candidate);
      if (missing.length >= count) break;
      candidate = Math.max(candidate, last + 1);
    }
    return missing;
  }

  toString(): string {
    return this.#intervals
      .map(([first, last]) => (last > first + 1 ? `${first}-${last}` : last > first ? `${first},${last}` : String(first)))
      .join(',');
  }
}

function joined(intervals: readonly (readonly [number, number])[]): (readonly [number, number])[] {
  const result: [number, number][] = [];
  for (const [first, last] of [...intervals].sort((a, b) => a[0] - b[0])) {
    const previous = result.at(-1);
    if (previous && first <= previous[1] + 1) previous[1] = Math.max(previous[1], last);
    else result.push([first, last]);
  }
  return result;
}
