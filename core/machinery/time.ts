import { CodedError } from '../base/errors.js';
import { quote } from './field-errors.js';

/**
 * Times and durations as meta/v1 writes them: Time in whole seconds, MicroTime with six digits, both RFC 3339 in UTC;
 * Duration as Go prints it. Errors are worded as Go's time package words them.
 */
export interface Instant {
  /** Since 1970, may be negative. */
  readonly seconds: number;
  readonly nanos: number;
}

export const timeLayout = '2006-01-02T15:04:05Z07:00';
export const microTimeLayout = '2006-01-02T15:04:05.000000Z07:00';

/** Unix seconds of Go's zero time, which JSON writes as null. */
export const zeroTimeSeconds = -62135596800;

/** Days since 1970 of a proleptic Gregorian date (Howard Hinnant's civil algorithm). */
function daysFromCivil(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const yearOfEra = y - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  return era * 146097 + yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear - 719468;
}

function daysInMonth(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

const isDigit = (text: string, index: number): boolean => {
  const code = text.charCodeAt(index);
  return code >= 48 && code <= 57;
};

function parseError(text: string, layout: string, element: string, rest: string, message = ''): CodedError {
  const detail = message || ` as ${quote(layout)}: cannot parse ${quote(rest)} as ${quote(element)}`;
  return new CodedError('INVALID_TIME', `parsing time ${quote(text)}${detail}`);
}

/** Throws INVALID_TIME with Go's words. `micro` asks for the six digits of MicroTime. */
export function parseTime(text: string, micro = false): Instant {
  const layout = micro ? microTimeLayout : timeLayout;
  let rest = text;
  const literal = (character: string): void => {
    if (!rest.startsWith(character)) throw parseError(text, layout, character, rest);
    rest = rest.slice(1);
  };
  const number = (element: string, what: string, fixed: boolean, low: number, high: number): number => {
    const width = isDigit(rest, 0) ? (isDigit(rest, 1) ? 2 : fixed ? 0 : 1) : 0;
    if (width === 0) throw parseError(text, layout, element, rest);
    const value = Number(rest.slice(0, width));
    rest = rest.slice(width);
    if (value < low || value > high) throw parseError(text, layout, element, rest, `: ${what} out of range`);
    return value;
  };
  if (!/^[0-9]{4}/.test(rest)) throw parseError(text, layout, '2006', rest);
  const year = Number(rest.slice(0, 4));
  rest = rest.slice(4);
  literal('-');
  const month = number('01', 'month', true, 1, 12);
  literal('-');
  const day = number('02', 'day', true, 0, 99);
  literal('T');
  const hour = number('15', 'hour', false, 0, 23);
  literal(':');
  const minute = number('04', 'minute', true, 0, 59);
  literal(':');
  const second = number('05', 'second', true, 0, 59);
  let nanos = 0;
  if (micro) {
    if (!/^[.,][0-9]{6}/.test(rest)) throw parseError(text, layout, '.000000', rest);
    nanos = Number(rest.slice(1, 7)) * 1000;
    rest = rest.slice(7);
  } else {
    const fraction = /^[.,]([0-9]+)/.exec(rest);
    if (fraction) {
      nanos = Number(fraction[1]!.slice(0, 9).padEnd(9, '0'));
      rest = rest.slice(fraction[0].length);
    }
  }
  let offsetSeconds = 0;
  if (rest.startsWith('Z')) rest = rest.slice(1);
  else {
    const zone = /^([+-])([0-9]{2}):([0-9]{2})/.exec(rest);
    if (!zone) throw parseError(text, layout, 'Z07:00', rest);
    const after = rest.slice(6);
    if (Number(zone[2]) > 24) throw parseError(text, layout, 'Z07:00', after, ': time zone offset hour out of range');
    if (Number(zone[3]) > 60) throw parseError(text, layout, 'Z07:00', after, ': time zone offset minute out of range');
    offsetSeconds = (Number(zone[2]) * 60 + Number(zone[3])) * 60 * (zone[1] === '-' ? -1 : 1);
    rest = after;
  }
  if (rest !== '') throw parseError(text, layout, '', rest, `: extra text: ${quote(rest)}`);
  if (day < 1 || day > daysInMonth(year, month)) throw parseError(text, layout, '', rest, ': day out of range');
  const seconds = daysFromCivil(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - offsetSeconds;
  return { seconds, nanos };
}

const two = (value: number): string => (value < 10 ? `0${value}` : String(value));

/** `2006-01-02T15:04:05Z`. Years outside 0 to 9999 are printed as Go does. */
export function formatTime(instant: Instant | Date | number): string {
  return format(toSeconds(instant), undefined);
}

/** `2006-01-02T15:04:05.000000Z`; cuts to microseconds. A number is milliseconds since 1970, as in a Date. */
export function formatMicroTime(instant: Instant | Date | number): string {
  let micros: number;
  if (typeof instant === 'object' && !(instant instanceof Date)) micros = Math.trunc(instant.nanos / 1000);
  else {
    const ms = Number(instant);
    micros = Math.floor((ms - Math.floor(ms / 1000) * 1000) * 1000);
  }
  return format(toSeconds(instant), micros);
}

function toSeconds(instant: Instant | Date | number): number {
  if (typeof instant === 'number') return Math.floor(instant / 1000);
  return instant instanceof Date ? Math.floor(instant.getTime() / 1000) : instant.seconds;
}

function format(seconds: number, micros: number | undefined): string {
  const days = Math.floor(seconds / 86400);
  const ofDay = seconds - days * 86400;
  const shifted = days + 719468;
  const era = Math.floor(shifted / 146097);
  const dayOfEra = shifted - era * 146097;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36524) - Math.floor(dayOfEra / 146096)) / 365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const m = Math.floor((5 * dayOfYear + 2) / 153);
  const day = dayOfYear - Math.floor((153 * m + 2) / 5) + 1;
  const month = m < 10 ? m + 3 : m - 9;
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
  const yearText = year < 0 ? `-${String(-year).padStart(4, '0')}` : String(year).padStart(4, '0');
  const clock = `${two(Math.floor(ofDay / 3600))}:${two(Math.floor(ofDay / 60) % 60)}:${two(ofDay % 60)}`;
  const fraction = micros === undefined ? '' : `.${String(micros).padStart(6, '0')}`;
  return `${yearText}-${two(month)}-${two(day)}T${clock}${fraction}Z`;
}

