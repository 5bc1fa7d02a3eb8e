import { formatGoFloat, nearestNumber } from '../go-numbers.js';
import type { JsonSchema } from './json-schema.js';
import { isKnownFormat } from './formats.js';
import type { Fault } from './schema-validator.js';

const int32Limit = 2 ** 31;
const int64Limit = 2 ** 63;
const largestFloat = 3.4028235677973366e38;

/** Ranges, limits and multiples. Source: kube-openapi pkg/validation/validate, numberValidator. */
export function checkNumber(shown: number | bigint, schema: JsonSchema, path: string): Fault[] {
  const faults: Fault[] = [];
  const value = Number(shown);
  // What no double holds exactly is a BigInt: other whole numbers beyond are floats to upstream, as fractions are.
  const isInteger = typeof shown === 'bigint' || Number.isSafeInteger(value);
  const text = (bound: number): string => (isInteger ? String(BigInt(bound)) : formatGoFloat(bound));
  const range = (number: number | bigint, what: string): void => {
    const fault = rangeFault(number, schema, what, path);
    if (fault) faults.push({ code: 'general', name: '', text: fault });
  };
  range(shown, 'Checked');
  const limit = (fault: string): void =>
    void faults.push({ code: 'plain', name: path, value: shown, text: `${path} in body ${fault}` });
  const { exclusiveMaximum, exclusiveMinimum } = schema;
  const multipleOf = nearestNumber(schema.multipleOf);
  const maximum = nearestNumber(schema.maximum);
  const minimum = nearestNumber(schema.minimum);
  if (multipleOf !== undefined) {
    range(multipleOf, 'MultipleOf');
    const factor = isInteger ? Math.trunc(multipleOf) : multipleOf;
    if (factor <= 0) {
      const fault = `factor MultipleOf declared for ${path} must be positive: ${text(factor)}`;
      faults.push({ code: 'plain', name: path, value: factor, text: fault });
    } else if (isInteger ? BigInt(shown) % BigInt(factor) !== 0n : !isMultiple(value, factor))
      limit(`should be a multiple of ${text(factor)}`);
  }
  if (minimum !== undefined) {
    range(minimum, 'Minimum boundary');
    const bound = isInteger ? Math.trunc(minimum) : minimum;
    if (exclusiveMinimum ? shown <= bound : shown < bound) {
      limit(`should be greater than ${exclusiveMinimum ? '' : 'or equal to '}${text(bound)}`);
    }
  }
  if (maximum !== undefined) {
    range(maximum, 'Maximum boundary');
    const bound = isInteger ? Math.trunc(maximum) : maximum;
    if (exclusiveMaximum ? shown >= bound : shown > bound) {
      limit(`should be less than ${exclusiveMaximum ? '' : 'or equal to '}${text(bound)}`);
    }
  }
  return faults;
}

function isMultiple(value: number, factor: number): boolean {
  const quotient = factor < 1 ? (1 / factor) * value : value / factor;
  const rounded = Math.round(quotient);
  return quotient === rounded || Math.abs(quotient - rounded) <= 1e-9 * Math.abs(quotient);
}

function rangeFault(number: number | bigint, schema: JsonSchema, what: string, path: string): string | undefined {
  const { type } = schema;
  const format = schema.format !== undefined && isKnownFormat(schema) ? schema.format : '';
  if (type === 'integer') {
    const limit = format === 'int32' ? int32Limit : int64Limit;
    if ((typeof number === 'bigint' || Number.isInteger(number)) && number >= -limit && number < limit) return undefined;
  } else if (type !== 'number' || format !== 'float' || Math.abs(Number(number)) < largestFloat) return undefined;
  return `${what} value must be of type ${type} ${format ? `with format ${format}` : '(default format)'} in ${path}`;
}
