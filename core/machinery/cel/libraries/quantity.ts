import { CodedError } from '../../../base/errors.js';
import { Quantity } from '../../quantity.js';
import { boolType, doubleType, intType, objectType, stringType } from '../cel-type.js';
import type { Library } from '../declarations.js';
import { declare, memberOverload, overload } from '../declarations.js';
import type { CelValue } from '../values.js';
import { CelError, noSuchOverload, ObjectValue } from '../values.js';

/** Kubernetes' `quantity()`. */

export const quantityType = objectType('kubernetes.Quantity');

/**
 * value * 10^scale, as upstream keeps amounts of few digits. Only these count as integers there, however whole the others are.
 */
interface SmallAmount {
  readonly value: bigint;
  readonly scale: number;
}

const maximumDigits = 18;
const smallestScale = -9;

/** Undefined for amounts that upstream keeps with any number of digits. */
function smallAmount(text: string): SmallAmount | undefined {
  const match = /^([+-]?)0*([0-9]*)(?:\.([0-9]*))?(.*)$/.exec(text)!;
  const whole = match[2] || '0';
  const fraction = match[3] ?? '';
  const sign = match[1] === '-' ? -1n : 1n;
  const binary = /^([KMGTPE])i$/.exec(match[4]!);
  if (binary) {
    const bits = ('KMGTPE'.indexOf(binary[1]!) + 1) * 10;
    if (fraction !== '' || 15 - whole.length - Math.trunc((bits * 3) / 10) - 1 < 0) return undefined;
    return fitting(sign * (BigInt(whole) << BigInt(bits)), 0);
  }
  const exponent = /^[eE]/.test(match[4]!) && match[4]!.length > 1 ? Number(match[4]!.slice(1)) : decimalExponents[match[4]!];
  if (exponent === undefined || whole.length + fraction.length > maximumDigits) return undefined;
  const scale = exponent - fraction.length;
  return scale < smallestScale ? undefined : fitting(sign * BigInt(whole + fraction), scale);
}

const decimalExponents: Readonly<Record<string, number>> = {
  n: -9,
  u: -6,
  m: -3,
  '': 0,
  k: 3,
  M: 6,
  G: 9,
  T: 12,
  P: 15,
  E: 18,
};

function fitting(value: bigint, scale: number): SmallAmount | undefined {
  return BigInt.asIntN(64, value) === value ? { value, scale } : undefined;
}

function addAmounts(left: SmallAmount | undefined, right: SmallAmount | undefined): SmallAmount | undefined {
  if (!left || !right || right.value === 0n) return right && left;
  if (left.value === 0n) return right;
  const scale = Math.min(left.scale, right.scale);
  const at = (amount: SmallAmount): bigint => amount.value * 10n ** BigInt(amount.scale - scale);
  return fitting(at(left) + at(right), scale);
}

export class QuantityValue extends ObjectValue {
  readonly type = quantityType;

  constructor(
    readonly quantity: Quantity,
    readonly small: SmallAmount | undefined,
  ) {
    super();
  }

  equals(other: CelValue): boolean | CelError {
    return other instanceof QuantityValue ? this.quantity.equals(other.quantity) : noSuchOverload;
  }

  toString(): string {
    return this.quantity.toString();
  }
}

function read(text: string): Quantity | CelError {
  try {
    return Quantity.parse(text);
  } catch (error) {
    if (error instanceof CodedError) return new CelError(error.message);
    throw error;
  }
}

/** The value of a text; an error for a bad one. */
export function toQuantity(text: string): CelValue {
  const quantity = read(text);
  return quantity instanceof CelError ? quantity : new QuantityValue(quantity, smallAmount(text));
}

/** The amount, where it is whole, fits and is kept in a way that upstream looks at. */
function wholeValue({ small }: QuantityValue): bigint | undefined {
  if (!small || small.scale < 0 || small.scale > maximumDigits) return undefined;
  return fitting(small.value * 10n ** BigInt(small.scale), 0)?.value;
}

function asInteger(value: QuantityValue): CelValue {
  return wholeValue(value) ?? new CelError('cannot convert value to integer');
}

function valueOf(value: QuantityValue | bigint): QuantityValue {
  if (value instanceof QuantityValue) return value;
  return new QuantityValue(Quantity.of(value, 'DecimalExponent'), { value, scale: 0 });
}

function add(left: QuantityValue, right: QuantityValue | bigint): CelValue {
  const { quantity, small } = valueOf(right);
  return new QuantityValue(left.quantity.add(quantity), addAmounts(left.small, small));
}

function sub(left: QuantityValue, right: QuantityValue | bigint): CelValue {
  const { quantity, small } = valueOf(right);
  return new QuantityValue(left.quantity.sub(quantity), addAmounts(left.small, small && { ...small, value: -small.value }));
}

const two = [quantityType, quantityType];
const withInt = [quantityType, intType];

export const quantityLibrary: Library = {
  functions: [
    declare('quantity', overload('string_to_quantity', [stringType], quantityType, toQuantity)),
    declare(
      'isQuantity',
      overload('is_quantity_string', [stringType], boolType, (text: string): CelValue => !(read(text) instanceof CelError)),
    ),
    declare(
      'sign',
      overload('quantity_sign', [quantityType], intType, (value: QuantityValue): CelValue => BigInt(value.quantity.sign)),
    ),
    declare(
      'isGreaterThan',
      memberOverload('quantity_is_greater_than', two, boolType, (left: QuantityValue, right: QuantityValue): CelValue => {
        return left.quantity.compare(right.quantity) > 0;
      }),
    ),
    declare(
      'isLessThan',
      memberOverload('quantity_is_less_than', two, boolType, (left: QuantityValue, right: QuantityValue): CelValue => {
        return left.quantity.compare(right.quantity) < 0;
      }),
    ),
    declare(
      'compareTo',
      memberOverload('quantity_compare_to', two, intType, (left: QuantityValue, right: QuantityValue): CelValue => {
        return BigInt(left.quantity.compare(right.quantity));
      }),
    ),
    declare(
      'asApproximateFloat',
      memberOverload('quantity_get_float', [quantityType], doubleType, (value: QuantityValue): CelValue =>
        value.quantity.toNumber(),
      ),
    ),
    declare('asInteger', memberOverload('quantity_get_int', [quantityType], intType, asInteger)),
    declare(
      'isInteger',
      memberOverload('quantity_is_integer', [quantityType], boolType, (value: QuantityValue): CelValue => {
        return wholeValue(value) !== undefined;
      }),
    ),
    declare(
      'add',
      memberOverload('quantity_add', two, quantityType, add),
      memberOverload('quantity_add_int', withInt, quantityType, add),
    ),
    declare(
      'sub',
      memberOverload('quantity_sub', two, quantityType, sub),
      memberOverload('quantity_sub_int', withInt, quantityType, sub),
    ),
  ],
};
