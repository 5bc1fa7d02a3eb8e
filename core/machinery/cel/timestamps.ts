import { parseTime } from '../time.js';
import { CodedError } from '../../base/errors.js';
import type { ZoneOffset } from '../zone-offset.js';
import { offsetOfZone } from '../zone-offset.js';
import { CelError, Duration, Timestamp } from './values.js';

/** Timestamps and durations: Go's time package as CEL uses it. */

const nanosPerSecond = 1_000_000_000n;
const minimumSeconds = -62135596800;
const maximumSeconds = 253402300799;

export const timestampOverflow = new CelError('timestamp overflow');
const integerOverflow = new CelError('integer overflow');

export function timestampOfSeconds(seconds: bigint): Timestamp | CelError {
  if (seconds < BigInt(minimumSeconds) || seconds > BigInt(maximumSeconds)) return timestampOverflow;
  return new Timestamp(Number(seconds), 0);
}

/** Undefined for what is not RFC 3339. */
export function parseTimestamp(text: string): Timestamp | CelError | undefined {
  let instant;
  try {
    instant = parseTime(text);
  } catch (error) {
    if (error instanceof CodedError) return undefined;
    throw error;
  }
  if (instant.seconds < minimumSeconds || instant.seconds > maximumSeconds) return timestampOverflow;
  const zone = /([+-])([0-9]{2}):([0-9]{2})$/.exec(text);
  const offset = zone ? (Number(zone[2]) * 60 + Number(zone[3])) * (zone[1] === '-' ? -60 : 60) : 0;
  return new Timestamp(instant.seconds, instant.nanos, offset);
}

/** RFC 3339 with the digits of a second that are not zero. */
export function formatTimestamp(timestamp: Timestamp): string {
  const { year, month, day, hour, minute, second } = civil(timestamp, timestamp.offsetSeconds);
  const two = (value: number): string => value.toString().padStart(2, '0');
  const fraction = timestamp.nanos === 0 ? '' : `.${timestamp.nanos.toString().padStart(9, '0').replace(/0+$/, '')}`;
  const date = `${year.toString().padStart(4, '0')}-${two(month)}-${two(day)}`;
  return `${date}T${two(hour)}:${two(minute)}:${two(second)}${fraction}${formatOffset(timestamp.offsetSeconds)}`;
}

function formatOffset(seconds: number): string {
  if (seconds === 0) return 'Z';
  const minutes = Math.trunc(Math.abs(seconds) / 60);
  const two = (value: number): string => value.toString().padStart(2, '0');
  return `${seconds < 0 ? '-' : '+'}${two(Math.trunc(minutes / 60))}:${two(minutes % 60)}`;
}

export interface CivilTime {
  readonly year: number;
  /** From 1. */
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
  readonly millisecond: number;
  /** 0 is Sunday. */
  readonly weekday: number;
  /** From 0. */
  readonly dayOfYear: number;
}

export function civil(timestamp: Timestamp, offsetSeconds: number): CivilTime {
  const date = new Date((timestamp.seconds + offsetSeconds) * 1000);
  const year = date.getUTCFullYear();
  const firstDay = new Date(0);
  firstDay.setUTCFullYear(year, 0, 1);
  return {
    year,
    month: date.getUTCMonth() + 1,
    day: date.getUTCDate(),
    hour: date.getUTCHours(),
    minute: date.getUTCMinutes(),
    second: date.getUTCSeconds(),
    millisecond: Math.trunc(timestamp.nanos / 1_000_000),
    weekday: date.getUTCDay(),
    dayOfYear: Math.floor((date.getTime() - firstDay.getTime()) / 86_400_000),
  };
}

/** Seconds east of Greenwich at that time: of a name from the time zone database, or of `+01:30`. */
export function zoneOffset(timestamp: Timestamp, zone: string): number | CelError {
  const colon = zone.indexOf(':');
  if (colon === -1) return namedZoneOffset(timestamp, zone);
  const hours = parseZonePart(zone.slice(0, colon));
  const minutes = parseZonePart(zone.slice(colon + 1));
  if (hours instanceof CelError) return hours;
  if (minutes instanceof CelError) return minutes;
  return (zone.startsWith('-') ? hours * 60 - minutes : hours * 60 + minutes) * 60;
}

function parseZonePart(text: string): number | CelError {
  if (/^[+-]?[0-9]{1,9}$/.test(text)) return Number(text);
  return new CelError(`strconv.Atoi: parsing ${JSON.stringify(text)}: invalid syntax`);
}

const zones = new Map<string, ZoneOffset>();
const maximumZones = 64;

function namedZoneOffset(timestamp: Timestamp, zone: string): number | CelError {
  if (zone === '' || zone === 'UTC') return 0;
  let offset = zones.get(zone);
  if (!offset) {
    // Intl also takes offsets and other cases of letters, which the time zone database does not have.
    const isName = /^[A-Z][A-Za-z0-9_+-]*(?:\/[A-Za-z0-9_+-]+)*$/.test(zone);
    offset = isName ? offsetOfZone(zone) : undefined;
    if (!offset) return new CelError(`unknown time zone ${zone}`);
    if (zones.size >= maximumZones) zones.clear();
    zones.set(zone, offset);
  }
  return offset(timestamp.seconds * 1000) / 1000;
}

function fits(nanos: bigint): boolean {
  return BigInt.asIntN(64, nanos) === nanos;
}

export function durationOf(nanos: bigint): Duration | CelError {
  return fits(nanos) ? new Duration(nanos) : integerOverflow;
}

export function addDuration(timestamp: Timestamp, nanos: bigint): Timestamp | CelError {
  let seconds = timestamp.seconds + Number(nanos / nanosPerSecond);
  let rest = timestamp.nanos + Number(nanos % nanosPerSecond);
  if (rest < 0) {
    seconds--;
    rest += 1e9;
  } else if (rest >= 1e9) {
    seconds++;
    rest -= 1e9;
  }
  if (seconds < minimumSeconds || seconds > maximumSeconds) return timestampOverflow;
  return new Timestamp(seconds, rest, timestamp.offsetSeconds);
}

export function subtractTimestamps(left: Timestamp, right: Timestamp): Duration | CelError {
  const seconds = BigInt(left.seconds - right.seconds) * nanosPerSecond;
  const nanos = seconds + BigInt(left.nanos - right.nanos);
  return fits(seconds) && fits(nanos) ? new Duration(nanos) : integerOverflow;
}

/** Whether the text is a day that exists, as `2006-01-02`. */
export function isCivilDate(text: string): boolean {
  return /^[0-9]{4}-[0-9]{2}-[0-9]{2}$/.test(text) && parseTimestamp(`${text}T00:00:00Z`) instanceof Timestamp;
}
