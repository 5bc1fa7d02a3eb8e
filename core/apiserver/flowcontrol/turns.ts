/** Narrow requests that begin in one turn of the event loop. */
const narrowATurn = 8;

interface Turn {
  readonly isWide: boolean;
  readonly begin: () => void;
}

/**
 * One thread serves all requests: what was let through at once would run at once, and everybody else's sockets would wait for all of
 * it. So requests that had to wait, and wide ones always, begin a few or one a turn of the event loop, in the order in which they
 * were let through.
 */
export class Turns {
  readonly #waiting: Turn[] = [];
  #isArmed = false;
  readonly #later: (callback: () => void) => void;

  /** `later` calls in the next turn. */
  constructor(later: (callback: () => void) => void = setImmediate) {
    this.#later = later;
  }

  /** Resolves when it is this one's turn. */
  take(isWide: boolean): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push({ isWide, begin: resolve });
    this.#arm();
    return promise;
  }

  #arm(): void {
    if (this.#isArmed || this.#waiting.length === 0) return;
    this.#isArmed = true;
    this.#later(() => {
      this.#isArmed = false;
      this.#begin();
      this.#arm();
    });
  }

  #begin(): void {
    for (let begun = 0; begun < narrowATurn && this.#waiting.length > 0; begun++) {
      const isWide = this.#waiting[0]!.isWide;
      if (isWide && begun > 0) return;
      this.#waiting.shift()!.begin();
      if (isWide) return;
    }
  }
}
