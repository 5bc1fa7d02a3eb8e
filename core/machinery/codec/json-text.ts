import { CodedError } from '../../base/errors.js';

/** Go's limit on nested arrays and objects. */
export const maximumJsonDepth = 10000;

export interface JsonTextFacts {
  /** Object members in the text, duplicates counted. */
  readonly members: number;
  readonly depth: number;
  /** Position of the bracket that went past `maximumJsonDepth`, or -1. */
  readonly tooDeepAt: number;
  /** Whether a number is written with fraction, exponent or more than 15 digits. */
  readonly hasOddNumbers: boolean;
}

/** What JSON.parse does not tell, in one pass. The text need not be valid. */
export function scanJsonText(text: string): JsonTextFacts {
  let members = 0;
  let depth = 0;
  let deepest = 0;
  let tooDeepAt = -1;
  let digits = 0;
  let hasOddNumbers = false;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 34) {
      at = stringEnd(text, at);
      if (at < 0) break;
      digits = 0;
    } else if (code >= 48 && code <= 57) {
      if (++digits > 15) hasOddNumbers = true;
    } else {
      if (code === 58) members++;
      else if (code === 123 || code === 91) {
        if (++depth > deepest) {
          deepest = depth;
          if (depth === maximumJsonDepth + 1) tooDeepAt = at;
        }
      } else if (code === 125 || code === 93) depth--;
      else if (code === 46 || ((code === 101 || code === 69) && digits > 0)) hasOddNumbers = true;
      digits = 0;
    }
  }
  return { members, depth: deepest, tooDeepAt, hasOddNumbers };
}

/** Index of the quote that closes the string whose opening quote is at `start`; -1 when there is none. */
export function stringEnd(text: string, start: number): number {
  let end = start;
  for (;;) {
    end = text.indexOf('"', end + 1);
    if (end < 0) return -1;
    let backslashes = 0;
    while (text.charCodeAt(end - 1 - backslashes) === 92) backslashes++;
    if (backslashes % 2 === 0) return end;
  }
}

/** A number together with how it was written, where this matters: `1.0` is no integer, `1e3` is a quantity of its own format. */
export class NumberToken {
  readonly value: number;
  readonly source: string;

  constructor(value: number, source: string) {
    this.value = value;
    this.source = source;
  }
}

/** A whole number of 64 bits, written plainly, that is beyond what a double holds exactly; undefined for all others. */
export function wideInteger(source: string): bigint | undefined {
  if (!/^-?[1-9]\d{15,18}$/.test(source) || Number.isSafeInteger(Number(source))) return undefined;
  const exact = BigInt(source);
  return BigInt.asIntN(64, exact) === exact ? exact : undefined;
}

/** A field that is a float, as whoever reads the text of its object gets it: there 2^60 looks as a whole number does. */
export function heldFloat(value: number): number | bigint {
  return Number.isSafeInteger(value) ? value : (wideInteger(String(value)) ?? value);
}

/** Whether text that this server wrote itself may hold wide integers; never false when it does. */
export function mayHoldWideIntegers(text: string): boolean {
  return /[:,[]-?\d{16}/.test(text);
}

/** Text that this server wrote itself, as a value; wide integers as `withoutTokens` gives them. */
export function parseOwnJson(text: string): unknown {
  return mayHoldWideIntegers(text) ? withoutTokens(parseJsonText(text, true)) : JSON.parse(text);
}

/** The same with wide integers as the nearest numbers that are whole numbers of 64 bits, for those who count with them. */
export function parseRoundedJson(text: string): unknown {
  return mayHoldWideIntegers(text) ? JSON.parse(text, rounded as (key: string, value: unknown) => unknown) : JSON.parse(text);
}

/** 2^63 - 1 is nearer to 2^63, which is none. */
const largestRounded = 2 ** 63 - 1024;

const rounded: SourceReviver = (_key, value, { source }) =>
  typeof value === 'number' && value > largestRounded && source !== undefined && wideInteger(source) !== undefined
    ? largestRounded
    : value;

/** JSON.stringify, also of values with BigInts; `onWide` is told of these. */
export function jsonText(value: unknown, { indent, onWide }: { indent?: number; onWide?: () => void } = {}): string {
  try {
    return JSON.stringify(value, undefined, indent);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    const text = JSON.stringify(value, rawInteger, indent);
    onWide?.();
    return text;
  }
}

const rawInteger = (_key: string, value: unknown): unknown => (typeof value === 'bigint' ? rawJson(String(value)) : value);

/** Of ES2025, which the compiler's library does not know. */
const { rawJSON: rawJson } = JSON as unknown as { rawJSON(text: string): unknown };

type SourceReviver = (key: string, value: unknown, context: { source?: string }) => unknown;

const keepSource: SourceReviver = (_key, value, { source }) => {
  if (typeof value !== 'number' || source === undefined) return value;
  return String(value) !== source || wideInteger(source) !== undefined ? new NumberToken(value, source) : value;
};

/** JSON.parse; with `keepSources`, numbers that JavaScript prints otherwise, or that are beyond what it counts exactly, become NumberTokens. Throws JSON_SYNTAX in Go's words. */
export function parseJsonText(text: string, keepSources = false): unknown {
  try {
    return keepSources ? JSON.parse(text, keepSource as (key: string, value: unknown) => unknown) : JSON.parse(text);
  } catch (error) {
    throw new CodedError('JSON_SYNTAX', goSyntaxError(text), { cause: error });
  }
}

/**
 * Plain numbers instead of NumberTokens, through and through; the value itself where it holds none. Whole numbers of 64 bits that a
 * double cannot hold become BigInts, which `jsonText` writes as they were.
 */
export function withoutTokens(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof NumberToken) return wideInteger(value.source) ?? value.value;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) value[i] = withoutTokens(value[i]);
    return value;
  }
  const object = value as Record<string, unknown>;
  for (const key of Object.keys(object)) {
    const inner = object[key];
    if (typeof inner !== 'object' || inner === null) continue;
    const plain = withoutTokens(inner);
    if (plain !== inner)
      Object.defineProperty(object, key, { value: plain, enumerable: true, configurable: true, writable: true });
  }
  return value;
}

