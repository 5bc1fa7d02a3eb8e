import { plainFloat, quoteGo } from '../go-numbers.js';
import { formatTimestamp } from './timestamps.js';
import type { CelValue } from './values.js';
import { CelError, Duration, ListValue, MapValue, OptionalValue, Timestamp, Uint } from './values.js';
import { CelType } from './cel-type.js';

/** A value as an expression could write it: for logs, tests and messages. Maps are sorted by key. */
export function formatValue(value: CelValue): string {
  switch (typeof value) {
    case 'boolean':
    case 'bigint':
      return value.toString();
    case 'string':
      return quoteGo(value);
    case 'number':
      return formatDouble(value);
  }
  if (value === null) return 'null';
  if (value instanceof Uint) return `${value.value}u`;
  if (value instanceof ListValue) return `[${[...value].map(formatValue).join(', ')}]`;
  if (value instanceof MapValue) {
    const entries = [...value.keys()].map(key => [formatValue(key), formatValue(value.find(key)!)] as const);
    entries.sort(([left], [right]) => (left < right ? -1 : left > right ? 1 : 0));
    return `{${entries.map(([key, text]) => `${key}: ${text}`).join(', ')}}`;
  }
  if (value instanceof Uint8Array) {
    return `b"${[...value].map(byte => `\\${byte.toString(8).padStart(3, '0')}`).join('')}"`;
  }
  if (value instanceof Timestamp) return `timestamp("${formatTimestamp(new Timestamp(value.seconds, value.nanos))}")`;
  if (value instanceof Duration) return `duration("${formatSeconds(value)}")`;
  if (value instanceof CelType) return value.name;
  if (value instanceof OptionalValue) {
    return value.value === undefined ? 'optional.none()' : `optional.of(${formatValue(value.value)})`;
  }
  return value instanceof CelError ? value.message : value.toString();
}

function formatDouble(value: number): string {
  if (Number.isNaN(value)) return 'double("NaN")';
  if (!Number.isFinite(value)) return `double("${value > 0 ? '' : '-'}Infinity")`;
  const text = plainFloat(value);
  return text.includes('.') ? text : `${text}.0`;
}

/** Seconds as Go's Duration.Seconds() gives them, in the shortest text, with an `s`. */
export function formatSeconds(duration: Duration): string {
  const whole = duration.nanos / 1_000_000_000n;
  const rest = duration.nanos % 1_000_000_000n;
  return `${plainFloat(Number(whole) + Number(rest) / 1e9)}s`;
}

/** The value in Go's %v: how error messages name keys and indexes. */
export function plainValue(value: CelValue): string {
  if (typeof value === 'string') return value;
  if (value instanceof Uint) return value.value.toString();
  if (typeof value === 'number') return goDefault(value);
  if (value instanceof CelType) return value.name;
  return formatValue(value);
}

function goDefault(value: number): string {
  const text = plainFloat(value);
  const exponent = value === 0 ? 0 : Math.floor(Math.log10(Math.abs(value)));
  if (exponent >= -4 && exponent < 21) return text;
  const [mantissa, power] = value.toExponential().split('e') as [string, string];
  const digits = Math.abs(Number(power)).toString().padStart(2, '0');
  return `${mantissa}e${Number(power) < 0 ? '-' : '+'}${digits}`;
}
