import {
  boolType,
  bytesType,
  CelType,
  doubleType,
  durationType,
  errorType,
  intType,
  nullType,
  plainListType,
  plainMapType,
  plainOptionalType,
  stringType,
  timestampType,
  typeType,
  uintType,
} from './cel-type.js';
import { codePointCount } from './source.js';

/**
 * Values as expressions see them. int is a bigint (exact in 64 bits, and no boxes of our own), double a number, bytes a
 * Uint8Array; the rest that JavaScript has no type for are the classes below. An error is a value too, since `||` and `&&`
 * may still come to a result.
 */
export type CelValue =
  | null
  | boolean
  | bigint
  | number
  | string
  | Uint8Array
  | Uint
  | Timestamp
  | Duration
  | ListValue
  | MapValue
  | OptionalValue
  | ObjectValue
  | CelType
  | CelError;

export class CelError {
  constructor(readonly message: string) {}
}

export const noSuchOverload = new CelError('no such overload');

/** An unsigned 64-bit integer. */
export class Uint {
  constructor(readonly value: bigint) {}
}

/** Years 1 to 9999. The offset is the one it was written with, which only its text form keeps. */
export class Timestamp {
  constructor(
    readonly seconds: number,
    readonly nanos: number,
    readonly offsetSeconds = 0,
  ) {}
}

export class Duration {
  constructor(readonly nanos: bigint) {}
}

export class OptionalValue {
  static readonly none = new OptionalValue(undefined);

  constructor(readonly value: CelValue | undefined) {}

  static of(value: CelValue): OptionalValue {
    return new OptionalValue(value);
  }
}

/** A value of a library's own type. */
export abstract class ObjectValue {
  abstract readonly type: CelType;

  /** For cost; undefined for types without a size. */
  get size(): number | undefined {
    return undefined;
  }

  /** For types whose fields can be selected. */
  field(_name: string): CelValue | undefined {
    return undefined;
  }

  /** The same where the checker knows the value's type. */
  declaredField(name: string): CelValue | undefined {
    return this.field(name);
  }

  /** For `has()`; `declared` where the checker knows the value's type. */
  hasField(name: string, _declared: boolean): boolean | CelError {
    const value = this.field(name);
    return value instanceof CelError ? value : value !== undefined;
  }

  /** Whether it counts as nothing for optionals. */
  get isZero(): boolean {
    return false;
  }

  abstract equals(other: CelValue): boolean | CelError;

  abstract toString(): string;
}

export abstract class ListValue {
  abstract readonly size: number;

  /** `index` is within the list. */
  abstract at(index: number): CelValue;

  concat(other: ListValue): ListValue {
    if (this.size === 0) return other;
    return other.size === 0 ? this : new ConcatenatedList(this, other);
  }

  contains(element: CelValue): boolean | CelError {
    const { size } = this;
    for (let index = 0; index < size; index++) if (equalValues(element, this.at(index)) === true) return true;
    return false;
  }

  equals(other: CelValue): boolean | CelError {
    if (!(other instanceof ListValue) || other.size !== this.size) return false;
    for (let index = 0; index < this.size; index++) {
      if (equalValues(this.at(index), other.at(index)) === false) return false;
    }
    return true;
  }

  *[Symbol.iterator](): Generator<CelValue> {
    for (let index = 0; index < this.size; index++) yield this.at(index);
  }
}

export class ArrayList extends ListValue {
  static readonly empty = new ArrayList([]);

  constructor(readonly items: readonly CelValue[]) {
    super();
  }

  get size(): number {
    return this.items.length;
  }

  at(index: number): CelValue {
    return this.items[index]!;
  }
}

/** What functions of texts answer; Go holds these otherwise, which mutations show. */
export class TextList extends ArrayList {
  constructor(texts: readonly string[]) {
    super(texts);
  }
}

/** Appending is as cheap as its cost says, whatever the sizes. */
export class ConcatenatedList extends ListValue {
  readonly size: number;

  constructor(
    readonly first: ListValue,
    readonly second: ListValue,
  ) {
    super();
    this.size = first.size + second.size;
  }

  at(index: number): CelValue {
    return index < this.first.size ? this.first.at(index) : this.second.at(index - this.first.size);
  }
}

/** What a comprehension collects into; nobody else holds it before it is done. */
export class GrowingList extends ListValue {
  readonly items: CelValue[] = [];

  get size(): number {
    return this.items.length;
  }

  at(index: number): CelValue {
    return this.items[index]!;
  }

