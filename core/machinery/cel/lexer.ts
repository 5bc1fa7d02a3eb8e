import type { Offset } from './source.js';

/** Kinds in the order of cel-go's grammar, since sets of expected tokens are printed in that order. */
export const tokenKinds = [
  '==',
  '!=',
  'in',
  '<',
  '<=',
  '>=',
  '>',
  '&&',
  '||',
  '[',
  ']',
  '{',
  '}',
  '(',
  ')',
  '.',
  ',',
  '-',
  '!',
  '?',
  ':',
  '+',
  '*',
  '/',
  '%',
  'true',
  'false',
  'null',
  'NUM_FLOAT',
  'NUM_INT',
  'NUM_UINT',
  'STRING',
  'BYTES',
  'IDENTIFIER',
  'ESC_IDENTIFIER',
  'EOF',
] as const;

export type TokenKind = (typeof tokenKinds)[number];

export interface Token {
  readonly kind: TokenKind;
  readonly start: Offset;
  readonly end: Offset;
}

/** Where the text is no token; `text` is what was read of it. */
export interface LexicalError {
  readonly offset: Offset;
  readonly text: string;
}

const punctuation = new Map<string, TokenKind>(
  (['[', ']', '{', '}', '(', ')', ',', '-', '?', ':', '+', '*', '%'] as const).map(text => [text, text]),
);
const keywords = new Map<string, TokenKind>([
  ['in', 'in'],
  ['true', 'true'],
  ['false', 'false'],
  ['null', 'null'],
]);

const identifierPattern = /[A-Za-z_][A-Za-z0-9_]*/y;
const escapedIdentifierPattern = /`[A-Za-z0-9_./ -]+`/y;
const escapedIdentifierStart = /`[A-Za-z0-9_./ -]*/y;
const numberPattern =
  /(?:0x[0-9a-fA-F]+[uU]?)|(?:(?:[0-9]+\.[0-9]+|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+)|[0-9]+[uU]?/y;

/** Splits the text; the last token is EOF. Text that is no token is skipped and reported. */
export function tokenize(source: string, onError: (error: LexicalError) => void): Token[] {
  const tokens: Token[] = [];
  let index = 0;
  const add = (kind: TokenKind, end: Offset): void => {
    tokens.push({ kind, start: index, end });
    index = end;
  };
  const fail = (end: Offset): void => {
    onError({ offset: index, text: source.slice(index, end) });
    index = end;
  };
  while (index < source.length) {
    const character = source[index]!;
    const code = source.charCodeAt(index);
    if (character === ' ' || character === '\n' || character === '\t' || character === '\r' || character === '\f') {
      index++;
      continue;
    }
    if (isIdentifierStart(code)) {
      if (isStringPrefix(source, index)) {
        const string = readString(source, index);
        if (string.end !== undefined) {
          add(string.isBytes ? 'BYTES' : 'STRING', string.end);
          continue;
        }
      }
      identifierPattern.lastIndex = index;
      const text = identifierPattern.exec(source)![0];
      add(keywords.get(text) ?? 'IDENTIFIER', index + text.length);
      continue;
    }
    if (character === '"' || character === "'") {
      const string = readString(source, index);
      if (string.end === undefined) fail(string.failedAt);
      else add('STRING', string.end);
      continue;
    }
    if ((code >= 48 && code <= 57) || (character === '.' && isDigit(source.charCodeAt(index + 1)))) {
      numberPattern.lastIndex = index;
      const text = numberPattern.exec(source)![0];
      add(numberKind(text), index + text.length);
      continue;
    }
    const simple = punctuation.get(character);
    if (simple) {
      add(simple, index + 1);
      continue;
    }
    const next = source[index + 1];
    if (character === '.') add('.', index + 1);
    else if (character === '/') {
      if (next === '/') {
        const end = source.indexOf('\n', index);
        index = end === -1 ? source.length : end;
      } else add('/', index + 1);
    } else if (character === '!') {
      if (next === '=') add('!=', index + 2);
      else add('!', index + 1);
    } else if (character === '<') {
      if (next === '=') add('<=', index + 2);
      else add('<', index + 1);
    } else if (character === '>') {
      if (next === '=') add('>=', index + 2);
      else add('>', index + 1);
    } else if (character === '=' || character === '&' || character === '|') {
      if (next === character) add((character + character) as TokenKind, index + 2);
      else fail(endOfCodePoint(source, index + 1));
    } else if (character === '`') {
      escapedIdentifierPattern.lastIndex = index;
      const match = escapedIdentifierPattern.exec(source);
      if (match) add('ESC_IDENTIFIER', index + match[0].length);
      else {
        escapedIdentifierStart.lastIndex = index;
        fail(endOfCodePoint(source, index + escapedIdentifierStart.exec(source)![0].length));
      }
    } else fail(endOfCodePoint(source, index));
  }
  tokens.push({ kind: 'EOF', start: source.length, end: source.length });
  return tokens;
}

