import { CodedError } from '../base/errors.js';
import type { IntOrString } from './generated/types.js';

/** A number, or a percentage of `total`. Throws INVALID_PERCENTAGE for any other string. Source: apimachinery util/intstr. */
export function scaledValue(value: IntOrString | undefined, total: number, roundUp: boolean): number {
  if (value === undefined) return 0;
  if (typeof value === 'number') return value;
  const match = /^([+-]?\d+)%$/.exec(value);
  if (!match)
    throw new CodedError('INVALID_PERCENTAGE', `invalid value for IntOrString: invalid type: string is not a percentage`);
  const scaled = (Number(match[1]) * total) / 100;
  return roundUp ? Math.ceil(scaled) : Math.floor(scaled);
}
