/**
 * What the kernel starts and stops. Every method is optional; each gets a signal that aborts at the phase's deadline or when the
 * kernel gives up, with the reason. A method that has not settled when its signal aborts is left behind and reported by name.
 *
 * Order for one part: `init`, `start`, `ready`; later `drain`, `stop`. After a failure the kernel calls `stop` and then the first
 * three again on the same object: a part must be able to start again after `stop`, and `stop` must be safe at any point, also when
 * `start` failed half-way or never ran.
 */
export interface Part {
  /**
   * Before any part starts; all parts at once. Look at files and host, call no other part, and refuse by a CodedError what cannot work
   * as it is configured: that ends the first start, also of a part that is not vital, because only the user can mend it. Any other
   * error, and no answer, is a failure like those of later phases.
   */
  init?(signal: AbortSignal): void | Promise<void>;
  /** After everything in `requires` and `after` is ready. Resolves when the work goes on by itself. */
  start?(signal: AbortSignal): void | Promise<void>;
  /** Resolves when the part truly serves: a real read and write, not a flag. */
  ready?(signal: AbortSignal): void | Promise<void>;
  /** First step of an orderly stop, all parts at once: say not ready, take nothing new, let running work end. */
  drain?(signal: AbortSignal): void | Promise<void>;
  /** After all parts that require this one have stopped. Releases everything; twice is safe. */
  stop?(signal: AbortSignal): void | Promise<void>;
}

export const Part: unique symbol = Symbol.for('k3s/part@1');

export type PartPhase = 'init' | 'start' | 'ready' | 'drain' | 'stop';

/** How a running part tells the kernel that it cannot go on. Bound for each part. */
export interface PartReporter {
  /**
   * The part does not work any more. A vital part ends the kernel; any other is stopped and started again with back-off.
   * Calls while a restart is already under way, or after stop, are ignored. Never throws.
   */
  failed(error: unknown): void;
}

export const PartReporter: unique symbol = Symbol.for('k3s/part-reporter@1');
