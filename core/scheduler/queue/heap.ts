/** A binary heap whose items can be found and taken out by key. */
export class KeyedHeap<T> {
  readonly #items: T[] = [];
  readonly #positions = new Map<string, number>();
  readonly #keyOf: (item: T) => string;
  readonly #isBefore: (a: T, b: T) => boolean;

  constructor(keyOf: (item: T) => string, isBefore: (a: T, b: T) => boolean) {
    this.#keyOf = keyOf;
    this.#isBefore = isBefore;
  }

  get size(): number {
    return this.#items.length;
  }

  has(key: string): boolean {
    return this.#positions.has(key);
  }

  get(key: string): T | undefined {
    const position = this.#positions.get(key);
    return position === undefined ? undefined : this.#items[position];
  }

  peek(): T | undefined {
    return this.#items[0];
  }

  /** Adds the item, or puts it in the place of the one with its key. */
  set(item: T): void {
    const position = this.#positions.get(this.#keyOf(item)) ?? this.#items.length;
    this.#put(position, item);
    this.#settle(position);
  }

  pop(): T | undefined {
    const first = this.#items[0];
    return first === undefined ? undefined : this.delete(this.#keyOf(first));
  }

  delete(key: string): T | undefined {
    const position = this.#positions.get(key);
    if (position === undefined) return undefined;
    const item = this.#items[position]!;
    const last = this.#items.pop()!;
    this.#positions.delete(key);
    if (last !== item) {
      this.#put(position, last);
      this.#settle(position);
    }
    return item;
  }

  #put(position: number, item: T): void {
    this.#items[position] = item;
    this.#positions.set(this.#keyOf(item), position);
  }

  #settle(from: number): void {
    let position = from;
    const item = this.#items[position]!;
    while (position > 0) {
      const parent = (position - 1) >> 1;
      if (!this.#isBefore(item, this.#items[parent]!)) break;
      this.#put(position, this.#items[parent]!);
      position = parent;
    }
    for (;;) {
      let child = 2 * position + 1;
      if (child >= this.#items.length) break;
      if (child + 1 < this.#items.length && this.#isBefore(this.#items[child + 1]!, this.#items[child]!)) child++;
      if (!this.#isBefore(this.#items[child]!, item)) break;
      this.#put(position, this.#items[child]!);
      position = child;
    }
    this.#put(position, item);
  }
}
