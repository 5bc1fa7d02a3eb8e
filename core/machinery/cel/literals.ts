/** The values of string and bytes literals: source text with prefix and quotes in, content out. */

export class LiteralError extends Error {}

const simpleEscapes: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
  "'": "'",
  '"': '"',
  '`': '`',
  '?': '?',
};

/** Throws LiteralError in upstream's words. */
export function stringContent(text: string): string {
  const { content, isRaw } = unquote(text);
  if (isRaw || !content.includes('\\')) return content;
  let result = '';
  for (let index = 0; index < content.length;) {
    if (content[index] !== '\\') {
      const next = content.indexOf('\\', index);
      const end = next === -1 ? content.length : next;
      result += content.slice(index, end);
      index = end;
      continue;
    }
    const escape = readEscape(content, index);
    if (escape.codePoint === undefined) result += simpleEscapes[content[index + 1]!]!;
    else {
      if (escape.codePoint > 0x10ffff || (escape.codePoint >= 0xd800 && escape.codePoint <= 0xdfff)) {
        throw new LiteralError('invalid unicode code point');
      }
      result += String.fromCodePoint(escape.codePoint);
    }
    index = escape.end;
  }
  return result;
}

/** As stringContent, but escapes with numbers stand for bytes. `text` is without its `b`. */
export function bytesContent(text: string): Uint8Array {
  const { content, isRaw } = unquote(text);
  if (isRaw || !content.includes('\\')) return new Uint8Array(Buffer.from(content, 'utf8'));
  const parts: Buffer[] = [];
  for (let index = 0; index < content.length;) {
    if (content[index] !== '\\') {
      const next = content.indexOf('\\', index);
      const end = next === -1 ? content.length : next;
      parts.push(Buffer.from(content.slice(index, end), 'utf8'));
      index = end;
      continue;
    }
    const kind = content[index + 1]!;
    if (kind === 'u' || kind === 'U') throw new LiteralError('unable to unescape string');
    const escape = readEscape(content, index);
    if (escape.codePoint === undefined) parts.push(Buffer.from(simpleEscapes[kind]!, 'utf8'));
    else parts.push(Buffer.from([escape.codePoint]));
    index = escape.end;
  }
  return new Uint8Array(Buffer.concat(parts));
}

function unquote(text: string): { content: string; isRaw: boolean } {
  const normalized = text.includes('\r') ? text.replace(/\r\n?/g, '\n') : text;
  const isRaw = normalized[0] === 'r' || normalized[0] === 'R';
  const quoted = isRaw ? normalized.slice(1) : normalized;
  const width = quoted.length >= 6 && quoted[0] === quoted[1] && quoted[0] === quoted[2] ? 3 : 1;
  return { content: quoted.slice(width, -width), isRaw };
}

/** The lexer has let only well-formed sequences through. */
function readEscape(content: string, index: number): { codePoint: number | undefined; end: number } {
  const kind = content[index + 1]!;
  const digits = kind === 'x' || kind === 'X' ? 2 : kind === 'u' ? 4 : kind === 'U' ? 8 : 0;
  if (digits > 0) {
    const end = index + 2 + digits;
    return { codePoint: Number.parseInt(content.slice(index + 2, end), 16), end };
  }
  if (kind >= '0' && kind <= '3') {
    return { codePoint: Number.parseInt(content.slice(index + 1, index + 4), 8), end: index + 4 };
  }
  return { codePoint: undefined, end: index + 2 };
}
