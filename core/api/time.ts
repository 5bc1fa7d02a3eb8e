import type { Clock } from '../base/clock.js';

/** meta/v1 Time: whole seconds, UTC. */
export function formatTime(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}

/** meta/v1 MicroTime. */
export function formatMicroTime(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 23)}000Z`;
}

export function nowTime(clock: Clock): string {
  return formatTime(clock.now());
}

/** Milliseconds since the epoch; undefined for absent and for unreadable times. */
export function parseTime(time: string | null | undefined): number | undefined {
  if (!time) return undefined;
  const ms = Date.parse(time);
  return Number.isNaN(ms) ? undefined : ms;
}
