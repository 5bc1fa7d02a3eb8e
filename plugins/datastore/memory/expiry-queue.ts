/** Keys by the full second in which they expire. */
export class ExpiryQueue {
  readonly #secondOf = new Map<string, number>();
  readonly #keysOf = new Map<number, Set<string>>();

  /** Replaces the key's expiry; 0 forgets it. */
  set(key: string, atMs: number): void {
    const before = this.#secondOf.get(key);
    if (before !== undefined) {
      const keys = this.#keysOf.get(before)!;
      keys.delete(key);
      if (keys.size === 0) this.#keysOf.delete(before);
      this.#secondOf.delete(key);
    }
    if (atMs === 0) return;
    const second = Math.ceil(atMs / 1000);
    this.#secondOf.set(key, second);
    const keys = this.#keysOf.get(second);
    if (keys) keys.add(key);
    else this.#keysOf.set(second, new Set([key]));
  }

  /** What expires at or before `nowMs`, in order. */
  due(nowMs: number): string[] {
    const seconds = [...this.#keysOf.keys()].filter(second => second * 1000 <= nowMs).sort((a, b) => a - b);
    return seconds.flatMap(second => [...this.#keysOf.get(second)!]);
  }

  nextMs(): number | undefined {
    let next = Infinity;
    for (const second of this.#keysOf.keys()) if (second < next) next = second;
    return next === Infinity ? undefined : next * 1000;
  }
}
