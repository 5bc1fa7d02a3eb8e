import { isUtf8 } from 'node:buffer';

import { CodedError } from '../../base/errors.js';
import { parseDuration } from '../time.js';
import type { CelType } from './cel-type.js';
import { boolType, bytesType, doubleType, durationType, intType, stringType, timestampType, uintType } from './cel-type.js';
import { formatSeconds } from './format-value.js';
import { formatGoFloat, parseGoFloat, parseGoInt, parseGoUint } from '../go-numbers.js';
import { formatTimestamp, parseTimestamp, timestampOfSeconds } from './timestamps.js';
import type { CelValue } from './values.js';
import { CelError, Duration, Timestamp, typeOf, Uint } from './values.js';

/** `int()`, `string()` and the other conversions. Values that a type has no conversion for give upstream's error. */

const integerOverflow = new CelError('integer overflow');
const unsignedOverflow = new CelError('unsigned integer overflow');

export function conversionError(value: CelValue, to: CelType): CelError {
  return new CelError(`type conversion error from '${runtimeName(typeOf(value))}' to '${runtimeName(to)}'`);
}

/** Go prints the types of lists and maps with their parameters, which are not known here. */
export function runtimeName(type: CelType): string {
  if (type.kind === 'map') return 'map(dyn, dyn)';
  return type.kind === 'list' || type.isOptional ? `${type.name}(dyn)` : type.name;
}

export function toInt(value: CelValue): CelValue {
  switch (typeof value) {
    case 'bigint':
      return value;
    case 'number':
      if (!(value > -(2 ** 63) && value < 2 ** 63)) return integerOverflow;
      return BigInt(Math.trunc(value));
    case 'string':
      return parseGoInt(value) ?? conversionError(value, intType);
  }
  if (value instanceof Uint) return BigInt.asIntN(64, value.value) === value.value ? value.value : integerOverflow;
  if (value instanceof Timestamp) return BigInt(value.seconds);
  return value instanceof Duration ? value.nanos : conversionError(value, intType);
}

export function toUint(value: CelValue): CelValue {
  switch (typeof value) {
    case 'bigint':
      return value < 0n ? unsignedOverflow : new Uint(value);
    case 'number':
      if (!(value >= 0 && value < 2 ** 64)) return unsignedOverflow;
      return new Uint(BigInt(Math.trunc(value)));
    case 'string': {
      const parsed = parseGoUint(value);
      return parsed === undefined ? conversionError(value, uintType) : new Uint(parsed);
    }
  }
  return value instanceof Uint ? value : conversionError(value, uintType);
}

export function toDouble(value: CelValue): CelValue {
  switch (typeof value) {
    case 'bigint':
      return Number(value);
    case 'number':
      return value;
    case 'string':
      return parseGoFloat(value) ?? conversionError(value, doubleType);
  }
  return value instanceof Uint ? Number(value.value) : conversionError(value, doubleType);
}

const trueTexts = new Set(['1', 't', 'T', 'TRUE', 'true', 'True']);
const falseTexts = new Set(['0', 'f', 'F', 'FALSE', 'false', 'False']);

export function toBool(value: CelValue): CelValue {
  if (typeof value === 'boolean') return value;
  if (typeof value === 'string') {
    if (trueTexts.has(value)) return true;
    if (falseTexts.has(value)) return false;
  }
  return conversionError(value, boolType);
}

export function toBytes(value: CelValue): CelValue {
  if (value instanceof Uint8Array) return value;
  return typeof value === 'string' ? new Uint8Array(Buffer.from(value, 'utf8')) : conversionError(value, bytesType);
}

export function toText(value: CelValue): CelValue {
  switch (typeof value) {
    case 'string':
      return value;
    case 'boolean':
    case 'bigint':
      return value.toString();
    case 'number':
      return formatGoFloat(value);
  }
  if (value instanceof Uint) return value.value.toString();
  if (value instanceof Timestamp) return formatTimestamp(value);
  if (value instanceof Duration) return formatSeconds(value);
  if (value instanceof Uint8Array) {
    if (!isUtf8(value)) return new CelError('invalid UTF-8 in bytes, cannot convert to string');
    return Buffer.from(value).toString('utf8');
  }
  return conversionError(value, stringType);
}

export function toDuration(value: CelValue): CelValue {
  if (value instanceof Duration) return value;
  if (typeof value === 'string') {
    try {
      return new Duration(parseDuration(value));
    } catch (error) {
      if (!(error instanceof CodedError)) throw error;
    }
  }
  return conversionError(value, durationType);
}

export function toTimestamp(value: CelValue): CelValue {
  if (value instanceof Timestamp) return value;
  if (typeof value === 'bigint') return timestampOfSeconds(value);
  return (typeof value === 'string' ? parseTimestamp(value) : undefined) ?? conversionError(value, timestampType);
}
