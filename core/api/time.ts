import type { Clock } from '../base/clock.js';
import { formatTime } from '../machinery/time.js';

export { formatMicroTime, formatTime } from '../machinery/time.js';

export function nowTime(clock: Clock): string {
  return formatTime(clock.now());
}

/** Milliseconds since the epoch; undefined for absent and for unreadable times. */
export function parseTime(time: string | null | undefined): number | undefined {
  if (!time) return undefined;
  const ms = Date.parse(time);
  return Number.isNaN(ms) ? undefined : ms;
}
