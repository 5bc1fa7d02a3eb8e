import type { LexicalError, Token, TokenKind } from './lexer.js';
import { tokenize, tokenKinds } from './lexer.js';
import type { CelIssues, Offset } from './source.js';

/**
 * Why a text is no expression, in the words of the parser that ANTLR makes for cel-go: it goes on after an error where it
 * can, and says what it expected. This follows that parser rule by rule, so it is only asked when the fast one has failed.
 */
export function explainSyntaxErrors(source: string, issues: CelIssues): void {
  const report = new Reporter(issues);
  try {
    const tokens = tokenize(source, error => report.lexical(error));
    new Explainer(source, tokens, report).start();
  } catch (error) {
    if (!(error instanceof Abandoned)) throw error;
    if (error.message !== '') issues.report(-1, error.message);
  }
}

/** Ends it, with a message of its own or after the last one. */
class Abandoned extends Error {}

const maximumReports = 100;
const maximumRecoveries = 30;
const maximumSkippedTokens = 256;
const maximumDepth = 250;

function visible(text: string): string {
  return text.replaceAll('\t', '\\t').replaceAll('\n', '\\n').replaceAll('\r', '\\r');
}

class Reporter {
  #count = 0;

  constructor(readonly issues: CelIssues) {}

  /** What of the text is no token. */
  readonly skipped: LexicalError[] = [];

  lexical(error: LexicalError): void {
    this.skipped.push(error);
    this.syntax(error.offset, `token recognition error at: '${error.text}'`);
  }

  syntax(offset: Offset, message: string): void {
    if (this.#count >= maximumReports) {
      this.issues.report(offset, `Syntax error: More than ${maximumReports} syntax errors`);
      throw new Abandoned('');
    }
    this.#count++;
    this.issues.report(offset, `Syntax error: ${message}`);
  }
}

/** Tokens that may come next; `ends` if the rule may be over too. */
interface Next {
  readonly kinds: ReadonlySet<TokenKind>;
  readonly ends: boolean;
}

function next(...kinds: TokenKind[]): Next {
  return { kinds: new Set(kinds), ends: false };
}

function orEnd(...kinds: TokenKind[]): Next {
  return { kinds: new Set(kinds), ends: true };
}

const literalStart: readonly TokenKind[] = [
  ...(['-', 'true', 'false', 'null'] as const),
  ...(['NUM_FLOAT', 'NUM_INT', 'NUM_UINT', 'STRING', 'BYTES'] as const),
];
const primaryStart: readonly TokenKind[] = ['[', '{', '(', '.', 'IDENTIFIER', ...literalStart];
const expressionStart: readonly TokenKind[] = ['!', ...primaryStart];
const elementStart: readonly TokenKind[] = ['?', ...expressionStart];
const fieldStart: readonly TokenKind[] = ['?', 'IDENTIFIER', 'ESC_IDENTIFIER'];
const relations: readonly TokenKind[] = ['<', '<=', '>=', '>', '==', '!=', 'in'];
const products: readonly TokenKind[] = ['*', '/', '%'];
const sums: readonly TokenKind[] = ['+', '-'];

/** The rule can't go on. */
class Misfit extends Error {}

class Explainer {
  readonly #source: string;
  readonly #tokens: readonly Token[];
  readonly #report: Reporter;
  #index = 0;
  /** What may follow each rule that is being read, outermost first. */
  readonly #context: Next[] = [];
  #recovering = false;
  #recoveries = 0;
  #depth = 0;
  #state = '';
  #lastErrorIndex = -1;
  readonly #lastErrorStates = new Set<string>();

  constructor(source: string, tokens: readonly Token[], report: Reporter) {
    this.#source = source;
    this.#tokens = tokens;
    this.#report = report;
  }

