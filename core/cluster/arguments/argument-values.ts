import { durationToMs } from '../../machinery/time.js';
import { parseQuantity } from '../../machinery/quantity.js';

/** Readers of values, in the notations of Go's flags. Each throws an Error whose message completes "NAME=VALUE: ...". */

export function wholeNumber(value: string, least = 0, most = Number.MAX_SAFE_INTEGER): number {
  const number = Number(value);
  if (/^-?\d+$/.test(value) && number >= least && number <= most) return number;
  const range = most === Number.MAX_SAFE_INTEGER ? `of at least ${least}` : `from ${least} to ${most}`;
  throw new Error(`must be a whole number ${range}`);
}

/** Positive, like `10s` or `1h30m`. */
export function durationMs(value: string): number {
  let milliseconds: number;
  try {
    milliseconds = durationToMs(value);
  } catch {
    throw new Error('must be a duration like 10s or 1h30m');
  }
  if (milliseconds > 0) return milliseconds;
  throw new Error('must be longer than nothing');
}

/** Any whole number: who takes it says which are good. */
export function integer(value: string): number {
  if (/^[-+]?\d+$/.test(value) && Number.isSafeInteger(Number(value))) return Number(value);
  throw new Error('must be a whole number');
}

export function fraction(value: string): number {
  const number = Number(value);
  if (value.trim() !== '' && Number.isFinite(number)) return number;
  throw new Error('must be a number');
}

/** Like `10s`, or nothing. */
export function anyDurationMs(value: string): number {
  try {
    const milliseconds = durationToMs(value);
    if (milliseconds >= 0) return milliseconds;
  } catch {
    throw new Error('must be a duration like 10s or 1h30m');
  }
  throw new Error('must not be negative');
}

/** A quantity that is not negative, like `10Mi`; resolves the number that it stands for. */
export function amount(value: string): number {
  let number: number;
  try {
    number = parseQuantity(value).value();
  } catch {
    throw new Error('must be a quantity like 500m or 10Mi');
  }
  if (number >= 0) return number;
  throw new Error('must not be negative');
}

/** `key=value` or `key<value` items between commas. */
export function pairs(value: string, separator: '=' | '<'): [key: string, value: string][] {
  return list(value).map(item => {
    const at = item.indexOf(separator);
    if (at < 1 || at === item.length - 1)
      throw new Error(`must be like NAME${separator}VALUE,NAME${separator}VALUE, not "${item}"`);
    return [item.slice(0, at).trim(), item.slice(at + 1).trim()];
  });
}

export function list(value: string): string[] {
  return value
    .split(',')
    .map(item => item.trim())
    .filter(item => item !== '');
}

/** As Go's flags spell it. */
export function truth(value: string): boolean {
  if (/^(true|t|1)$/i.test(value)) return true;
  if (/^(false|f|0)$/i.test(value)) return false;
  throw new Error('must be true or false');
}