/** A byte as Go's messages quote it. */
function quoteCharacter(text: string, at: number): string {
  const code = text.codePointAt(at)!;
  const byte = code < 0x80 ? code : Buffer.from(String.fromCodePoint(code))[0]!;
  if (byte === 39) return "'\\''";
  if (byte === 34) return "'\"'";
  if (byte === 92) return "'\\\\'";
  const named: Record<number, string> = { 7: '\\a', 8: '\\b', 9: '\\t', 10: '\\n', 11: '\\v', 12: '\\f', 13: '\\r' };
  if (named[byte]) return `'${named[byte]}'`;
  if (byte < 32 || byte === 127) return `'\\x${byte.toString(16).padStart(2, '0')}'`;
  if (byte >= 0x80 && byte < 0xa1) return `'\\u00${byte.toString(16)}'`;
  return byte === 0xad ? "'\\u00ad'" : `'${String.fromCharCode(byte)}'`;
}

const space = (code: number): boolean => code === 32 || code === 9 || code === 10 || code === 13;
const digit = (code: number): boolean => code >= 48 && code <= 57;
const hex = (code: number): boolean => digit(code) || (code >= 97 && code <= 102) || (code >= 65 && code <= 70);

/** What Go's scanner says about a text that is not JSON; made for error messages, so not for speed. */
export function goSyntaxError(text: string): string {
  const end = 'unexpected end of JSON input';
  let at = 0;
  const wrong = (context: string): string =>
    at >= text.length ? end : `invalid character ${quoteCharacter(text, at)} ${context}`;
  const skipSpace = (): void => {
    while (at < text.length && space(text.charCodeAt(at))) at++;
  };
  const stack: ('object' | 'array')[] = [];
  /** Scans a string, number or word; the error or undefined. */
  const literal = (): string | undefined => {
    const code = text.charCodeAt(at);
    if (code === 34) return string();
    if (code === 45 || digit(code)) return number();
    for (const word of ['true', 'false', 'null']) {
      if (text[at] !== word[0]) continue;
      for (let i = 0; i < word.length; i++, at++) {
        if (text[at] !== word[i]) return wrong(`in literal ${word} (expecting '${word[i]}')`);
      }
      return undefined;
    }
    return wrong('looking for beginning of value');
  };
  const string = (): string | undefined => {
    for (at++; at < text.length; at++) {
      const code = text.charCodeAt(at);
      if (code === 34) {
        at++;
        return undefined;
      }
      if (code < 32) return wrong('in string literal');
      if (code !== 92) continue;
      at++;
      if (text[at] === 'u') {
        for (let i = 0; i < 4; i++) if (!hex(text.charCodeAt(++at))) return wrong('in \\u hexadecimal character escape');
      } else if (at >= text.length || !'"\\/bfnrt'.includes(text[at]!)) return wrong('in string escape code');
    }
    return end;
  };
  const number = (): string | undefined => {
    if (text[at] === '-') at++;
    if (!digit(text.charCodeAt(at))) return wrong('in numeric literal');
    if (text[at] === '0') at++;
    else while (digit(text.charCodeAt(at))) at++;
    if (text[at] === '.') {
      at++;
      if (!digit(text.charCodeAt(at))) return wrong('after decimal point in numeric literal');
      while (digit(text.charCodeAt(at))) at++;
    }
    if (text[at] === 'e' || text[at] === 'E') {
      at++;
      if (text[at] === '+' || text[at] === '-') at++;
      if (!digit(text.charCodeAt(at))) return wrong('in exponent of numeric literal');
      while (digit(text.charCodeAt(at))) at++;
    }
    return undefined;
  };
  const key = (): string | undefined => {
    skipSpace();
    if (text[at] !== '"') return wrong('looking for beginning of object key string');
    const error = string();
    if (error) return error;
    skipSpace();
    if (text[at] !== ':') return wrong('after object key');
    at++;
    return undefined;
  };
  for (;;) {
    skipSpace();
    let error: string | undefined;
    if (text[at] === '{' || text[at] === '[') {
      const opened = text[at] === '{' ? 'object' : 'array';
      if (stack.length >= maximumJsonDepth) return wrong('exceeded max depth');
      at++;
      skipSpace();
      if (text[at] !== (opened === 'object' ? '}' : ']')) {
        stack.push(opened);
        error = opened === 'object' ? key() : undefined;
        if (error) return error;
        continue;
      }
      at++;
    } else error = literal();
    if (error) return error;
    for (;;) {
      skipSpace();
      const top = stack.at(-1);
      if (!top) return wrong('after top-level value');
      if (text[at] === ',') {
        at++;
        error = top === 'object' ? key() : undefined;
        if (error) return error;
        break;
      }
      if (text[at] !== (top === 'object' ? '}' : ']')) {
        return wrong(top === 'object' ? 'after object key:value pair' : 'after array element');
      }
      at++;
      stack.pop();
    }
  }
}
