import type { Expression, MapEntry, StructField } from './ast.js';
import { call, identifier, invalid, list, literal, map, noOptionals, select, struct } from './ast.js';
import type { Token, TokenKind } from './lexer.js';
import { tokenize } from './lexer.js';
import { bytesContent, LiteralError, stringContent } from './literals.js';
import type { MacroTable } from './macros.js';
import { expandMacro } from './macros.js';
import { parseGoFloat } from '../go-numbers.js';
import type { CelIssues, Offset } from './source.js';
import { codePointCount } from './source.js';
import { explainSyntaxErrors } from './syntax-errors.js';
import { Uint } from './values.js';

export interface ParserOptions {
  readonly macros: MacroTable;
  /** `a.?b`, `a[?b]`, `[?a]`, `{?a: b}`. */
  readonly optionalSyntax: boolean;
  /** Identifiers in backquotes after a dot. */
  readonly escapedIdentifiers: boolean;
}

const maximumCodePoints = 100_000;
const maximumDepth = 250;

const reservedIdentifiers = new Set(
  'as break const continue else for function if import let loop package namespace return var void while'.split(' '),
);

const relationOperators = new Map<TokenKind, string>([
  ['<', '_<_'],
  ['<=', '_<=_'],
  ['>=', '_>=_'],
  ['>', '_>_'],
  ['==', '_==_'],
  ['!=', '_!=_'],
  ['in', '@in'],
]);
const sumOperators = new Map<TokenKind, string>([
  ['+', '_+_'],
  ['-', '_-_'],
]);
const productOperators = new Map<TokenKind, string>([
  ['*', '_*_'],
  ['/', '_/_'],
  ['%', '_%_'],
]);

/** Ends the fast parse; the reasons are worked out from the tokens. */
class SyntaxFailure extends Error {}
class DepthFailure extends Error {}

const maximumInt = (1n << 63n) - 1n;
const maximumUint = (1n << 64n) - 1n;

/** Undefined when anything is wrong with it; why is in the issues. */
export function parseExpression(source: string, options: ParserOptions, issues: CelIssues): Expression | undefined {
  if (source.length > maximumCodePoints) {
    const size = codePointCount(source);
    if (size > maximumCodePoints) {
      issues.report(-1, `expression code point size exceeds limit: size: ${size}, limit ${maximumCodePoints}`);
      return undefined;
    }
  }
  let hasLexicalErrors = false;
  const tokens = tokenize(source, () => {
    hasLexicalErrors = true;
  });
  if (hasLexicalErrors) {
    explainSyntaxErrors(source, issues);
    return undefined;
  }
  const parser = new Parser(source, tokens, options, issues);
  try {
    const expression = parser.parse();
    if (expression.depth > maximumDepth) {
      issues.report(-1, 'max recursion depth exceeded');
      return undefined;
    }
    return issues.isEmpty ? expression : undefined;
  } catch (error) {
    if (error instanceof DepthFailure) issues.report(-1, `expression recursion limit exceeded: ${maximumDepth}`);
    else if (error instanceof SyntaxFailure) explainSyntaxErrors(source, issues);
    else throw error;
    return undefined;
  }
}

class Parser {
  readonly #source: string;
  readonly #tokens: readonly Token[];
  readonly #options: ParserOptions;
  readonly #issues: CelIssues;
  #index = 0;
  #nesting = 0;

  constructor(source: string, tokens: readonly Token[], options: ParserOptions, issues: CelIssues) {
    this.#source = source;
    this.#tokens = tokens;
    this.#options = options;
    this.#issues = issues;
  }

  parse(): Expression {
    const expression = this.#expression();
    this.#expect('EOF');
    return expression;
  }

