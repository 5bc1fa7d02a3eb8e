import { toText } from '../conversions.js';
import { formatTimestamp } from '../timestamps.js';
import { formatSeconds, formatValue } from '../format-value.js';
import { fixedFloat, quoteGo } from '../../go-numbers.js';
import type { CelValue, ListValue as List } from '../values.js';
import { CelError, Duration, ListValue, MapValue, Timestamp, typeOf, Uint } from '../values.js';
import { CelType } from '../cel-type.js';

/** `string.format(list)`: cel-go's first version of it, which the strings extension has up to version 3. */

export class FormatFailure extends Error {}

export interface FormatClause {
  readonly verb: 's' | 'd' | 'f' | 'e' | 'b' | 'x' | 'X' | 'o';
  readonly precision: number | undefined;
}

const defaultPrecision = 6;

/** Literal pieces and clauses in turn. `onClause` gives the text of a clause. Throws FormatFailure. */
export function readFormat(format: string, count: number, onClause: (clause: FormatClause, index: number) => string): string {
  let result = '';
  let index = 0;
  let next = 0;
  while (index < format.length) {
    const percent = format.indexOf('%', index);
    if (percent === -1) return result + format.slice(index);
    result += format.slice(index, percent);
    index = percent + 1;
    if (format[index] === '%') {
      result += '%';
      index++;
      continue;
    }
    if (next >= count) throw new FormatFailure(`index ${next} out of range`);
    if (index >= format.length) throw new FormatFailure('unexpected end of string');
    const { clause, end } = readClause(format, index);
    try {
      result += onClause(clause, next);
    } catch (error) {
      if (error instanceof FormatFailure) error.message = `error during formatting: ${error.message}`;
      throw error;
    }
    index = end;
    next++;
  }
  return result;
}

function readClause(format: string, start: number): { clause: FormatClause; end: number } {
  const fail = (message: string): FormatFailure => new FormatFailure(`could not parse formatting clause: ${message}`);
  let index = start;
  let precision: number | undefined;
  if (format[index] === '.') {
    const digits = /^[0-9]*/.exec(format.slice(index + 1))![0];
    index += 1 + digits.length;
    if (index >= format.length) throw fail('error while parsing precision: could not find end of precision specifier');
    if (digits === '') {
      throw fail(
        'error while parsing precision: error while converting precision to integer: strconv.Atoi: parsing "": invalid syntax',
      );
    }
    precision = Number(digits);
    if (precision > maximumPrecision) throw fail(`error while parsing precision: precision is limited to ${maximumPrecision}`);
  }
  const verb = String.fromCodePoint(format.codePointAt(index)!);
  if (!'sdfebxXo'.includes(verb)) throw fail(`unrecognized formatting clause "${verb}"`);
  return { clause: { verb: verb as FormatClause['verb'], precision }, end: index + 1 };
}

/** A bound of ours: a short text must not make a long one. */
const maximumPrecision = 1000;

export function formatString(format: string, args: List): CelValue {
  try {
    return readFormat(format, args.size, (clause, index) => formatClause(clause, args.at(index)));
  } catch (error) {
    if (error instanceof FormatFailure) return new CelError(error.message);
    throw error;
  }
}

function formatClause(clause: FormatClause, value: CelValue): string {
  switch (clause.verb) {
    case 's':
      return textClause(value);
    case 'd':
      return decimalClause(value);
    case 'f':
      return fixedClause(value, clause.precision ?? defaultPrecision);
    case 'e':
      return scientificClause(value, clause.precision ?? defaultPrecision);
    case 'b':
      return binaryClause(value);
    case 'o':
      return octalClause(value);
    case 'x':
      return hexClause(value);
    case 'X':
      return hexClause(value).toUpperCase();
  }
}

const typeNameOf = (value: CelValue): string => typeOf(value).name;

function textClause(value: CelValue): string {
  if (value === null) return 'null';
  if (value instanceof ListValue || value instanceof MapValue) return nested(value);
  if (value instanceof CelType) return value.name;
  const text = toText(value);
  if (typeof text === 'string') return text;
  if (value instanceof Uint8Array) {
    throw new FormatFailure(`could not convert argument ${quoteGo(formatValue(text))} to string`);
  }
  throw new FormatFailure(clauseErrors.s(typeNameOf(value)));
}

/** What each clause takes, in upstream's words. */
export const clauseErrors: Readonly<Record<FormatClause['verb'], (type: string) => string>> = {
  s: type =>
    `string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, durations, and timestamps, was given ${type}`,
  d: type => `decimal clause can only be used on integers, was given ${type}`,
  f: type => `fixed-point clause can only be used on doubles, was given ${type}`,
  e: type => `scientific clause can only be used on doubles, was given ${type}`,
  b: type => `only integers and bools can be formatted as binary, was given ${type}`,
  o: type => `octal clause can only be used on integers, was given ${type}`,
  x: type => `only integers, byte buffers, and strings can be formatted as hex, was given ${type}`,
  X: type => `only integers, byte buffers, and strings can be formatted as hex, was given ${type}`,
};