/** Milliseconds since 1970 of a time that the API wrote. Throws INVALID_TIME. */
export function timeToMs(text: string): number {
  const { seconds, nanos } = parseTime(text);
  return seconds * 1000 + Math.floor(nanos / 1e6);
}

/** The canonical form of a Time or MicroTime; null for Go's zero time. Throws INVALID_TIME. */
export function canonicalTime(text: string, micro: boolean): string | null {
  // What a server wrote itself comes back unchanged, so look at its shape before parsing it.
  if (!micro && text.length === 20 && text.charCodeAt(19) === 90 && plainTime.test(text)) return text;
  const instant = parseTime(text, micro);
  if (instant.seconds === zeroTimeSeconds && instant.nanos === 0) return null;
  return micro ? formatMicroTime(instant) : formatTime(instant);
}

const plainTime = /^[12][0-9]{3}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z$/;

const unitNanos: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1000n,
  µs: 1000n,
  μs: 1000n,
  ms: 1000000n,
  s: 1000000000n,
  m: 60000000000n,
  h: 3600000000000n,
};

/** What 64 bits of nanoseconds hold. */
const longestDurationSeconds = 9_223_372_036;

/** Seconds (a BigInt where a number does not hold them) as milliseconds of a Go duration: 64 bits of nanoseconds, which wrap beyond 292 years. */
export function wrappedDurationMs(seconds: number | bigint): number {
  if (seconds <= longestDurationSeconds && seconds >= -longestDurationSeconds) return Number(seconds) * 1000;
  return Number(BigInt.asIntN(64, BigInt(seconds) * 1_000_000_000n)) / 1e6;
}

/** Nanoseconds of a Go duration such as `1h30m` or `-1.5s`. Throws INVALID_DURATION with Go's words. */
export function parseDuration(text: string): bigint {
  const fail = (message: string): never => {
    throw new CodedError('INVALID_DURATION', `time: ${message}`);
  };
  const invalid = (): never => fail(`invalid duration ${quote(text)}`);
  let rest = text;
  const negative = rest.startsWith('-');
  if (negative || rest.startsWith('+')) rest = rest.slice(1);
  if (rest === '0') return 0n;
  if (rest === '') return invalid();
  let total = 0n;
  while (rest !== '') {
    const digits = /^([0-9]*)(?:\.([0-9]*))?/.exec(rest)!;
    const integer = digits[1]!;
    const fraction = digits[2] ?? '';
    if ((integer === '' && fraction === '') || integer.length > 19) return invalid();
    rest = rest.slice(digits[0].length);
    const unit = /^[^.0-9]*/.exec(rest)![0];
    if (unit === '') return fail(`missing unit in duration ${quote(text)}`);
    const nanos = Object.hasOwn(unitNanos, unit) ? unitNanos[unit] : undefined;
    if (nanos === undefined) return fail(`unknown unit ${quote(unit)} in duration ${quote(text)}`);
    rest = rest.slice(unit.length);
    total += BigInt(integer || '0') * nanos;
    const kept = fraction.slice(0, 18);
    if (kept) total += (BigInt(kept) * nanos) / 10n ** BigInt(kept.length);
    if (total > 1n << 63n) return invalid();
  }
  if (negative) return -total;
  return total === 1n << 63n ? invalid() : total;
}

/** As Go's Duration.String: `1h30m0s`, `1.5s`, `100ms`, `0s`. */
export function formatDuration(nanos: bigint): string {
  if (nanos === 0n) return '0s';
  const sign = nanos < 0n ? '-' : '';
  const absolute = nanos < 0n ? -nanos : nanos;
  const decimal = (value: bigint, unit: bigint): string => {
    const fraction = (value % unit)
      .toString()
      .padStart(unit.toString().length - 1, '0')
      .replace(/0+$/, '');
    return `${value / unit}${unit > 1n && fraction ? `.${fraction}` : ''}`;
  };
  if (absolute < 1000n) return `${sign}${absolute}ns`;
  if (absolute < 1000000n) return `${sign}${decimal(absolute, 1000n)}µs`;
  if (absolute < 1000000000n) return `${sign}${decimal(absolute, 1000000n)}ms`;
  const minutes = absolute / 60000000000n;
  const seconds = `${decimal(absolute % 60000000000n, 1000000000n)}s`;
  if (minutes === 0n) return sign + seconds;
  return `${sign}${minutes >= 60n ? `${minutes / 60n}h` : ''}${minutes % 60n}m${seconds}`;
}

/** Milliseconds of a Go duration, cut. Throws INVALID_DURATION. */
export function durationToMs(text: string): number {
  return Number(parseDuration(text) / 1000000n);
}