  get #kind(): TokenKind {
    return this.#tokens[this.#index]!.kind;
  }

  get #offset(): Offset {
    return this.#tokens[this.#index]!.start;
  }

  #text(token: Token): string {
    return this.#source.slice(token.start, token.end);
  }

  #take(): Token {
    return this.#tokens[this.#index++]!;
  }

  #accept(kind: TokenKind): Token | undefined {
    return this.#kind === kind ? this.#take() : undefined;
  }

  #is(kind: TokenKind): boolean {
    return this.#kind === kind;
  }

  #expect(kind: TokenKind): Token {
    if (this.#kind !== kind) throw new SyntaxFailure();
    return this.#take();
  }

  #fail(offset: Offset, message: string): Expression {
    this.#issues.report(offset, message);
    return invalid(offset);
  }

  #call(offset: Offset, functionName: string, args: readonly Expression[], target?: Expression): Expression {
    const expansion = expandMacro(this.#options.macros, { offset, functionName, target, args });
    if (expansion) {
      if ('expression' in expansion) return expansion.expression;
      return this.#fail(expansion.offset, expansion.message);
    }
    return call(offset, functionName, args, target);
  }

  #expression(): Expression {
    if (++this.#nesting > maximumDepth) throw new DepthFailure();
    const condition = this.#logical('||');
    let result = condition;
    if (this.#kind === '?') {
      const { start } = this.#take();
      const truthy = this.#logical('||');
      this.#expect(':');
      const falsy = this.#expression();
      result = this.#call(start, '_?_:_', [condition, truthy, falsy]);
    }
    this.#nesting--;
    return result;
  }

  #logical(operator: '||' | '&&'): Expression {
    const next = (): Expression => (operator === '||' ? this.#logical('&&') : this.#relation());
    const first = next();
    if (this.#kind !== operator) return first;
    const terms = [first];
    const offsets: Offset[] = [];
    while (this.#kind === operator) {
      offsets.push(this.#take().start);
      terms.push(next());
    }
    return balance(operator === '||' ? '_||_' : '_&&_', terms, offsets);
  }

  #relation(): Expression {
    return this.#binary(relationOperators, () => this.#sum());
  }

  #sum(): Expression {
    return this.#binary(sumOperators, () => this.#product());
  }

  #product(): Expression {
    return this.#binary(productOperators, () => this.#unary());
  }

  #binary(operators: ReadonlyMap<TokenKind, string>, operand: () => Expression): Expression {
    let left = operand();
    for (let name = operators.get(this.#kind); name !== undefined; name = operators.get(this.#kind)) {
      const { start } = this.#take();
      left = this.#call(start, name, [left, operand()]);
    }
    return left;
  }

  #unary(): Expression {
    const kind = this.#kind;
    if (kind === '!') return this.#repeated('!', '!_');
    if (kind === '-' && !this.#isNegativeNumber()) return this.#repeated('-', '-_');
    return this.#member();
  }

  #isNegativeNumber(): boolean {
    const next = this.#tokens[this.#index + 1]!.kind;
    return next === 'NUM_INT' || next === 'NUM_FLOAT';
  }

  #repeated(operator: '!' | '-', functionName: string): Expression {
    const { start } = this.#take();
    let count = 1;
    for (; this.#kind === operator && (operator === '!' || this.#tokens[this.#index + 1]!.kind !== 'EOF'); count++) this.#take();
    const operand = this.#member();
    return count % 2 === 0 ? operand : this.#call(start, functionName, [operand]);
  }

  #member(): Expression {
    let operand = this.#primary();
    for (;;) {
      if (this.#kind === '.') {
        const { start } = this.#take();
        operand = this.#selection(operand, start);
      } else if (this.#kind === '[') {
        const { start } = this.#take();
        const optional = this.#accept('?') !== undefined;
        const index = this.#expression();
        this.#expect(']');
        if (optional && !this.#options.optionalSyntax) operand = this.#fail(start, "unsupported syntax '[?'");
        else operand = this.#call(start, optional ? '_[?_]' : '_[_]', [operand, index]);
      } else return operand;
    }
  }

  #selection(operand: Expression, dot: Offset): Expression {
    const optional = this.#accept('?') !== undefined;
    const token = this.#take();
    if (token.kind !== 'IDENTIFIER' && token.kind !== 'ESC_IDENTIFIER') throw new SyntaxFailure();
    if (!optional && token.kind === 'IDENTIFIER' && this.#kind === '(') {
      const { start } = this.#take();
      return this.#call(start, this.#text(token), this.#arguments(), operand);
    }
    const field = this.#fieldName(token);
    if (!optional) return select(dot, operand, field);
    if (!this.#options.optionalSyntax) return this.#fail(dot, "unsupported syntax '.?'");
    return call(dot, '_?._', [operand, literal(token.start, field)]);
  }

  #fieldName(token: Token): string {
    const text = this.#text(token);
    if (token.kind === 'IDENTIFIER') return text;
    if (!this.#options.escapedIdentifiers) this.#issues.report(token.start, "unsupported syntax: '`'");
    return text.slice(1, -1);
  }

  #arguments(): Expression[] {
    const args: Expression[] = [];
    if (this.#kind !== ')') {
      do args.push(this.#expression());
      while (this.#accept(','));
    }
    this.#expect(')');
    return args;
  }

  #primary(): Expression {
    const token = this.#tokens[this.#index]!;
    switch (token.kind) {
      case '.':
      case 'IDENTIFIER':
        return this.#name();
      case '(': {
        this.#take();
        const expression = this.#expression();
        this.#expect(')');
        return expression;
      }
      case '[':
        return this.#list();
      case '{':
        return this.#map();
      case '-': {
        this.#take();
        return this.#number(token.start, true);
      }
      case 'NUM_INT':
      case 'NUM_UINT':
      case 'NUM_FLOAT':
        return this.#number(token.start, false);
      case 'STRING':
      case 'BYTES':
        this.#take();
        return this.#string(token);
      case 'true':
      case 'false':
        this.#take();
        return literal(token.start, token.kind === 'true');
      case 'null':
        this.#take();
        return literal(token.start, null);
      default:
        throw new SyntaxFailure();
    }
  }

  #name(): Expression {
    const first = this.#offset;
    const dot = this.#accept('.') ? '.' : '';
    const token = this.#expect('IDENTIFIER');
    const text = this.#text(token);
    if (this.#kind === '{' || this.#kind === '.') {
      const end = this.#endOfTypeName();
      if (end !== undefined) return this.#struct(dot + text, end);
    }
    const isCall = this.#kind === '(';
    const open = isCall ? this.#take() : token;
    const args = isCall ? this.#arguments() : [];
    if (reservedIdentifiers.has(text)) return this.#fail(first, `reserved identifier: ${text}`);
    return isCall ? this.#call(open.start, dot + text, args) : identifier(token.start, dot + text);
  }

  /** The index of the brace, when names and dots lead to one. */
  #endOfTypeName(): number | undefined {
    let index = this.#index;
    while (this.#tokens[index]!.kind === '.' && this.#tokens[index + 1]!.kind === 'IDENTIFIER') index += 2;
    return this.#tokens[index]!.kind === '{' ? index : undefined;
  }

  #struct(start: string, brace: number): Expression {
    let typeName = start;
    for (; this.#index < brace; this.#index += 2) typeName += `.${this.#text(this.#tokens[this.#index + 1]!)}`;
    const { start: offset } = this.#take();
    const fields: StructField[] = [];
    while (!this.#is('}') && !this.#is(',')) {
      const mark = this.#accept('?');
      const token = this.#take();
      if (token.kind !== 'IDENTIFIER' && token.kind !== 'ESC_IDENTIFIER') throw new SyntaxFailure();
      if (mark && !this.#options.optionalSyntax) this.#issues.report(mark.start, "unsupported syntax '?'");
      const name = this.#fieldName(token);
      const colon = this.#expect(':');
      fields.push({ offset: colon.start, name, value: this.#expression(), optional: mark !== undefined });
      if (this.#kind !== ',' || this.#tokens[this.#index + 1]!.kind === '}') break;
      this.#take();
      if (this.#is(',')) throw new SyntaxFailure();
    }
    this.#accept(',');
    this.#expect('}');
    return struct(offset, typeName, fields);
  }

  #list(): Expression {
    const { start } = this.#take();
    const elements: Expression[] = [];
    let optionals: Set<number> | undefined;
    while (!this.#is(']') && !this.#is(',')) {
      if (this.#optionalMark()) (optionals ??= new Set()).add(elements.length);
      elements.push(this.#expression());
      if (this.#kind !== ',' || this.#tokens[this.#index + 1]!.kind === ']') break;
      this.#take();
      if (this.#is(',')) throw new SyntaxFailure();
    }
    this.#accept(',');
    this.#expect(']');
    return list(start, elements, optionals ?? noOptionals);
  }

  #map(): Expression {
    const { start } = this.#take();
    const entries: MapEntry[] = [];
    while (!this.#is('}') && !this.#is(',')) {
      const optional = this.#optionalMark();
      const key = this.#expression();
      this.#expect(':');
      entries.push({ key, value: this.#expression(), optional });
      if (this.#kind !== ',' || this.#tokens[this.#index + 1]!.kind === '}') break;
      this.#take();
      if (this.#is(',')) throw new SyntaxFailure();
    }
    this.#accept(',');
    this.#expect('}');
    return map(start, entries);
  }

  #optionalMark(): boolean {
    const mark = this.#accept('?');
    if (mark && !this.#options.optionalSyntax) this.#issues.report(mark.start, "unsupported syntax '?'");
    return mark !== undefined;
  }

  #number(start: Offset, isNegative: boolean): Expression {
    const token = this.#take();
    const text = this.#text(token);
    switch (token.kind) {
      case 'NUM_INT': {
        const value = isNegative ? -BigInt(text) : BigInt(text);
        if (value > maximumInt || value < -maximumInt - 1n) return this.#fail(start, 'invalid int literal');
        return literal(start, value);
      }
      case 'NUM_UINT': {
        const value = BigInt(text.slice(0, -1));
        return value > maximumUint ? this.#fail(start, 'invalid uint literal') : literal(start, new Uint(value));
      }
      case 'NUM_FLOAT': {
        const value = parseGoFloat(isNegative ? `-${text}` : text);
        return value === undefined ? this.#fail(start, 'invalid double literal') : literal(start, value);
      }
      default:
        throw new SyntaxFailure();
    }
  }

  #string(token: Token): Expression {
    const text = this.#text(token);
    try {
      return literal(token.start, token.kind === 'BYTES' ? bytesContent(text.slice(1)) : stringContent(text));
    } catch (error) {
      if (error instanceof LiteralError) return this.#fail(token.start, error.message);
      throw error;
    }
  }
}

/** A balanced tree, as cel-go builds it, so that long chains are not deep. */
function balance(functionName: string, terms: readonly Expression[], offsets: readonly Offset[]): Expression {
  const build = (low: number, high: number): Expression => {
    const middle = Math.trunc((low + high + 1) / 2);
    const left = middle === low ? terms[middle]! : build(low, middle - 1);
    const right = middle === high ? terms[middle + 1]! : build(middle + 1, high);
    return call(offsets[middle]!, functionName, [left, right]);
  };
  return build(0, offsets.length - 1);
}