  start(): void {
    this.#rule(orEnd(), () => {
      this.#expression(next('EOF'));
      this.#match('EOF', orEnd());
    });
  }

  #ahead(distance = 0): Token {
    return this.#tokens[Math.min(this.#index + distance, this.#tokens.length - 1)]!;
  }

  get #kind(): TokenKind {
    return this.#ahead().kind;
  }

  #consume(): void {
    if (this.#kind !== 'EOF') this.#index++;
  }

  #shown(token: Token): string {
    return token.kind === 'EOF' ? "'<EOF>'" : `'${visible(this.#source.slice(token.start, token.end))}'`;
  }

  /** With what the rules around allow, where this one may be over. */
  #expected({ kinds, ends }: Next): ReadonlySet<TokenKind> {
    const all = new Set(kinds);
    for (let depth = this.#context.length - 1; ends && depth >= 0; depth--) {
      const around = this.#context[depth]!;
      for (const kind of around.kinds) all.add(kind);
      ends = around.ends;
    }
    if (ends) all.add('EOF');
    return all;
  }

  /** One rule; an error in it is reported and left behind as far as what may follow. */
  #rule(follow: Next, body: () => void): void {
    this.#context.push(follow);
    try {
      body();
    } catch (error) {
      if (!(error instanceof Misfit)) throw error;
      if (!this.#recovering) {
        this.#recovering = true;
        this.#report.syntax(this.#ahead(this.#misfitDistance).start, error.message);
      }
      this.#misfitDistance = 0;
      this.#recover();
    } finally {
      this.#context.pop();
    }
  }

  /** How far ahead of the current token the one is that did not fit. */
  #misfitDistance = 0;

  #mismatch(expected: Next): Misfit {
    return new Misfit(`mismatched input ${this.#shown(this.#ahead())} expecting ${format(this.#expected(expected))}`);
  }

  /** None of several ways on, of which some were good as far as `distance` tokens ahead. */
  #noWay(distance: number): Misfit {
    this.#misfitDistance = distance;
    const bad = this.#ahead(distance);
    const shown = this.#kind === 'EOF' ? '<EOF>' : visible(this.#tokenText(this.#ahead().start, bad.end));
    const word = /^.(true|false|null)$/.exec(shown);
    if (word) return new Misfit(`mismatched input '${word[1]}' expecting IDENTIFIER`);
    return new Misfit(`no viable alternative at input '${shown}'`);
  }

  /** Without what is no token. */
  #tokenText(start: Offset, end: Offset): string {
    let result = '';
    let from = start;
    for (const { offset, text } of this.#report.skipped) {
      if (offset < start || offset >= end) continue;
      result += this.#source.slice(from, offset);
      from = offset + text.length;
    }
    return result + this.#source.slice(from, end);
  }

  #countRecovery(): void {
    if (this.#recoveries === maximumRecoveries) {
      this.#report.syntax(this.#ahead().start, `error recovery attempt limit exceeded: ${maximumRecoveries}`);
      throw new Abandoned('');
    }
    this.#recoveries++;
  }

  #recover(): void {
    this.#countRecovery();
    let skipped = 0;
    const skip = (): void => {
      if (skipped++ >= maximumSkippedTokens) {
        throw new Abandoned(`error recovery token lookahead limit exceeded: ${maximumSkippedTokens}`);
      }
      this.#consume();
    };
    if (this.#lastErrorIndex === this.#index && this.#lastErrorStates.has(this.#state)) skip();
    this.#lastErrorIndex = this.#index;
    this.#lastErrorStates.add(this.#state);
    const follow = this.#recoverySet();
    while (this.#kind !== 'EOF' && !follow.has(this.#kind)) skip();
  }

  #recoverySet(): ReadonlySet<TokenKind> {
    // The outermost rule was called by nobody.
    return new Set(this.#context.slice(1).flatMap(({ kinds }) => [...kinds]));
  }

  #unwanted(expected: Next): void {
    if (this.#recovering) return;
    this.#recovering = true;
    const message = `extraneous input ${this.#shown(this.#ahead())} expecting ${format(this.#expected(expected))}`;
    this.#report.syntax(this.#ahead().start, message);
  }

  /** If only the current token is too much: without it. */
  #dropped(expected: Next): boolean {
    if (!this.#expected(expected).has(this.#ahead(1).kind)) return false;
    this.#unwanted(expected);
    this.#consume();
    this.#recovering = false;
    return true;
  }

  #match(kind: TokenKind, after: Next): void {
    this.#state = `${kind} before ${[...after.kinds].join(' ')}`;
    if (this.#kind === kind) {
      this.#recovering = false;
      this.#consume();
      return;
    }
    this.#countRecovery();
    const expected = next(kind);
    if (this.#dropped(expected)) {
      this.#consume();
      return;
    }
    if (!this.#expected(after).has(this.#kind)) throw this.#mismatch(expected);
    if (this.#recovering) return;
    this.#recovering = true;
    this.#report.syntax(this.#ahead().start, `missing ${format(new Set([kind]))} at ${this.#shown(this.#ahead())}`);
  }

  #accept(kind: TokenKind, after: Next): boolean {
    if (this.#kind !== kind) return false;
    this.#match(kind, after);
    return true;
  }

  /** Before a choice: an unfit token is dropped if what comes after it fits. */
  #sync(state: string, allowed: Next): void {
    this.#state = state;
    if (this.#recovering || allowed.ends || allowed.kinds.has(this.#kind)) return;
    if (!this.#dropped(allowed)) throw this.#mismatch(allowed);
  }

  /** Between the rounds of a loop: tokens are skipped until one fits. */
  #syncLoop(state: string, allowed: Next): void {
    this.#state = state;
    if (this.#recovering || allowed.ends || allowed.kinds.has(this.#kind)) return;
    this.#unwanted(allowed);
    const follow = new Set([...this.#expected(allowed), ...this.#recoverySet()]);
    while (this.#kind !== 'EOF' && !follow.has(this.#kind)) this.#consume();
  }

  #expression(follow: Next): void {
    if (++this.#depth > maximumDepth) throw new Abandoned(`expression recursion limit exceeded: ${maximumDepth}`);
    this.#rule(follow, () => {
      this.#chain('||', orEnd('?'));
      this.#state = 'conditional';
      if (this.#kind !== '?') return;
      this.#match('?', next(...expressionStart));
      this.#chain('||', next(':'));
      this.#match(':', next(...expressionStart));
      this.#expression(orEnd());
    });
    this.#depth--;
  }

  #chain(operator: '||' | '&&', follow: Next): void {
    this.#rule(follow, () => {
      const again = orEnd(operator);
      const term = (): void => (operator === '||' ? this.#chain('&&', again) : this.#relation(0, again));
      term();
      this.#state = `chain ${operator}`;
      while (this.#accept(operator, next(...expressionStart))) term();
    });
  }

  #relation(precedence: number, follow: Next): void {
    this.#rule(follow, () => {
      const again = orEnd(...relations);
      this.#calculation(0, again);
      this.#state = 'relation';
      while (relations.includes(this.#kind) && precedence <= 1) {
        this.#match(this.#kind, next(...expressionStart));
        this.#relation(2, again);
      }
    });
  }

  #calculation(precedence: number, follow: Next): void {
    this.#rule(follow, () => {
      const again = orEnd(...products, ...sums);
      this.#unary(again);
      this.#state = 'calculation';
      for (;;) {
        const isProduct = products.includes(this.#kind) && precedence <= 2;
        if (!isProduct && !(sums.includes(this.#kind) && precedence <= 1)) return;
        this.#match(this.#kind, next(...expressionStart));
        this.#calculation(isProduct ? 3 : 2, again);
      }
    });
  }

  #unary(follow: Next): void {
    this.#rule(follow, () => {
      this.#sync('unary', next(...expressionStart));
      const kind = this.#kind;
      if (kind === '!') this.#operators('!');
      else if (kind === '-') {
        const after = this.#ahead(1).kind;
        if (after !== 'NUM_INT' && after !== 'NUM_FLOAT') {
          if (!primaryStart.includes(after)) throw this.#noWay(1);
          this.#operators('-');
        }
      } else if (!expressionStart.includes(kind)) throw this.#noWay(0);
      this.#member(orEnd());
    });
  }

  #operators(operator: '!' | '-'): void {
    const again = next(operator, ...primaryStart);
    do {
      this.#match(operator, again);
      this.#syncLoop(`operators ${operator}`, again);
      if (operator === '-' && this.#kind === '-' && !primaryStart.includes(this.#ahead(1).kind)) throw this.#noWay(1);
    } while (this.#kind === operator);
  }

  #member(follow: Next): void {
    this.#rule(follow, () => {
      const again = orEnd('.', '[');
      this.#primary(again);
      for (;;) {
        this.#state = 'member';
        if (this.#kind === '[') this.#subscript(again);
        else if (this.#kind === '.') this.#selection(again);
        else return;
      }
    });
  }

  #subscript(again: Next): void {
    this.#match('[', next(...elementStart));
    this.#sync('index', next(...elementStart));
    this.#accept('?', next(...expressionStart));
    this.#expression(next(']'));
    this.#match(']', again);
  }

  #selection(again: Next): void {
    const name = this.#ahead(1).kind;
    if (name === 'IDENTIFIER' && this.#ahead(2).kind === '(') {
      this.#match('.', next('IDENTIFIER'));
      this.#match('IDENTIFIER', next('('));
      this.#call(again);
      return;
    }
    if (name === '?') {
      if (!['IDENTIFIER', 'ESC_IDENTIFIER'].includes(this.#ahead(2).kind)) {
        // One way only: the mismatch is found when it is read.
        this.#match('.', next(...fieldStart));
        this.#match('?', next('IDENTIFIER', 'ESC_IDENTIFIER'));
        const { start } = this.#ahead();
        this.#fieldName(again);
        this.#report.issues.report(start, 'unsupported ident kind');
        return;
      }
    } else if (name !== 'IDENTIFIER' && name !== 'ESC_IDENTIFIER') throw this.#noWay(1);
    this.#match('.', next(...fieldStart));
    this.#sync('selection', next(...fieldStart));
    this.#accept('?', next('IDENTIFIER', 'ESC_IDENTIFIER'));
    this.#fieldName(again);
  }

  #call(after: Next): void {
    this.#match('(', next(...expressionStart, ')'));
    this.#sync('arguments', next(...expressionStart, ')'));
    if (expressionStart.includes(this.#kind)) {
      this.#rule(next(')'), () => {
        const again = orEnd(',');
        this.#expression(again);
        this.#state = 'argument list';
        while (this.#accept(',', next(...expressionStart))) this.#expression(again);
      });
    }
    this.#match(')', after);
  }

  #primary(follow: Next): void {
    this.#rule(follow, () => {
      this.#sync('primary', next(...primaryStart));
      switch (this.#kind) {
        case '(':
          this.#match('(', next(...expressionStart));
          this.#expression(next(')'));
          this.#match(')', orEnd());
          return;
        case '[':
          this.#aggregate('[', ']', elementStart);
          return;
        case '{':
          this.#aggregate('{', '}', elementStart);
          return;
        case '.':
        case 'IDENTIFIER':
          this.#name();
          return;
        default:
          this.#literal();
      }
    });
  }

  #literal(): void {
    if (this.#kind === '-') {
      const after = this.#ahead(1).kind;
      if (after !== 'NUM_INT' && after !== 'NUM_FLOAT') throw this.#noWay(1);
      this.#match('-', next('NUM_INT', 'NUM_FLOAT'));
    } else if (!literalStart.includes(this.#kind)) throw this.#noWay(0);
    this.#match(this.#kind, orEnd());
  }

  #name(): void {
    const dots = this.#kind === '.' ? 1 : 0;
    if (this.#ahead(dots).kind !== 'IDENTIFIER') throw this.#noWay(dots);
    let end = dots + 1;
    const isCall = this.#ahead(end).kind === '(';
    while (this.#ahead(end).kind === '.' && this.#ahead(end + 1).kind === 'IDENTIFIER') end += 2;
    const isStruct = this.#ahead(end).kind === '{';
    this.#accept('.', next('IDENTIFIER'));
    if (isCall) {
      this.#match('IDENTIFIER', next('('));
      this.#call(orEnd());
    } else if (isStruct) {
      this.#match('IDENTIFIER', next('.', '{'));
      while (this.#accept('.', next('IDENTIFIER'))) this.#match('IDENTIFIER', next('.', '{'));
      this.#aggregate('{', '}', fieldStart);
    } else this.#match('IDENTIFIER', orEnd());
  }

  /** A list, a map or a structure, by what an element of it begins with. */
  #aggregate(open: '[' | '{', close: ']' | '}', starts: readonly TokenKind[]): void {
    const first = next(...starts, ',', close);
    this.#match(open, first);
    this.#sync(`aggregate ${open}`, first);
    if (starts.includes(this.#kind)) {
      this.#rule(next(',', close), () => {
        const again = orEnd(',');
        const element = (): void => this.#element(open, starts, again);
        element();
        this.#state = `elements ${open}`;
        while (this.#kind === ',' && starts.includes(this.#ahead(1).kind)) {
          this.#match(',', next(...starts));
          element();
        }
      });
    }
    this.#sync(`end of ${open}`, next(',', close));
    this.#accept(',', next(close));
    this.#match(close, orEnd());
  }

  #element(open: '[' | '{', starts: readonly TokenKind[], again: Next): void {
    const after = open === '[' ? again : next(':');
    this.#rule(after, () => {
      this.#sync('element', next(...starts));
      this.#accept('?', next(...starts.slice(1)));
      if (starts === fieldStart) this.#fieldName(orEnd());
      else this.#expression(orEnd());
    });
    if (open === '[') return;
    this.#match(':', next(...expressionStart));
    this.#expression(again);
  }

  #fieldName(follow: Next): void {
    this.#rule(follow, () => {
      this.#sync('field name', next('IDENTIFIER', 'ESC_IDENTIFIER'));
      if (this.#kind !== 'IDENTIFIER' && this.#kind !== 'ESC_IDENTIFIER') throw this.#noWay(0);
      this.#match(this.#kind, orEnd());
    });
  }
}

const symbolic = /^[A-Z_]+$/;

function shownKind(kind: TokenKind): string {
  if (kind === 'EOF') return '<EOF>';
  return symbolic.test(kind) ? kind : `'${kind}'`;
}

/** In the grammar's order, the end of the text first. */
function format(kinds: ReadonlySet<TokenKind>): string {
  const order = (['EOF', ...tokenKinds.slice(0, -1)] as TokenKind[]).filter(kind => kinds.has(kind));
  const names = order.map(shownKind);
  return names.length === 1 ? names[0]! : `{${names.join(', ')}}`;
}
