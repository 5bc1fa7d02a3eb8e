import { CodedError } from '../base/errors.js';
import { isJsonObject } from './object.js';

/**
 * JSONPath as kubectl and printer columns have it, without text around it: `.a.b`, `['a.b']`, `[0]`, `[-1]`, `[1:3]`, `[*]`, `..a`,
 * `[?(@.type=="Ready")]`, `[0,2]`. Source: client-go util/jsonpath; the Kubernetes documentation, "JSONPath Support".
 */
export class JsonPath {
  readonly #steps: readonly Step[];

  /** Throws JSON_PATH_SYNTAX. */
  constructor(text: string) {
    this.#steps = new Parser(text).path();
  }

  /** All values that it leads to. What is missing leads to none. */
  find(value: unknown): unknown[] {
    return walk([value], this.#steps);
  }
}

type Step =
  | { readonly kind: 'field'; readonly name: string }
  | { readonly kind: 'index'; readonly index: number }
  | { readonly kind: 'slice'; readonly from?: number | undefined; readonly to?: number | undefined; readonly by: number }
  | { readonly kind: 'all' }
  | { readonly kind: 'descend' }
  | { readonly kind: 'union'; readonly steps: readonly Step[] }
  | { readonly kind: 'filter'; readonly left: Operand; readonly operator: string; readonly right: Operand | undefined };

type Operand = { readonly steps: readonly Step[] } | { readonly literal: unknown };

function walk(values: readonly unknown[], steps: readonly Step[]): unknown[] {
  let current = [...values];
  for (const step of steps) current = current.flatMap(value => apply(value, step));
  return current;
}

function apply(value: unknown, step: Step): unknown[] {
  switch (step.kind) {
    case 'field':
      return isJsonObject(value) && Object.hasOwn(value, step.name) ? [value[step.name]] : [];
    case 'index': {
      if (!Array.isArray(value)) return [];
      const at = step.index < 0 ? value.length + step.index : step.index;
      return at >= 0 && at < value.length ? [value[at]] : [];
    }
    case 'slice':
      return Array.isArray(value) ? sliced(value, step) : [];
    case 'all':
      return membersOf(value);
    case 'descend':
      return [value, ...membersOf(value).flatMap(member => apply(member, step))];
    case 'union':
      return step.steps.flatMap(part => apply(value, part));
    case 'filter':
      return Array.isArray(value) ? value.filter(item => holds(item, step)) : [];
  }
}

function membersOf(value: unknown): unknown[] {
  if (Array.isArray(value)) return value;
  return isJsonObject(value) ? Object.values(value) : [];
}

function sliced(list: readonly unknown[], { from, to, by }: Step & { kind: 'slice' }): unknown[] {
  const bound = (at: number): number => Math.min(list.length, Math.max(0, at < 0 ? list.length + at : at));
  const [start, end] = [bound(from ?? 0), bound(to ?? list.length)];
  const found: unknown[] = [];
  for (let at = start; at < end; at += by) found.push(list[at]);
  return found;
}

function holds(item: unknown, { left, operator, right }: Step & { kind: 'filter' }): boolean {
  const found = 'steps' in left ? walk([item], left.steps) : [left.literal];
  if (!right) return found.length > 0;
  const other = 'steps' in right ? walk([item], right.steps) : [right.literal];
  if (found.length !== 1 || other.length !== 1) return false;
  const [a, b] = [found[0], other[0]];
  if (operator === '==') return a === b;
  if (operator === '!=') return a !== b;
  if (typeof a !== typeof b || (typeof a !== 'number' && typeof a !== 'string')) return false;
  const order = a < (b as typeof a) ? -1 : a === b ? 0 : 1;
  if (operator === '<') return order < 0;
  if (operator === '<=') return order <= 0;
  return operator === '>' ? order > 0 : order >= 0;
}

class Parser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  path(): Step[] {
    const steps = this.#steps(() => this.#at >= this.#text.length);
    if (this.#at < this.#text.length) throw this.#fault();
    return steps;
  }

