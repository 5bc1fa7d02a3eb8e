import { dynType, intType, listType, stringType } from '../cel-type.js';
import type { Library } from '../declarations.js';
import { declare, memberOverload, overload } from '../declarations.js';
import { plainValue } from '../format-value.js';
import type { CelValue, ListValue } from '../values.js';
import { CelError, TextList } from '../values.js';
import { codePointCount } from '../source.js';
import { formatString } from './string-format.js';

/** cel-go's strings extension, version 2. Positions count code points. */

function outOfRange(index: bigint): CelError {
  return new CelError(`index out of range: ${index}`);
}

/** Between the place of a code point and its index in UTF-16, without work for plain text. */
class CodePoints {
  readonly count: number;
  readonly #isPlain: boolean;

  constructor(readonly text: string) {
    this.count = codePointCount(text);
    this.#isPlain = this.count === text.length;
  }

  unitIndex(place: number): number {
    if (this.#isPlain) return place;
    let index = 0;
    for (let passed = 0; passed < place; passed++) index += this.text.codePointAt(index)! > 0xffff ? 2 : 1;
    return index;
  }

  place(unitIndex: number): number {
    return this.#isPlain ? unitIndex : codePointCount(this.text.slice(0, unitIndex));
  }

  slice(start: bigint, end: bigint): string {
    return this.text.slice(this.unitIndex(Number(start)), this.unitIndex(Number(end)));
  }
}

function charAt(text: string, index: bigint): CelValue {
  const points = new CodePoints(text);
  if (index < 0n || index > points.count) return outOfRange(index);
  return index === BigInt(points.count) ? '' : points.slice(index, index + 1n);
}

function indexOf(text: string, part: string, offset: bigint | null): CelValue {
  const start = offset ?? 0n;
  if (part === '') return start;
  if (start < 0n) return outOfRange(start);
  const points = new CodePoints(text);
  if (start >= points.count) return -1n;
  const found = text.indexOf(part, points.unitIndex(Number(start)));
  return found === -1 ? -1n : BigInt(points.place(found));
}

function lastIndexOf(text: string, part: string, offset: bigint | null): CelValue {
  const points = new CodePoints(text);
  if (part === '') return offset ?? BigInt(points.count);
  if (offset === null && text.length < part.length) return -1n;
  const start = offset ?? BigInt(points.count - 1);
  if (start < 0n) return outOfRange(start);
  if (start >= points.count) return -1n;
  const found = text.lastIndexOf(part, points.unitIndex(Number(start)));
  return found === -1 ? -1n : BigInt(points.place(found));
}

function lowerAscii(text: string): CelValue {
  return text.replace(/[A-Z]+/g, letters => letters.toLowerCase());
}

function upperAscii(text: string): CelValue {
  return text.replace(/[a-z]+/g, letters => letters.toUpperCase());
}

/** A bound of ours on what one call makes: the cost of replacing does not count the result. */
const maximumLength = 2 ** 26;

/** An empty `old` is found before every character and at the end. */
function replace(text: string, old: string, replacement: string, limit: bigint | null): CelValue {
  const most = old === '' ? text.length + 1 : Math.trunc(text.length / old.length);
  if (most * replacement.length > maximumLength) return new CelError('replace: the result may be too long');
  if (limit === null || limit < 0n) {
    if (old !== '') return text.replaceAll(old, () => replacement);
    return [...text].reduce((result, character) => result + character + replacement, replacement);
  }
  const pieces = splitText(text, old, limit + 1n);
  if (old !== '') return pieces.join(replacement);
  const characters = [...text];
  const count = limit > BigInt(characters.length) + 1n ? characters.length + 1 : Number(limit);
  let result = '';
  for (let index = 0; index <= characters.length; index++) {
    result += (index < count ? replacement : '') + (characters[index] ?? '');
  }
  return result;
}

function splitText(text: string, separator: string, limit: bigint): string[] {
  if (limit === 0n) return [];
  const all = separator === '' ? [...text] : text.split(separator);
  if (limit < 0n || BigInt(all.length) <= limit) return all;
  const count = Number(limit);
  return [...all.slice(0, count - 1), all.slice(count - 1).join(separator)];
}

function split(text: string, separator: string, limit: bigint | null): CelValue {
  return new TextList(splitText(text, separator, limit ?? -1n));
}

function substring(text: string, start: bigint, end: bigint | null): CelValue {
  const points = new CodePoints(text);
  const count = BigInt(points.count);
  if (end !== null && start > end) return new CelError(`invalid substring range. start: ${start}, end: ${end}`);
  if (start < 0n || start > count) return outOfRange(start);
  if (end !== null && (end < 0n || end > count)) return outOfRange(end);
  return points.slice(start, end ?? count);
}

/** White space as Go's unicode.IsSpace knows it: without U+FEFF, with U+0085. */
function trim(text: string): CelValue {
  const space = '[\\t\\n\\v\\f\\r \\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]';
  const start = new RegExp(`^${space}+`).exec(text)?.[0].length ?? 0;
  let end = text.length;
  const single = new RegExp(space);
  while (end > start && single.test(text[end - 1]!)) end--;
  return text.slice(start, end);
}

function join(list: ListValue, separator: string | null): CelValue {
  const parts: string[] = [];
  if (list.size * (separator ?? '').length > maximumLength) return new CelError('join: the result may be too long');
  for (const element of list) {
    if (typeof element !== 'string') return new CelError(`join: invalid input: ${plainValue(element)}`);
    parts.push(element);
  }
  return parts.join(separator ?? '');
}

const quoted: Readonly<Record<string, string>> = {
  '\x07': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
  '\\': '\\\\',
  '"': '\\"',
};

function quote(text: string): CelValue {
  return `"${text.replace(/[\x07\b\f\n\r\t\v\\"]/g, character => quoted[character]!)}"`;
}

const text1 = [stringType];
const text2 = [stringType, stringType];
const texts = listType(stringType);

export const stringsLibrary: Library = {
  functions: [
    declare('charAt', memberOverload('string_char_at_int', [stringType, intType], stringType, charAt)),
    declare(
      'indexOf',
      memberOverload('string_index_of_string', text2, intType, indexOf),
      memberOverload('string_index_of_string_int', [...text2, intType], intType, indexOf),
    ),
    declare(
      'lastIndexOf',
      memberOverload('string_last_index_of_string', text2, intType, lastIndexOf),
      memberOverload('string_last_index_of_string_int', [...text2, intType], intType, lastIndexOf),
    ),
    declare('lowerAscii', memberOverload('string_lower_ascii', text1, stringType, lowerAscii)),
    declare(
      'replace',
      memberOverload('string_replace_string_string', [...text2, stringType], stringType, replace),
      memberOverload('string_replace_string_string_int', [...text2, stringType, intType], stringType, replace),
    ),
    declare(
      'split',
      memberOverload('string_split_string', text2, texts, split),
      memberOverload('string_split_string_int', [...text2, intType], texts, split),
    ),
    declare(
      'substring',
      memberOverload('string_substring_int', [stringType, intType], stringType, substring),
      memberOverload('string_substring_int_int', [stringType, intType, intType], stringType, substring),
    ),
    declare('trim', memberOverload('string_trim', text1, stringType, trim)),
    declare('upperAscii', memberOverload('string_upper_ascii', text1, stringType, upperAscii)),
    declare('format', memberOverload('string_format', [stringType, listType(dynType)], stringType, formatString)),
    declare('strings.quote', overload('strings_quote', text1, stringType, quote)),
    declare(
      'join',
      memberOverload('list_join', [texts], stringType, join),
      memberOverload('list_join_string', [texts, stringType], stringType, join),
    ),
  ],
};