  override concat(other: ListValue): ListValue {
    for (let index = 0; index < other.size; index++) this.items.push(other.at(index));
    return this;
  }

  finished(): ListValue {
    return new ArrayList(this.items);
  }
}

export abstract class MapValue {
  abstract readonly size: number;

  /** Undefined for no such key; an error where the key can't be one. */
  abstract find(key: CelValue): CelValue | undefined;

  abstract keys(): Iterable<CelValue>;

  /** What `in` asks: differs from `find` where that finds something for every key. */
  contains(key: CelValue): CelValue {
    const found = this.find(key);
    return found instanceof CelError ? found : found !== undefined;
  }

  equals(other: CelValue): boolean | CelError {
    if (!(other instanceof MapValue) || other.size !== this.size) return false;
    for (const key of this.keys()) {
      const theirs = other.find(key);
      if (theirs === undefined || equalValues(this.find(key)!, theirs) === false) return false;
    }
    return true;
  }
}

export interface Entry {
  readonly key: CelValue;
  readonly value: CelValue;
}

/** Below every int, so that 1u and 1 are two keys, as they are in Go. */
const uintKeyBase = -(1n << 65n);

type PlainKey = string | bigint | boolean | number | null;

function keyOf(key: CelValue): PlainKey | undefined {
  if (key instanceof Uint) return uintKeyBase - key.value;
  return typeof key === 'object' && key !== null ? undefined : key;
}

export class EntryMap extends MapValue {
  readonly #entries: Map<PlainKey, Entry>;

  constructor(entries: Iterable<Entry> = []) {
    super();
    this.#entries = new Map();
    for (const entry of entries) this.insert(entry.key, entry.value);
  }

  get size(): number {
    return this.#entries.size;
  }

  /** While it is being built: the map must not change once others hold it. */
  insert(key: CelValue, value: CelValue): void {
    const plain = keyOf(key);
    if (plain !== undefined) this.#entries.set(plain, { key, value });
  }

  remove(key: CelValue): void {
    const plain = keyOf(key);
    if (plain !== undefined) this.#entries.delete(plain);
  }

  find(key: CelValue): CelValue | undefined {
    const plain = keyOf(key);
    const found = plain === undefined ? undefined : this.#entries.get(plain);
    if (found) return found.value;
    for (const other of equalKeys(key)) {
      const entry = this.#entries.get(keyOf(other)!);
      if (entry) return entry.value;
    }
    return undefined;
  }

