import type { Clock } from '../base/clock.js';
import type { Disposable } from '../base/disposable.js';

/** The look at the other nodes, by which a zone may be spared, comes first. */
const settlingMs = 100;

/**
 * Nodes of one zone that wait for a NoExecute taint, let through one at a time at a rate, so that a broken network does not empty
 * a whole zone at once. Source: pkg/controller/nodelifecycle/scheduler RateLimitedTimedQueue.
 */
export class ZoneTainter {
  readonly #clock: Clock;
  readonly #release: (nodeName: string) => void;
  readonly #waiting = new Set<string>();
  /** Nodes that were let through and have not become healthy since. */
  readonly #passed = new Set<string>();
  #perSecond: number;
  #nextMs = 0;
  #timer: Disposable | undefined;

  constructor(clock: Clock, perSecond: number, release: (nodeName: string) => void) {
    this.#clock = clock;
    this.#perSecond = perSecond;
    this.#release = release;
  }

  /** Nodes per second; 0 lets nobody through. */
  setRate(perSecond: number): void {
    if (perSecond === this.#perSecond) return;
    this.#perSecond = perSecond;
    this.#nextMs = this.#clock.monotonicMs();
    this.#schedule();
  }

  /** Does nothing for a node that waits, or that has been let through and was not removed since. */
  add(nodeName: string): void {
    if (this.#passed.has(nodeName)) return;
    this.#waiting.add(nodeName);
    this.#schedule();
  }

  /** The node may be added anew. */
  remove(nodeName: string): void {
    this.#waiting.delete(nodeName);
    this.#passed.delete(nodeName);
  }

  dispose(): void {
    void this.#timer?.dispose();
    this.#timer = undefined;
    this.#waiting.clear();
  }

  #schedule(): void {
    void this.#timer?.dispose();
    this.#timer = undefined;
    if (this.#waiting.size === 0 || this.#perSecond <= 0) return;
    const waitMs = Math.max(settlingMs, this.#nextMs - this.#clock.monotonicMs());
    this.#timer = this.#clock.setTimer(waitMs, () => {
      const [nodeName] = this.#waiting;
      if (nodeName !== undefined) {
        this.#waiting.delete(nodeName);
        this.#passed.add(nodeName);
        this.#nextMs = this.#clock.monotonicMs() + 1000 / this.#perSecond;
        this.#release(nodeName);
      }
      this.#schedule();
    });
  }
}
