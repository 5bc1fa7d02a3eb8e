import { CodedError } from './errors.js';

/**
 * A bounded queue between a producer that must not wait and one consumer that iterates.
 * When the consumer is more than `limit` items behind, the queue ends with a `QUEUE_OVERFLOW` error: slow readers are cut off.
 */
export class AsyncQueue<T> implements AsyncIterableIterator<T> {
  #items: T[] = [];
  #head = 0;
  #waiting: { resolve: (result: IteratorResult<T>) => void; reject: (error: unknown) => void } | undefined;
  #ended = false;
  #error: unknown;
  readonly #limit: number;
  readonly #onClose: (() => void) | undefined;

  constructor(limit: number, onClose?: () => void) {
    this.#limit = limit;
    this.#onClose = onClose;
  }

  get length(): number {
    return this.#items.length - this.#head;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** False when the queue has ended (also by this push, on overflow). */
  push(item: T): boolean {
    if (this.#ended) return false;
    if (this.#waiting) {
      const waiting = this.#waiting;
      this.#waiting = undefined;
      waiting.resolve({ value: item, done: false });
      return true;
    }
    if (this.length >= this.#limit) {
      this.#items = [];
      this.#head = 0;
      this.fail(new CodedError('QUEUE_OVERFLOW', `the reader is more than ${this.#limit} items behind`));
      return false;
    }
    this.#items.push(item);
    return true;
  }

  /** Ends the queue after what it holds. */
  end(): void {
    this.#finish(undefined);
  }

  /** Ends the queue with an error after what it holds. */
  fail(error: unknown): void {
    this.#finish(error);
  }

  #finish(error: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#error = error;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting) {
      if (error === undefined) waiting.resolve({ value: undefined, done: true });
      else {
        this.#error = undefined;
        waiting.reject(error);
      }
    }
    this.#onClose?.();
  }

  next(): Promise<IteratorResult<T>> {
    if (this.#head < this.#items.length) {
      const value = this.#items[this.#head]!;
      this.#head++;
      if (this.#head === this.#items.length) {
        this.#items = [];
        this.#head = 0;
      } else if (this.#head > 1024) {
        this.#items = this.#items.slice(this.#head);
        this.#head = 0;
      }
      return Promise.resolve({ value, done: false });
    }
    if (this.#ended) {
      const error = this.#error;
      this.#error = undefined;
      return error === undefined ? Promise.resolve({ value: undefined, done: true }) : Promise.reject(error);
    }
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
  }

  return(): Promise<IteratorResult<T>> {
    this.#items = [];
    this.#head = 0;
    this.end();
    return Promise.resolve({ value: undefined, done: true });
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<T> {
    return this;
  }
}
