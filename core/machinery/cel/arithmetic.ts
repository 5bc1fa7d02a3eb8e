import { addDuration, durationOf, subtractTimestamps } from './timestamps.js';
import type { CelValue } from './values.js';
import { CelError, Duration, ListValue, noSuchOverload, Timestamp, Uint } from './values.js';

/** `+ - * / %` and negation, with the errors of 64-bit integers. */

const integerOverflow = new CelError('integer overflow');
const unsignedOverflow = new CelError('unsigned integer overflow');
const divisionByZero = new CelError('division by zero');
const modulusByZero = new CelError('modulus by zero');
const minimumInt = -(1n << 63n);

function int(value: bigint): bigint | CelError {
  return BigInt.asIntN(64, value) === value ? value : integerOverflow;
}

function uint(value: bigint): Uint | CelError {
  return BigInt.asUintN(64, value) === value ? new Uint(value) : unsignedOverflow;
}

/** What has methods at run time is asked for them, and answers without the operator's name. */
export function noOverload(name: string, value: CelValue): CelError {
  if (typeof value === 'string' || value instanceof Timestamp || value instanceof Duration) return noSuchOverload;
  return new CelError(`no such overload: ${name}`);
}

export function add(left: CelValue, right: CelValue): CelValue {
  switch (typeof left) {
    case 'bigint':
      return typeof right === 'bigint' ? int(left + right) : noSuchOverload;
    case 'string':
      return typeof right === 'string' ? left + right : noSuchOverload;
    case 'number':
      return typeof right === 'number' ? left + right : noSuchOverload;
  }
  if (left instanceof ListValue) return right instanceof ListValue ? left.concat(right) : noSuchOverload;
  if (left instanceof Uint) return right instanceof Uint ? uint(left.value + right.value) : noSuchOverload;
  if (left instanceof Uint8Array) {
    return right instanceof Uint8Array ? new Uint8Array(Buffer.concat([left, right])) : noSuchOverload;
  }
  if (left instanceof Duration) {
    if (right instanceof Duration) return durationOf(left.nanos + right.nanos);
    return right instanceof Timestamp ? addDuration(right, left.nanos) : noSuchOverload;
  }
  if (left instanceof Timestamp) return right instanceof Duration ? addDuration(left, right.nanos) : noSuchOverload;
  return noOverload('_+_', left);
}

export function subtract(left: CelValue, right: CelValue): CelValue {
  switch (typeof left) {
    case 'bigint':
      return typeof right === 'bigint' ? int(left - right) : noSuchOverload;
    case 'number':
      return typeof right === 'number' ? left - right : noSuchOverload;
  }
  if (left instanceof Uint) return right instanceof Uint ? uint(left.value - right.value) : noSuchOverload;
  if (left instanceof Duration) return right instanceof Duration ? durationOf(left.nanos - right.nanos) : noSuchOverload;
  if (left instanceof Timestamp) {
    if (right instanceof Timestamp) return subtractTimestamps(left, right);
    if (!(right instanceof Duration)) return noSuchOverload;
    const negated = durationOf(-right.nanos);
    return negated instanceof CelError ? negated : addDuration(left, negated.nanos);
  }
  return noOverload('_-_', left);
}

export function multiply(left: CelValue, right: CelValue): CelValue {
  switch (typeof left) {
    case 'bigint':
      return typeof right === 'bigint' ? int(left * right) : noSuchOverload;
    case 'number':
      return typeof right === 'number' ? left * right : noSuchOverload;
  }
  if (left instanceof Uint) return right instanceof Uint ? uint(left.value * right.value) : noSuchOverload;
  return noOverload('_*_', left);
}

export function divide(left: CelValue, right: CelValue): CelValue {
  switch (typeof left) {
    case 'bigint':
      if (typeof right !== 'bigint') return noSuchOverload;
      return right === 0n ? divisionByZero : int(left / right);
    case 'number':
      return typeof right === 'number' ? left / right : noSuchOverload;
  }
  if (left instanceof Uint) {
    if (!(right instanceof Uint)) return noSuchOverload;
    return right.value === 0n ? divisionByZero : new Uint(left.value / right.value);
  }
  return noOverload('_/_', left);
}

export function modulo(left: CelValue, right: CelValue): CelValue {
  if (typeof left === 'bigint') {
    if (typeof right !== 'bigint') return noSuchOverload;
    if (right === 0n) return modulusByZero;
    return left === minimumInt && right === -1n ? integerOverflow : left % right;
  }
  if (left instanceof Uint) {
    if (!(right instanceof Uint)) return noSuchOverload;
    return right.value === 0n ? modulusByZero : new Uint(left.value % right.value);
  }
  return noOverload('_%_', left);
}

export function negate(value: CelValue): CelValue {
  if (typeof value === 'bigint') return int(-value);
  if (typeof value === 'number') return -value;
  if (value instanceof Duration) return durationOf(-value.nanos);
  return typeof value === 'boolean' ? noSuchOverload : noOverload('-_', value);
}