function numberKind(text: string): TokenKind {
  const last = text.at(-1)!;
  if (last === 'u' || last === 'U') return 'NUM_UINT';
  return text.startsWith('0x') || /^[0-9]+$/.test(text) ? 'NUM_INT' : 'NUM_FLOAT';
}

function isIdentifierStart(code: number): boolean {
  return (code >= 97 && code <= 122) || (code >= 65 && code <= 90) || code === 95;
}

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57;
}

function endOfCodePoint(source: string, index: number): number {
  if (index >= source.length) return source.length;
  return index + (source.codePointAt(index)! > 0xffff ? 2 : 1);
}

function isStringPrefix(source: string, index: number): boolean {
  return /[rR]?["']|[bB][rR]?["']/y.test(source.slice(index, index + 3)) && !isQuote(source[index]);
}

function isQuote(character: string | undefined): boolean {
  return character === '"' || character === "'";
}

interface StringScan {
  readonly isBytes: boolean;
  /** Undefined for no string. */
  readonly end: Offset | undefined;
  /** Just after the character that can't be part of it. */
  readonly failedAt: Offset;
}

/** From a prefix or a quote on. A triple quote that is never closed is an empty string before another one. */
function readString(source: string, start: Offset): StringScan {
  let index = start;
  const isBytes = source[index] === 'b' || source[index] === 'B';
  if (isBytes) index++;
  const isRaw = source[index] === 'r' || source[index] === 'R';
  if (isRaw) index++;
  const quote = source[index]!;
  const triple = quote.repeat(3);
  if (source.startsWith(triple, index)) {
    const scan = scanString(source, index + 3, { close: triple, isRaw, multiline: true });
    return { isBytes, end: scan.end ?? index + 2, failedAt: scan.failedAt };
  }
  const scan = scanString(source, index + 1, { close: quote, isRaw, multiline: false });
  return { isBytes, ...scan };
}

interface ScanOptions {
  readonly close: string;
  readonly isRaw: boolean;
  readonly multiline: boolean;
}

const escapePattern = /\\(?:[abfnrtv"'\\?`]|[xX][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-3][0-7]{2})/y;

function scanString(source: string, start: Offset, options: ScanOptions): { end: Offset | undefined; failedAt: Offset } {
  let index = start;
  while (index < source.length) {
    if (source.startsWith(options.close, index)) return { end: index + options.close.length, failedAt: index };
    const character = source[index]!;
    if (!options.multiline && (character === '\n' || character === '\r')) return { end: undefined, failedAt: index + 1 };
    if (character === '\\' && !options.isRaw) {
      escapePattern.lastIndex = index;
      const match = escapePattern.exec(source);
      if (!match) return { end: undefined, failedAt: endOfBadEscape(source, index) };
      index += match[0].length;
    } else index++;
  }
  return { end: undefined, failedAt: source.length };
}

/** Just after the first character that no escape sequence may have there. */
function endOfBadEscape(source: string, index: Offset): Offset {
  const kind = source[index + 1];
  const digits = kind === 'x' || kind === 'X' ? 2 : kind === 'u' ? 4 : kind === 'U' ? 8 : 0;
  if (digits > 0) {
    let position = index + 2;
    while (position < index + 2 + digits && /[0-9a-fA-F]/.test(source[position] ?? '')) position++;
    return endOfCodePoint(source, position);
  }
  if (kind !== undefined && kind >= '0' && kind <= '3') {
    const position = /[0-7]/.test(source[index + 2] ?? '') ? index + 3 : index + 2;
    return endOfCodePoint(source, position);
  }
  return endOfCodePoint(source, index + 1);
}
