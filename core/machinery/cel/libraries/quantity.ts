import { CodedError } from '../../../base/errors.js';
import { Quantity } from '../../quantity.js';
import { boolType, doubleType, intType, objectType, stringType } from '../cel-type.js';
import type { Library } from '../declarations.js';
import { declare, memberOverload, overload } from '../declarations.js';
import type { CelValue } from '../values.js';
import { CelError, noSuchOverload, ObjectValue } from '../values.js';

/** Kubernetes' `quantity()`. */

const quantityType = objectType('kubernetes.Quantity');

export class QuantityValue extends ObjectValue {
  readonly type = quantityType;

  constructor(readonly quantity: Quantity) {
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

function toQuantity(text: string): CelValue {
  const quantity = read(text);
  return quantity instanceof CelError ? quantity : new QuantityValue(quantity);
}

/** The amount, where it is whole and fits. */
function wholeValue({ quantity }: QuantityValue): bigint | undefined {
  const whole = quantity.scaledValue(0);
  return quantity.compare(Quantity.of(whole)) === 0 ? whole : undefined;
}

function asInteger(value: QuantityValue): CelValue {
  return wholeValue(value) ?? new CelError('cannot convert value to integer');
}

function add(left: QuantityValue, right: QuantityValue | bigint): CelValue {
  return new QuantityValue(left.quantity.add(amountOf(right)));
}

function sub(left: QuantityValue, right: QuantityValue | bigint): CelValue {
  return new QuantityValue(left.quantity.sub(amountOf(right)));
}

function amountOf(value: QuantityValue | bigint): Quantity {
  return typeof value === 'bigint' ? Quantity.of(value, 'DecimalExponent') : value.quantity;
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
