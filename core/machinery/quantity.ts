import { CodedError } from '../base/errors.js';

/**
 * Exact amounts of resources: `500m`, `1.5Gi`, `12e6`. Source: apimachinery pkg/api/resource; errors and canonical forms are
 * upstream's, with two bounds of ours: exponents beyond +-1000 and numbers of more than 1000 digits are refused, so that no
 * short text can stand for a number that fills the memory.
 */
export type QuantityFormat = 'DecimalSI' | 'BinarySI' | 'DecimalExponent';

const formatText = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
const suffixText = "unable to parse quantity's suffix";
const numericText = 'unable to parse numeric part of quantity';

const maximumInt64 = (1n << 63n) - 1n;
const maximumExponent = 1000;
const maximumDigits = 1000;
const nano = -9;

interface Suffix {
  readonly format: QuantityFormat;
  /** Of 10, or of 2 for BinarySI. */
  readonly exponent: number;
}

const suffixes = new Map<string, Suffix>([
  ...(['n', 'u', 'm', '', 'k', 'M', 'G', 'T', 'P', 'E'] as const).map(
    (text, index) => [text, { format: 'DecimalSI', exponent: index * 3 - 9 }] as [string, Suffix],
  ),
  ...(['Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'] as const).map(
    (text, index) => [text, { format: 'BinarySI', exponent: index * 10 + 10 }] as [string, Suffix],
  ),
]);
const decimalSuffix = new Map([...suffixes].filter(([, s]) => s.format === 'DecimalSI').map(([text, s]) => [s.exponent, text]));
const binarySuffix = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'];

/** Sign, leading zeros, whole digits, fraction, suffix: each in turn, so that matching is linear. */
const shape = /^([+-]?)(0*)([0-9]*)(?:\.([0-9]*))?([eEinumkKMGTP]*[-+]?[0-9]*)$/;

const powersOfTen: bigint[] = [1n];
function tenTo(exponent: number): bigint {
  while (powersOfTen.length <= Math.min(exponent, 40)) powersOfTen.push(powersOfTen.at(-1)! * 10n);
  return exponent < powersOfTen.length ? powersOfTen[exponent]! : 10n ** BigInt(exponent);
}

/** value = unscaled * 10^scale */
export class Quantity {
  readonly format: QuantityFormat;
  readonly #unscaled: bigint;
  readonly #scale: number;
  #text: string | undefined;

  private constructor(unscaled: bigint, scale: number, format: QuantityFormat, text?: string) {
    this.#unscaled = unscaled;
    this.#scale = scale;
    this.format = format;
    this.#text = text;
  }

  static readonly zero = new Quantity(0n, 0, 'DecimalSI', '0');

  /** Throws INVALID_QUANTITY with upstream's words. */
  static parse(text: string): Quantity {
    if (text === '0') return Quantity.zero;
    const match = text === '' ? null : shape.exec(text);
    if (!match) throw new CodedError('INVALID_QUANTITY', formatText);
    const negative = match[1] === '-';
    const whole = match[3] || '0';
    const fraction = match[4] ?? '';
    const suffix = readSuffix(match[5]!);
    if (whole.length + fraction.length > maximumDigits) throw new CodedError('INVALID_QUANTITY', numericText);
    const digits = BigInt(whole + fraction);
    let { format } = suffix;
    const binary = format === 'BinarySI';
    let scale = (binary ? 0 : suffix.exponent) - fraction.length;
    let unscaled = binary ? digits << BigInt(suffix.exponent) : digits;
    if (keepsText(whole, fraction, suffix, scale)) {
      return new Quantity(negative ? -unscaled : unscaled, scale, format, text);
    }
    if (unscaled !== 0n && scale < nano) {
      // Any amount asked for is at least one nano-unit.
      unscaled = divideUp(unscaled, tenTo(nano - scale));
      scale = nano;
    }
    if (binary && scale <= 0) {
      const one = tenTo(-scale);
      if (unscaled > maximumInt64 * one) {
        unscaled = maximumInt64;
        scale = 0;
      } else if (unscaled > 0n && unscaled < one) format = 'DecimalSI';
    }
    return new Quantity(negative ? -unscaled : unscaled, scale, format);
  }

  /** `value` is whole. */
  static of(value: number | bigint, format: QuantityFormat = 'DecimalSI'): Quantity {
    return new Quantity(BigInt(value), 0, format);
  }

  /** `value` is whole, in thousandths. */
  static ofMilli(value: number | bigint, format: QuantityFormat = 'DecimalSI'): Quantity {
    return new Quantity(BigInt(value), -3, format);
  }

  get isZero(): boolean {
    return this.#unscaled === 0n;
  }

  get sign(): -1 | 0 | 1 {
    return this.#unscaled === 0n ? 0 : this.#unscaled < 0n ? -1 : 1;
  }

  /** Whether nothing is lost without a fraction. */
  get isWhole(): boolean {
    return this.#scale >= 0 || this.#unscaled % tenTo(-this.#scale) === 0n;
  }

  /** Negative, zero or positive, as this is less than, equal to or more than the other. */
  compare(other: Quantity): -1 | 0 | 1 {
    const [left, right] = this.#aligned(other);
    return left < right ? -1 : left > right ? 1 : 0;
  }

  equals(other: Quantity): boolean {
    return this.compare(other) === 0;
  }

  add(other: Quantity): Quantity {
    const [left, right, scale] = this.#aligned(other);
    return new Quantity(left + right, scale, this.isZero ? other.format : this.format);
  }

