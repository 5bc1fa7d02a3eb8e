import { offsetOfZone } from '../machinery/zone-offset.js';
import type { ZoneOffset } from '../machinery/zone-offset.js';

/** What a clock on the wall shows. Months count from 1, weekdays from Sunday = 0. */
export interface WallTime {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
  readonly weekday: number;
}

export interface ZoneClock {
  wall(instantMs: number): WallTime;
  /** Midnight of a day; months and days beyond the end of the year or month count on. */
  instant(year: number, month: number, day: number): number;
  /** RFC 3339 with the zone's offset. */
  format(instantMs: number): string;
}

const minuteMs = 60_000;

/** The clock of an IANA zone: '' and UTC are UTC, undefined and `Local` the machine's. Undefined for a name not known. */
export function zoneClock(name?: string): ZoneClock | undefined {
  if (name === '' || name === 'UTC') return clockOf(() => 0);
  const zone = name === undefined || name === 'Local' ? Intl.DateTimeFormat().resolvedOptions().timeZone : name;
  // Intl also takes offsets and other cases of letters, which upstream does not.
  if (name !== undefined && /^[+-]?\d/.test(zone)) return undefined;
  const offset = offsetOfZone(zone);
  return offset && clockOf(offset);
}

function clockOf(offsetMs: ZoneOffset): ZoneClock {
  return {
    wall(instantMs) {
      const shown = new Date(instantMs + offsetMs(instantMs));
      return {
        year: shown.getUTCFullYear(),
        month: shown.getUTCMonth() + 1,
        day: shown.getUTCDate(),
        hour: shown.getUTCHours(),
        minute: shown.getUTCMinutes(),
        second: shown.getUTCSeconds(),
        weekday: shown.getUTCDay(),
      };
    },
    instant(year, month, day) {
      const shownMs = Date.UTC(year, month - 1, day);
      // The offset that holds there, not the one that holds at that time in UTC.
      return shownMs - offsetMs(shownMs - offsetMs(shownMs));
    },
    format(instantMs) {
      const offset = offsetMs(instantMs);
      const shown = new Date(instantMs + offset).toISOString().slice(0, 19);
      if (offset === 0) return `${shown}Z`;
      const totalMinutes = Math.abs(Math.round(offset / minuteMs));
      const two = (value: number): string => String(value).padStart(2, '0');
      return `${shown}${offset < 0 ? '-' : '+'}${two(Math.floor(totalMinutes / 60))}:${two(totalMinutes % 60)}`;
    },
  };
}
