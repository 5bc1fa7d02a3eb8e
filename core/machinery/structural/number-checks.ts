import type { JsonSchema } from './json-schema.js';
import { isKnownFormat } from './formats.js';
import type { Fault } from './schema-validator.js';

const int32Limit = 2 ** 31;
const int64Limit = 2 ** 63;
const largestFloat = 3.4028235677973366e38;

/** Ranges, limits and multiples. Source: kube-openapi pkg/validation/validate, numberValidator. */
export function checkNumber(value: number, schema: JsonSchema, path: string): Fault[] {
  const faults: Fault[] = [];
  const isInteger = Number.isInteger(value);
  const range = (number: number, what: string): void => {
    const text = rangeFault(number, schema, what, path);
    if (text) faults.push({ code: 'general', name: '', text });
  };
  range(value, 'Checked');
  const limit = (text: string): void => void faults.push({ code: 'plain', name: path, value, text: `${path} in body ${text}` });
  const { multipleOf, maximum, minimum, exclusiveMaximum, exclusiveMinimum } = schema;
  if (multipleOf !== undefined) {
    range(multipleOf, 'MultipleOf');
    const factor = isInteger ? Math.trunc(multipleOf) : multipleOf;
    if (factor <= 0) {
      const text = `factor MultipleOf declared for ${path} must be positive: ${goNumber(factor)}`;
      faults.push({ code: 'plain', name: path, value: factor, text });
    } else if (!isMultiple(value, factor)) limit(`should be a multiple of ${goNumber(factor)}`);
  }
  if (minimum !== undefined) {
    range(minimum, 'Minimum boundary');
    const bound = isInteger ? Math.trunc(minimum) : minimum;
    if (exclusiveMinimum ? value <= bound : value < bound) {
      limit(`should be greater than ${exclusiveMinimum ? '' : 'or equal to '}${goNumber(bound)}`);
    }
  }
  if (maximum !== undefined) {
    range(maximum, 'Maximum boundary');
    const bound = isInteger ? Math.trunc(maximum) : maximum;
    if (exclusiveMaximum ? value >= bound : value > bound) {
      limit(`should be less than ${exclusiveMaximum ? '' : 'or equal to '}${goNumber(bound)}`);
    }
  }
  return faults;
}

function isMultiple(value: number, factor: number): boolean {
  const quotient = factor < 1 ? (1 / factor) * value : value / factor;
  const rounded = Math.round(quotient);
  return quotient === rounded || Math.abs(quotient - rounded) <= 1e-9 * Math.abs(quotient);
}

function rangeFault(number: number, schema: JsonSchema, what: string, path: string): string | undefined {
  const { type } = schema;
  const format = schema.format !== undefined && isKnownFormat(schema) ? schema.format : '';
  if (type === 'integer') {
    const limit = format === 'int32' ? int32Limit : int64Limit;
    if (Number.isInteger(number) && number >= -limit && number < limit) return undefined;
  } else if (type !== 'number' || format !== 'float' || Math.abs(number) < largestFloat) return undefined;
  return `${what} value must be of type ${type} ${format ? `with format ${format}` : '(default format)'} in ${path}`;
}

/** A number as Go's %v prints it. */
export function goNumber(value: number): string {
  const exponent = value === 0 ? 0 : Math.floor(Math.log10(Math.abs(value)));
  if (Number.isInteger(value) && exponent < 21) return String(value);
  if (exponent >= -4 && exponent < 21) return String(value);
  return value.toExponential().replace(/e([+-])(\d)$/, 'e$10$2');
}
