import { CodedError } from '../base/errors.js';
import { quote } from './field-errors.js';

/** A value that is a whole number or a string such as a port's name or `25%`. Source: apimachinery pkg/util/intstr. */
export type IntOrString = number | string;

/** A string of digits in int32's range becomes a number, as on command lines and in query parameters. */
export function parseIntOrString(text: string): IntOrString {
  if (!/^[+-]?[0-9]{1,10}$/.test(text)) return text;
  const value = Number(text);
  return value >= -0x80000000 && value <= 0x7fffffff ? value : text;
}

/** Whether the value is written as a percentage, also a malformed one. */
export function isPercent(value: IntOrString): value is string {
  return typeof value === 'string' && value.endsWith('%');
}

export interface ScaleOptions {
  readonly total: number;
  readonly roundUp: boolean;
}

/** A number as it is, a percentage scaled to `total`. Throws INVALID_INT_OR_STRING for any other string. */
export function scaledIntOrPercent(value: IntOrString, options: ScaleOptions): number {
  if (typeof value === 'number') return value;
  const digits = /^([+-]?[0-9]+)%$/.exec(value);
  if (!digits) {
    const reason = value.endsWith('%')
      ? `invalid value ${quote(value)}: strconv.Atoi: parsing ${quote(value.slice(0, -1))}: invalid syntax`
      : 'invalid type: string is not a percentage';
    throw new CodedError('INVALID_INT_OR_STRING', `invalid value for IntOrString: ${reason}`);
  }
  const scaled = (Number(digits[1]) * options.total) / 100;
  return options.roundUp ? Math.ceil(scaled) : Math.floor(scaled);
}