/** A value inside a list or map. */
function nested(value: CelValue): string {
  if (typeof value === 'string') return quoteGo(value);
  if (typeof value === 'number')
    return Number.isFinite(value) ? fixedFloat(value, defaultPrecision) : `"${fixedFloat(value, 0)}"`;
  if (value instanceof Uint8Array) return `b${quoteGo(textClause(value))}`;
  if (value instanceof Timestamp) return `timestamp("${formatTimestamp(value)}")`;
  if (value instanceof Duration) return `duration("${formatSeconds(value)}")`;
  if (value instanceof ListValue) return `[${[...value].map(nested).join(', ')}]`;
  if (value instanceof MapValue) {
    const entries = [...value.keys()].map(key => [nestedKey(key), nested(value.find(key)!)] as const);
    entries.sort(([left], [right]) => (left < right ? -1 : left > right ? 1 : 0));
    return `{${entries.map(([key, text]) => `${key}:${text}`).join(', ')}}`;
  }
  if (value === null || typeof value !== 'object' || value instanceof Uint || value instanceof CelType) return textClause(value);
  throw new FormatFailure(`no formatting function for ${typeNameOf(value)}`);
}

function nestedKey(key: CelValue): string {
  if (typeof key === 'string') return quoteGo(key);
  if (typeof key === 'boolean' || typeof key === 'bigint' || key instanceof Uint) return textClause(key);
  throw new FormatFailure(`no formatting function for map key of type ${typeNameOf(key)}`);
}

function decimalClause(value: CelValue): string {
  if (typeof value === 'bigint') return value.toString();
  if (value instanceof Uint) return value.value.toString();
  throw new FormatFailure(clauseErrors.d(typeNameOf(value)));
}

const specialNumbers = new Map([
  ['NaN', NaN],
  ['Infinity', Infinity],
  ['-Infinity', -Infinity],
]);

function numberOf(value: CelValue): number | undefined {
  if (typeof value === 'number') return value;
  return typeof value === 'string' ? specialNumbers.get(value) : undefined;
}

/** Upstream prints these by the rules of a locale; as far as digits go, English ones. */
function special(value: number): string | undefined {
  if (Number.isNaN(value)) return 'NaN';
  if (Number.isFinite(value)) return undefined;
  return value > 0 ? '∞' : '-∞';
}

function fixedClause(value: CelValue, precision: number): string {
  const number = numberOf(value);
  if (number === undefined) throw new FormatFailure(clauseErrors.f(typeNameOf(value)));
  const text = special(number);
  if (text !== undefined) return text;
  const [whole, fraction] = fixedFloat(number === 0 ? 0 : number, precision).split('.') as [string, string?];
  const grouped = whole.replace(/\B(?=(?:[0-9]{3})+$)/g, ',');
  return fraction === undefined ? grouped : `${grouped}.${fraction}`;
}

const superscripts = '⁰¹²³⁴⁵⁶⁷⁸⁹';

/** Upstream takes the precision for a width and always writes six digits. */
function scientificClause(value: CelValue, width: number): string {
  const number = numberOf(value);
  if (number === undefined) throw new FormatFailure(clauseErrors.e(typeNameOf(value)));
  const text = special(number);
  if (text !== undefined) return text.padStart(width);
  const [mantissa, power] = number.toExponential(defaultPrecision).split('e') as [string, string];
  const digits = Math.abs(Number(power)).toString().padStart(2, '0');
  const raised = [...digits].map(digit => superscripts[Number(digit)]!).join('');
  return `${mantissa}×10${power.startsWith('-') ? '⁻' : ''}${raised}`.padStart(width);
}

function binaryClause(value: CelValue): string {
  if (typeof value === 'boolean') return value ? '1' : '0';
  if (typeof value === 'bigint') return value.toString(2);
  if (value instanceof Uint) return value.value.toString(2);
  throw new FormatFailure(clauseErrors.b(typeNameOf(value)));
}

function octalClause(value: CelValue): string {
  if (typeof value === 'bigint') return value.toString(8);
  if (value instanceof Uint) return value.value.toString(8);
  throw new FormatFailure(clauseErrors.o(typeNameOf(value)));
}

function hexClause(value: CelValue): string {
  if (typeof value === 'string') return Buffer.from(value, 'utf8').toString('hex');
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  if (typeof value === 'bigint') return value.toString(16);
  if (value instanceof Uint) return value.value.toString(16);
  throw new FormatFailure(clauseErrors.x(typeNameOf(value)));
}