  sub(other: Quantity): Quantity {
    const [left, right, scale] = this.#aligned(other);
    return new Quantity(left - right, scale, this.isZero ? other.format : this.format);
  }

  multiply(factor: number | bigint): Quantity {
    return new Quantity(this.#unscaled * BigInt(factor), this.#scale, this.format);
  }

  negate(): Quantity {
    return new Quantity(-this.#unscaled, this.#scale, this.format);
  }

  /** Whole units, rounded away from zero. Exact up to 2^53; larger amounts as `scaledValue(0)`. */
  value(): number {
    return Number(this.scaledValue(0));
  }

  /** Thousandths, rounded away from zero. */
  milliValue(): number {
    return Number(this.scaledValue(-3));
  }

  /** In units of 10^scale, rounded away from zero, kept within an int64. */
  scaledValue(scale: number): bigint {
    const value =
      this.#scale >= scale ? this.#unscaled * tenTo(this.#scale - scale) : divideAway(this.#unscaled, tenTo(scale - this.#scale));
    if (value > maximumInt64) return maximumInt64;
    return value < -maximumInt64 - 1n ? -maximumInt64 - 1n : value;
  }

  /** Rounded away from zero to a multiple of 10^scale. */
  roundUp(scale: number): Quantity {
    if (this.#scale >= scale) return this;
    return new Quantity(divideAway(this.#unscaled, tenTo(scale - this.#scale)), scale, this.format);
  }

  /** May lose digits. */
  toNumber(): number {
    return Number(`${this.#unscaled}e${this.#scale}`);
  }

  withFormat(format: QuantityFormat): Quantity {
    return format === this.format ? this : new Quantity(this.#unscaled, this.#scale, format);
  }

  toString(): string {
    return (this.#text ??= this.#canonical());
  }

  toJSON(): string {
    return this.toString();
  }

  #aligned(other: Quantity): [bigint, bigint, number] {
    const scale = Math.min(this.#scale, other.#scale);
    return [this.#unscaled * tenTo(this.#scale - scale), other.#unscaled * tenTo(other.#scale - scale), scale];
  }

  #canonical(): string {
    if (this.#unscaled === 0n) return '0';
    if (this.format === 'BinarySI') {
      const whole = this.roundUp(0).#unscaled * tenTo(Math.max(0, this.#scale));
      const exact = this.#scale >= 0 || whole * tenTo(-this.#scale) === this.#unscaled;
      const large = whole >= 1024n || whole <= -1024n;
      if (exact && large) {
        let mantissa = whole;
        let index = 0;
        while (mantissa % 1024n === 0n) {
          mantissa /= 1024n;
          index++;
        }
        return `${mantissa}${binarySuffix[index] ?? ''}`;
      }
    }
    let mantissa = this.#unscaled;
    let exponent = this.#scale;
    while (mantissa % 10n === 0n) {
      mantissa /= 10n;
      exponent++;
    }
    for (; exponent % 3 !== 0; exponent--) mantissa *= 10n;
    if (this.format === 'DecimalExponent') return exponent === 0 ? `${mantissa}` : `${mantissa}e${exponent}`;
    return `${mantissa}${decimalSuffix.get(exponent) ?? ''}`;
  }
}

function readSuffix(text: string): Suffix {
  const known = suffixes.get(text);
  if (known) return known;
  const exponent = /^[eE]([-+]?[0-9]+)$/.exec(text);
  const value = exponent ? Number(exponent[1]) : Infinity;
  if (Math.abs(value) > maximumExponent) throw new CodedError('INVALID_QUANTITY', suffixText);
  return { format: 'DecimalExponent', exponent: value };
}

/** Whether upstream's fast path takes the number as canonical and keeps its text, also where another text would be shorter. */
function keepsText(whole: string, fraction: string, suffix: Suffix, scale: number): boolean {
  if (suffix.format === 'BinarySI') {
    const precision = 15 - whole.length - Math.trunc((suffix.exponent * 3) / 10) - 1;
    return fraction === '' && precision >= 0 && Number(whole.slice(-3)) % 8 !== 0;
  }
  if (whole.length + fraction.length > 18 || scale < nano || scale % 3 !== 0) return false;
  return !whole.startsWith('0') && !(whole + fraction).endsWith('000');
}

function divideUp(value: bigint, divisor: bigint): bigint {
  return (value + divisor - 1n) / divisor;
}

function divideAway(value: bigint, divisor: bigint): bigint {
  return value < 0n ? -divideUp(-value, divisor) : divideUp(value, divisor);
}

/** Throws INVALID_QUANTITY. */
export function parseQuantity(text: string): Quantity {
  return Quantity.parse(text);
}

const plainQuantity = /^[1-9][0-9]{0,5}(?:m|Ki|Mi|Gi|k|M|G)?$/;

/** The text that upstream would print after reading `text`. Throws INVALID_QUANTITY. */
export function canonicalQuantity(text: string): string {
  if (plainQuantity.test(text)) {
    // Up to six digits that end in neither 000 (decimal) nor a multiple of 8 (binary) are kept as they stand.
    const last = text.charCodeAt(text.length - 1);
    if (last === 105) {
      if ((text.charCodeAt(text.length - 3) - 48) % 2 === 1) return text;
    } else if (text.charCodeAt(text.length - (last > 57 ? 2 : 1)) !== 48) return text;
  }
  return Quantity.parse(text).toString();
}
