/** Something that holds a resource until `dispose` is called. Disposing twice is harmless. */
export interface Disposable {
  dispose(): void | Promise<void>;
}

export function toDisposable(dispose: () => void | Promise<void>): Disposable {
  let done = false;
  return {
    dispose() {
      if (done) return;
      done = true;
      return dispose();
    },
  };
}

/** Owns disposables and disposes them in reverse order; every one is tried, and many errors become one AggregateError. */
export class DisposableStore implements Disposable {
  readonly #items: Disposable[] = [];
  #disposed = false;

  get disposed(): boolean {
    return this.#disposed;
  }

  /** Takes ownership. On a store that is already disposed the item is disposed at once. */
  add<T extends Disposable>(item: T): T {
    if (this.#disposed) void item.dispose();
    else this.#items.push(item);
    return item;
  }

  addCallback(dispose: () => void | Promise<void>): void {
    this.add(toDisposable(dispose));
  }

  async dispose(): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    const errors: unknown[] = [];
    for (const item of this.#items.splice(0).reverse()) {
      try {
        await item.dispose();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length === 1) throw errors[0];
    if (errors.length > 1) throw new AggregateError(errors, `${errors.length} disposals failed`);
  }
}
