import { compareKeys } from '../sql-common/key-range.js';

const chunkLength = 256;

/** A sorted set of keys in short chunks: adding and removing touch one chunk, ranges are read without sorting. */
export class SortedKeys {
  #chunks: string[][] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The key must not be there yet. */
  add(key: string): void {
    this.#size++;
    const at = Math.max(0, this.#chunkOf(key));
    const chunk = this.#chunks[at];
    if (!chunk) {
      this.#chunks.push([key]);
      return;
    }
    chunk.splice(lowerBound(chunk, key), 0, key);
    if (chunk.length > 2 * chunkLength) this.#chunks.splice(at + 1, 0, chunk.splice(chunkLength));
  }

  /** The key must be there. */
  remove(key: string): void {
    const at = this.#chunkOf(key);
    const chunk = this.#chunks[at]!;
    chunk.splice(lowerBound(chunk, key), 1);
    this.#size--;
    if (chunk.length === 0) this.#chunks.splice(at, 1);
  }

  /** Keys at or above `from`, in order. The set must not be changed meanwhile. */
  *from(from: string): Generator<string> {
    const start = Math.max(0, this.#chunkOf(from));
    for (let at = start; at < this.#chunks.length; at++) {
      const chunk = this.#chunks[at]!;
      for (let index = at === start ? lowerBound(chunk, from) : 0; index < chunk.length; index++) yield chunk[index]!;
    }
  }

  /** The last chunk that begins at or below the key; -1 when there is none. */
  #chunkOf(key: string): number {
    let low = 0;
    let high = this.#chunks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareKeys(this.#chunks[middle]![0]!, key) <= 0) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}

/** The index of the first key at or above `key`. */
function lowerBound(chunk: readonly string[], key: string): number {
  let low = 0;
  let high = chunk.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareKeys(chunk[middle]!, key) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
