import { abortReason } from './errors.js';
import type { Disposable } from './disposable.js';

/** Wall time and timers, so that tests can use a clock of their own (`FakeClock`). */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Milliseconds from an arbitrary start, never going back. */
  monotonicMs(): number;
  /** Calls once after `delayMs`; dispose cancels. The timer does not keep the process alive. */
  setTimer(delayMs: number, callback: () => void): Disposable;
}

const longestTimerMs = 2 ** 31 - 1;

export class SystemClock implements Clock {
  now(): number {
    return Date.now();
  }

  monotonicMs(): number {
    return performance.now();
  }

  setTimer(delayMs: number, callback: () => void): Disposable {
    let timer: NodeJS.Timeout;
    const arm = (remainingMs: number): void => {
      const sliceMs = Math.min(remainingMs, longestTimerMs);
      timer = setTimeout(() => (remainingMs > sliceMs ? arm(remainingMs - sliceMs) : callback()), Math.max(0, sliceMs));
      timer.unref();
    };
    arm(delayMs);
    return { dispose: () => clearTimeout(timer) };
  }
}

/** Resolves after `delayMs`, or rejects with the signal's reason. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(abortReason(signal));
    const onAbort = (): void => {
      void timer.dispose();
      reject(abortReason(signal!));
    };
    const timer = clock.setTimer(delayMs, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}