  *keys(): Iterable<CelValue> {
    for (const entry of this.#entries.values()) yield entry.key;
  }
}

/** Numbers of other types that equal the key. */
function equalKeys(key: CelValue): readonly CelValue[] {
  if (typeof key === 'bigint') return key >= 0n ? [new Uint(key)] : [];
  if (key instanceof Uint) return [key.value];
  if (typeof key !== 'number' || !Number.isInteger(key)) return [];
  const whole = BigInt(key);
  const keys: CelValue[] = [];
  if (BigInt.asIntN(64, whole) === whole && whole > -(1n << 63n)) keys.push(whole);
  if (BigInt.asUintN(64, whole) === whole) keys.push(new Uint(whole));
  return keys;
}

/** What type() answers, without parameters. */
export function typeOf(value: CelValue): CelType {
  switch (typeof value) {
    case 'boolean':
      return boolType;
    case 'bigint':
      return intType;
    case 'number':
      return doubleType;
    case 'string':
      return stringType;
  }
  if (value === null) return nullType;
  if (value instanceof ListValue) return plainListType;
  if (value instanceof MapValue) return plainMapType;
  if (value instanceof Uint) return uintType;
  if (value instanceof Uint8Array) return bytesType;
  if (value instanceof Timestamp) return timestampType;
  if (value instanceof Duration) return durationType;
  if (value instanceof CelType) return typeType;
  if (value instanceof OptionalValue) return plainOptionalType;
  return value instanceof CelError ? errorType : value.type;
}

function compareIntDouble(left: bigint, right: number): number {
  if (right < -(2 ** 63)) return 1;
  if (right > 2 ** 63) return -1;
  return compareOrdered(Number(left), right);
}

function compareUintDouble(left: bigint, right: number): number {
  if (right < 0) return 1;
  if (right > 2 ** 64) return -1;
  return compareOrdered(Number(left), right);
}

function compareOrdered<T extends number | bigint>(left: T, right: T): number {
  return left < right ? -1 : left > right ? 1 : 0;
}

function compareNumbers(left: bigint | number | Uint, right: bigint | number | Uint): number {
  if (typeof left === 'number') {
    if (typeof right === 'number') return compareOrdered(left, right);
    return -compareNumbers(right, left);
  }
  if (typeof left === 'bigint') {
    if (typeof right === 'number') return compareIntDouble(left, right);
    return compareOrdered(left, typeof right === 'bigint' ? right : right.value);
  }
  if (typeof right === 'number') return compareUintDouble(left.value, right);
  return compareOrdered(left.value, typeof right === 'bigint' ? right : right.value);
}

export function isNumeric(value: CelValue): value is bigint | number | Uint {
  return typeof value === 'bigint' || typeof value === 'number' || value instanceof Uint;
}

/** `==`. Values of different types are unequal, but numbers compare across types. */
export function equalValues(left: CelValue, right: CelValue): boolean | CelError {
  if (left === right && typeof left !== 'object' && typeof left !== 'number') return true;
  if (left === null || right === null) return left === right;
  switch (typeof left) {
    case 'boolean':
    case 'string':
      return false;
    case 'bigint':
    case 'number':
      return isNumeric(right) && compareNumbers(left, right) === 0 && !Number.isNaN(left) && !Number.isNaN(right);
  }
  if (left instanceof ListValue || left instanceof MapValue || left instanceof ObjectValue) return left.equals(right);
  if (left instanceof Uint) return isNumeric(right) && !Number.isNaN(right) && compareNumbers(left, right) === 0;
  if (left instanceof Uint8Array) return right instanceof Uint8Array && Buffer.compare(left, right) === 0;
  if (left instanceof Timestamp) {
    return right instanceof Timestamp && left.seconds === right.seconds && left.nanos === right.nanos;
  }
  if (left instanceof Duration) return right instanceof Duration && left.nanos === right.nanos;
  if (left instanceof CelType) return right instanceof CelType && left.name === right.name;
  if (left instanceof OptionalValue) {
    if (!(right instanceof OptionalValue)) return false;
    if (left.value === undefined || right.value === undefined) return left.value === right.value;
    return equalValues(left.value, right.value);
  }
  return left;
}

/** By UTF-8 bytes, as Go compares strings. */
export function compareStrings(left: string, right: string): number {
  if (left === right) return 0;
  const length = Math.min(left.length, right.length);
  let index = 0;
  while (index < length && left.charCodeAt(index) === right.charCodeAt(index)) index++;
  if (index === length) return left.length < right.length ? -1 : 1;
  let leftCode = left.charCodeAt(index);
  let rightCode = right.charCodeAt(index);
  // Halves of characters beyond U+FFFF sort after all others.
  if (leftCode >= 0xd800 && rightCode >= 0xd800) {
    leftCode = leftCode >= 0xe000 ? leftCode - 0x800 : leftCode + 0x2000;
    rightCode = rightCode >= 0xe000 ? rightCode - 0x800 : rightCode + 0x2000;
  }
  return leftCode < rightCode ? -1 : 1;
}

/** Negative, zero or positive; an error for values without an order. Undefined when `left` has none at all. */
export function compareValues(left: CelValue, right: CelValue): number | CelError | undefined {
  if (isNumeric(left)) {
    if (!isNumeric(right)) return noSuchOverload;
    if (Number.isNaN(left) || Number.isNaN(right)) return new CelError('NaN values cannot be ordered');
    return compareNumbers(left, right);
  }
  if (typeof left === 'string') return typeof right === 'string' ? compareStrings(left, right) : noSuchOverload;
  if (typeof left === 'boolean') return typeof right === 'boolean' ? Number(left) - Number(right) : noSuchOverload;
  if (left instanceof Timestamp) {
    if (!(right instanceof Timestamp)) return noSuchOverload;
    return compareOrdered(left.seconds, right.seconds) || compareOrdered(left.nanos, right.nanos);
  }
  if (left instanceof Duration) return right instanceof Duration ? compareOrdered(left.nanos, right.nanos) : noSuchOverload;
  if (left instanceof Uint8Array) return right instanceof Uint8Array ? Buffer.compare(left, right) : noSuchOverload;
  return undefined;
}

/** Characters, bytes, elements or entries; undefined for what has no size. */
export function sizeOf(value: CelValue): number | undefined {
  if (typeof value === 'string') return codePointCount(value);
  if (value instanceof ListValue || value instanceof MapValue) return value.size;
  if (value instanceof Uint8Array) return value.length;
  return undefined;
}