  #steps(isOver: () => boolean): Step[] {
    const steps: Step[] = [];
    if ('$@'.includes(this.#peek || ' ')) this.#at++;
    while (!isOver()) {
      if (this.#peek === '.') this.#dotted(steps);
      else if (this.#peek === '[') steps.push(this.#bracket());
      // The first name may stand without a dot.
      else if (steps.length === 0 && /[\w\\-]/.test(this.#peek)) steps.push({ kind: 'field', name: this.#name() });
      else break;
    }
    return steps;
  }

  get #peek(): string {
    return this.#text[this.#at] ?? '';
  }

  #dotted(steps: Step[]): void {
    this.#at++;
    if (this.#peek === '.') {
      steps.push({ kind: 'descend' });
      this.#at++;
    }
    if (this.#peek === '*') {
      this.#at++;
      steps.push({ kind: 'all' });
    } else if (this.#peek !== '[' && this.#peek !== '') steps.push({ kind: 'field', name: this.#name() });
  }

  /** A backslash takes the meaning from what follows. */
  #name(): string {
    let name = '';
    for (; this.#at < this.#text.length && !/[.[\]\s|()=!<>,{}]/.test(this.#peek); this.#at++) {
      if (this.#peek === '\\') this.#at++;
      name += this.#peek;
    }
    if (name === '') throw this.#fault();
    return name;
  }

  #bracket(): Step {
    this.#at++;
    if (this.#text.startsWith('?(', this.#at)) return this.#filter();
    const end = this.#closing();
    const text = this.#text.slice(this.#at, end).trim();
    this.#at = end + 1;
    const parts = splitUnion(text);
    if (parts.length > 1) return { kind: 'union', steps: parts.map(part => this.#subscript(part.trim())) };
    return this.#subscript(text);
  }

  /** Where the bracket ends, past brackets in quotes. */
  #closing(): number {
    let quoted = '';
    for (let at = this.#at; at < this.#text.length; at++) {
      const character = this.#text[at]!;
      if (quoted) {
        if (character === quoted) quoted = '';
      } else if (character === "'" || character === '"') quoted = character;
      else if (character === ']') return at;
    }
    throw new CodedError('JSON_PATH_SYNTAX', 'unterminated array');
  }

  #subscript(text: string): Step {
    if (text === '*') return { kind: 'all' };
    const quoted = /^(['"])(.*)\1$/s.exec(text);
    if (quoted) return { kind: 'field', name: quoted[2]!.replace(/\\(.)/g, '$1') };
    if (/^-?\d+$/.test(text)) return { kind: 'index', index: Number(text) };
    const range = /^(-?\d*):(-?\d*)(?::(\d+))?$/.exec(text);
    if (!range) throw new CodedError('JSON_PATH_SYNTAX', `invalid array index ${text}`);
    const [, from = '', to = '', by] = range;
    const bound = (word: string): number | undefined => (word === '' ? undefined : Number(word));
    return { kind: 'slice', from: bound(from), to: bound(to), by: Math.max(1, Number(by ?? 1)) };
  }

  #filter(): Step {
    this.#at += 2;
    const left = this.#operand();
    this.#space();
    const operator = /^(==|!=|<=|>=|<|>)/.exec(this.#text.slice(this.#at))?.[0] ?? '';
    this.#at += operator.length;
    const right = operator ? this.#operand() : undefined;
    this.#space();
    if (!this.#text.startsWith(')]', this.#at)) throw new CodedError('JSON_PATH_SYNTAX', 'unterminated filter');
    this.#at += 2;
    return { kind: 'filter', left, operator, right };
  }

  #operand(): Operand {
    this.#space();
    const rest = this.#text.slice(this.#at);
    if (rest.startsWith('@')) return { steps: this.#steps(() => ' )=!<>'.includes(this.#peek || ')')) };
    const quoted = /^(['"])((?:\\.|(?!\1).)*)\1/s.exec(rest);
    const word = quoted?.[0] ?? /^[^\s)=!<>]+/.exec(rest)?.[0];
    if (word === undefined) throw this.#fault();
    this.#at += word.length;
    if (quoted) return { literal: quoted[2]!.replace(/\\(.)/g, '$1') };
    if (word === 'true' || word === 'false') return { literal: word === 'true' };
    if (/^-?\d+(\.\d+)?$/.test(word)) return { literal: Number(word) };
    throw this.#fault();
  }

  #space(): void {
    while (this.#peek === ' ') this.#at++;
  }

  #fault(): CodedError {
    return new CodedError('JSON_PATH_SYNTAX', `unrecognized character in ${JSON.stringify(this.#text)} at ${this.#at}`);
  }
}

function splitUnion(text: string): string[] {
  return text.match(/'[^']*'|"[^"]*"|[^,]+/g)?.filter(part => part.trim() !== '') ?? [text];
}
