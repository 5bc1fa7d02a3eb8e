import type { Clock as BaseClock } from '../base/clock.js';

/** Wall time and timers. Bound by the kernel; tests bind a FakeClock. */
export type Clock = BaseClock;

export const Clock: unique symbol = Symbol.for('k3s/clock@1');
