/**
 * What is wrong with a template of JSONPath (`{.spec.name}`), in the words of client-go util/jsonpath; undefined for a good one.
 * For what is only checked and never followed: it lets through more than `JsonPath` can follow.
 */
export function jsonPathFault(template: string): string | undefined {
  try {
    new SyntaxReader(template).text();
    return undefined;
  } catch (error) {
    if (error instanceof SyntaxFault) return error.message;
    throw error;
  }
}

class SyntaxFault extends Error {}

const terminators = new Set(['', '.', ',', '[', ']', '$', '@', '{', '}', ' ', '\t', '\r', '\n']);

class SyntaxReader {
  /** By characters, not by halves of them. */
  readonly #input: readonly string[];
  #at = 0;

  constructor(text: string) {
    this.#input = [...text];
  }

  /** Text around actions in braces. */
  text(): void {
    while (this.#at < this.#input.length) if (this.#next() === '{') this.#action();
  }

  /** '' at the end. */
  #next(): string {
    return this.#input[this.#at++] ?? '';
  }

  get #rest(): string {
    return this.#input.slice(this.#at, this.#at + 3).join('');
  }

  #action(): void {
    let isAfterDescent = false;
    for (;;) {
      const wasAfterDescent: boolean = isAfterDescent;
      isAfterDescent = false;
      if (this.#rest.startsWith('}')) return void this.#at++;
      if (this.#rest === '[?(') {
        this.#at += 3;
        this.#filter();
        continue;
      }
      if (this.#rest.startsWith('..')) {
        if (wasAfterDescent) throw new SyntaxFault('invalid multiple recursive descent');
        this.#at += 2;
        if (/[\p{L}\p{Nd}_]/u.test(this.#input[this.#at] ?? '')) this.#field();
        else isAfterDescent = true;
        continue;
      }
      const character = this.#next();
      if (character === '' || character === '\r' || character === '\n') throw new SyntaxFault('unclosed action');
      if (' @$'.includes(character)) isAfterDescent = wasAfterDescent;
      else if (character === '[') this.#array();
      else if (character === '"' || character === "'") this.#quoted(character);
      else if (character === '.') this.#field();
      else if (/[-+\p{Nd}]/u.test(character)) this.#number(character);
      else if (/[\p{L}_]/u.test(character)) while (!terminators.has(this.#input[this.#at] ?? '')) this.#at++;
      else throw new SyntaxFault(`unrecognized character in action: ${goCharacter(character)}`);
    }
  }

  #field(): void {
    for (let next = this.#next(); !terminators.has(next); next = this.#next()) if (next === '\\') this.#at++;
    this.#at--;
  }

  #number(first: string): void {
    let text = first;
    while (/[.\p{Nd}]/u.test(this.#input[this.#at] ?? '')) text += this.#next();
    if (!/^[-+]?(\d+\.?\d*|\.\d+)$/.test(text)) throw new SyntaxFault(`cannot parse number ${text}`);
  }

  #array(): void {
    const start = this.#at;
    for (let next = this.#next(); next !== ']'; next = this.#next())
      if (next === '' || next === '\n') throw new SyntaxFault('unterminated array');
    const text = this.#input.slice(start, this.#at - 1).join('');
    const parts = text.split(',');
    if (parts.length > 1) {
      for (const part of parts) inner(`[${part.replace(/^ +| +$/g, '')}]`);
      return;
    }
    const key = /^'([^']*)'$/s.exec(text);
    if (key) inner(`.${key[1]}`);
    else if (text !== '*' && !/^-?\d*(:-?\d*)?(:-?\d*)?$/.test(text)) throw new SyntaxFault(`invalid array index ${text}`);
    else for (const bound of text.split(':')) if (bound === '-') throw new SyntaxFault('array index - is not a number');
  }

  #filter(): void {
    const start = this.#at;
    let pair = '';
    let isClosed = false;
    for (;;) {
      const next = this.#next();
      if (next === '' || next === '\n') throw new SyntaxFault('unterminated filter');
      if (next === '"' || next === "'") {
        if (!pair) pair = next;
        else if (this.#input[this.#at - 2] !== '\\' && next === pair) isClosed = true;
      } else if (next === ')' && (pair !== '') === isClosed) break;
    }
    const text = this.#input.slice(start, this.#at - 1).join('');
    if (this.#next() !== ']') throw new SyntaxFault('unclosed array expect ]');
    const sides = /^([^!<>=]+)([!<>=]+)(.+)$/.exec(text);
    for (const side of sides ? [sides[1]!, sides[3]!] : [text]) inner(side);
  }

  #quoted(end: string): void {
    const start = this.#at - 1;
    for (let next = this.#next(); next !== end || this.#input[this.#at - 2] === '\\'; next = this.#next())
      if (next === '' || next === '\n') throw new SyntaxFault('unterminated quoted string');
    const text = this.#input.slice(start, this.#at).join('');
    const escape = /\\(?![abfnrtv\\"']|x[\da-f]{2}|u[\da-f]{4}|U[\da-f]{8}|[0-7]{3})/i;
    if (escape.test(text.slice(1, -1).replace(/\\\\/g, ''))) throw new SyntaxFault(`unquote string ${text} error invalid syntax`);
  }
}

function inner(text: string): void {
  new SyntaxReader(`{${text}}`).text();
}

/** Go's %#U. */
function goCharacter(character: string): string {
  return `U+${character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')} '${character}'`;
}
