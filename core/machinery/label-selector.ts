import { CodedError } from '../base/errors.js';
import type { FieldErrors, FieldPath } from './field-errors.js';
import { formatBadValue, quote } from './field-errors.js';
import { validateLabelValue, validateQualifiedName } from './names.js';

/**
 * Label selectors: their string form (`a=b,c!=d,e in (x,y),!f,g`) and meta/v1 LabelSelector objects.
 * Source: apimachinery pkg/labels and meta/v1 validation; error texts are upstream's.
 */
export type LabelOperator = '=' | '==' | '!=' | 'in' | 'notin' | 'exists' | '!' | 'gt' | 'lt';
export type Labels = Readonly<Record<string, string>>;

export interface LabelRequirement {
  readonly key: string;
  readonly operator: LabelOperator;
  readonly values: readonly string[];
}

/** meta/v1 LabelSelector. */
export interface LabelSelectorObject {
  matchLabels?: Record<string, string>;
  matchExpressions?: { key: string; operator: string; values?: string[] }[];
}

/** All of the requirements must hold. Immutable. */
export class LabelSelector {
  readonly requirements: readonly LabelRequirement[];
  readonly #nothing: boolean;

  constructor(requirements: readonly LabelRequirement[], nothing = false) {
    this.requirements = [...requirements].sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
    this.#nothing = nothing;
  }

  static readonly everything = new LabelSelector([]);
  static readonly nothing = new LabelSelector([], true);

  /** Whether the selector lets everything through. */
  get empty(): boolean {
    return !this.#nothing && this.requirements.length === 0;
  }

  get matchesNothing(): boolean {
    return this.#nothing;
  }

  matches(labels: Labels | undefined): boolean {
    if (this.#nothing) return false;
    for (const requirement of this.requirements) if (!requirementMatches(requirement, labels)) return false;
    return true;
  }

  /** The one value that `key` must have, where the selector says so. */
  exactValue(key: string): string | undefined {
    const requirement = this.requirements.find(r => r.key === key);
    const exact = requirement && (requirement.operator === '=' || requirement.operator === '==' || requirement.operator === 'in');
    return exact && requirement.values.length === 1 ? requirement.values[0] : undefined;
  }

  and(other: LabelSelector): LabelSelector {
    if (this.#nothing || other.#nothing) return LabelSelector.nothing;
    return new LabelSelector([...this.requirements, ...other.requirements]);
  }

  /** Canonical: sorted by key, values sorted. */
  toString(): string {
    return this.requirements.map(requirementText).join(',');
  }
}

function lookup(labels: Labels | undefined, key: string): string | undefined {
  return labels !== undefined && Object.hasOwn(labels, key) ? labels[key] : undefined;
}

const maximumInt64 = (1n << 63n) - 1n;

function toInt64(text: string): bigint | undefined {
  if (!/^[+-]?[0-9]{1,40}$/.test(text)) return undefined;
  const value = BigInt(text.startsWith('+') ? text.slice(1) : text);
  return value > maximumInt64 || value < -maximumInt64 - 1n ? undefined : value;
}

function requirementMatches({ key, operator, values }: LabelRequirement, labels: Labels | undefined): boolean {
  const value = lookup(labels, key);
  switch (operator) {
    case '=':
    case '==':
    case 'in':
      return value !== undefined && values.includes(value);
    case '!=':
    case 'notin':
      return value === undefined || !values.includes(value);
    case 'exists':
      return value !== undefined;
    case '!':
      return value === undefined;
    case 'gt':
    case 'lt': {
      const left = value === undefined ? undefined : toInt64(value);
      const right = toInt64(values[0] ?? '');
      if (left === undefined || right === undefined) return false;
      return operator === 'gt' ? left > right : left < right;
    }
  }
}

function requirementText({ key, operator, values }: LabelRequirement): string {
  const list = values.length > 1 ? [...values].sort().join(',') : (values[0] ?? '');
  switch (operator) {
    case 'exists':
      return key;
    case '!':
      return `!${key}`;
    case 'in':
    case 'notin':
      return `${key} ${operator} (${list})`;
    case 'gt':
      return `${key}>${list}`;
    case 'lt':
      return `${key}<${list}`;
    default:
      return `${key}${operator}${list}`;
  }
}

function fail(message: string): never {
  throw new CodedError('INVALID_SELECTOR', message);
}

/** A checked requirement. Throws INVALID_SELECTOR with upstream's words. */
export function labelRequirement(key: string, operator: LabelOperator, values: readonly string[]): LabelRequirement {
  const errors: string[] = [];
  const keyErrors = validateQualifiedName(key);
  if (keyErrors.length) errors.push(`key: Invalid value: ${quote(key)}: ${keyErrors.join('; ')}`);
  const wrong = (detail: string): void => void errors.push(`values: Invalid value: ${formatBadValue(values)}: ${detail}`);
  if (operator === 'in' || operator === 'notin') {
    if (values.length === 0) wrong("for 'in', 'notin' operators, values set can't be empty");
  } else if (operator === 'exists' || operator === '!') {
    if (values.length) wrong('values set must be empty for exists and does not exist');
  } else if (operator === 'gt' || operator === 'lt') {
    if (values.length !== 1) wrong("for 'Gt', 'Lt' operators, exactly one value is required");
    values.forEach((value, index) => {
      if (toInt64(value) !== undefined) return;
      errors.push(`values[${index}]: Invalid value: ${quote(value)}: for 'Gt', 'Lt' operators, the value must be an integer`);
    });
  } else if (values.length !== 1) wrong('exact-match compatibility requires one single value');
  values.forEach((value, index) => {
    const valueErrors = validateLabelValue(value);
    if (valueErrors.length) errors.push(`values[${index}][${key}]: Invalid value: ${quote(value)}: ${valueErrors.join('; ')}`);
  });
  const distinct = [...new Set(errors)];
  if (distinct.length) fail(distinct.length === 1 ? distinct[0]! : `[${distinct.join(', ')}]`);
  return { key, operator, values };
}

type TokenKind = 'end' | 'error' | 'identifier' | ')' | ',' | '!' | '==' | '=' | '>' | '<' | '!=' | '(' | 'in' | 'notin';
interface Token {
  readonly kind: TokenKind;
  readonly text: string;
}

const special = '=!(),><';
const isSpace = (character: string): boolean =>
  character === ' ' || character === '\t' || character === '\r' || character === '\n';
const symbols: ReadonlySet<string> = new Set([')', ',', '!', '==', '=', '>', '<', '!=', '(']);

function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  // To upstream's scanner a NUL is the end of a token, or of everything where none has begun.
  while (at < text.length && text[at] !== '\0') {
    const character = text[at]!;
    if (isSpace(character)) at++;
    else if (special.includes(character)) {
      // The longest run of symbol characters that is still a symbol.
      const pair = text.slice(at, at + 2);
      const symbol = symbols.has(pair) && pair.length === 2 ? pair : character;
      tokens.push({ kind: symbol as TokenKind, text: symbol });
      at += symbol.length;
      if (text[at] === '\0') at++;
    } else {
      const start = at;
      while (at < text.length && text[at] !== '\0' && !special.includes(text[at]!) && !isSpace(text[at]!)) at++;
      const word = text.slice(start, at);
      if (text[at] === '\0') at++;
      tokens.push({ kind: word === 'in' || word === 'notin' ? word : 'identifier', text: word });
    }
  }
  tokens.push({ kind: 'end', text: '' });
  return tokens;
}

const operators: Partial<Record<TokenKind, LabelOperator>> = {
  in: 'in',
  notin: 'notin',
  '=': '=',
  '==': '==',
  '!=': '!=',
  '>': 'gt',
  '<': 'lt',
};

class SelectorParser {
  readonly #tokens: Token[];
  #at = 0;

  constructor(text: string) {
    this.#tokens = tokenize(text);
  }

  parse(): LabelRequirement[] {
    const requirements: LabelRequirement[] = [];
    for (;;) {
      const { kind, text } = this.#peek();
      if (kind === 'end') return requirements;
      if (kind !== 'identifier' && kind !== '!') fail(`found '${text}', expected: !, identifier, or 'end of string'`);
      requirements.push(this.#requirement());
      const after = this.#take();
      if (after.kind === 'end') return requirements;
      if (after.kind !== ',') fail(`found '${after.text}', expected: ',' or 'end of string'`);
      const next = this.#peek();
      if (next.kind !== 'identifier' && next.kind !== '!') fail(`found '${next.text}', expected: identifier after ','`);
    }
  }

  /** `in` and `notin` are words where no operator can stand. */
  #peek(): Token {
    const token = this.#tokens[Math.min(this.#at, this.#tokens.length - 1)]!;
    return token.kind === 'in' || token.kind === 'notin' ? { kind: 'identifier', text: token.text } : token;
  }

  #take(): Token {
    const token = this.#peek();
    this.#at++;
    return token;
  }

  #requirement(): LabelRequirement {
    try {
      let token = this.#take();
      const negated = token.kind === '!';
      if (negated) token = this.#take();
      if (token.kind !== 'identifier') fail(`found '${token.text}', expected: identifier`);
      const key = token.text;
      const keyErrors = validateQualifiedName(key);
      if (keyErrors.length) fail(`<nil>: Invalid value: ${quote(key)}: ${keyErrors.join('; ')}`);
      if (negated) return labelRequirement(key, '!', []);
      const next = this.#peek().kind;
      if (next === 'end' || next === ',') return labelRequirement(key, 'exists', []);
      const raw = this.#tokens[this.#at++]!;
      const operator = operators[raw.kind];
      if (!operator) return fail(`found '${raw.text}', expected: in, notin, =, ==, !=, gt, lt`);
      const values = operator === 'in' || operator === 'notin' ? this.#values() : [this.#exactValue()];
      return labelRequirement(key, operator, values);
    } catch (error) {
      throw new CodedError('INVALID_SELECTOR', `unable to parse requirement: ${(error as Error).message}`, { cause: error });
    }
  }

  #exactValue(): string {
    const next = this.#peek().kind;
    if (next === 'end' || next === ',') return '';
    const token = this.#take();
    return token.kind === 'identifier' ? token.text : fail(`found '${token.text}', expected: identifier`);
  }

  #values(): string[] {
    const open = this.#take();
    if (open.kind !== '(') fail(`found '${open.text}' expected: '('`);
    const first = this.#peek();
    if (first.kind === ')') {
      this.#take();
      return [''];
    }
    if (first.kind !== 'identifier' && first.kind !== ',') fail(`found '${first.text}', expected: ',', ')' or identifier`);
    const values = new Set<string>();
    for (;;) {
      const token = this.#take();
      const next = this.#peek();
      if (token.kind === 'identifier') {
        values.add(token.text);
        if (next.kind === ')') break;
        if (next.kind !== ',') fail(`found '${next.text}', expected: ',' or ')'`);
      } else if (token.kind === ',') {
        if (values.size === 0) values.add('');
        if (next.kind === ')') {
          values.add('');
          break;
        }
        if (next.kind === ',') values.add('');
      } else fail(`found '${token.text}', expected: ',', or identifier`);
    }
    this.#take();
    return [...values].sort();
  }
}

/** The selector of a `labelSelector` query parameter. Throws INVALID_SELECTOR; an empty text selects everything. */
export function parseLabelSelector(text: string): LabelSelector {
  return text === '' ? LabelSelector.everything : new LabelSelector(new SelectorParser(text).parse());
}

const objectOperators: Readonly<Record<string, LabelOperator>> = {
  In: 'in',
  NotIn: 'notin',
  Exists: 'exists',
  DoesNotExist: '!',
};

/** The selector of an object: none selects nothing, an empty one everything. Throws INVALID_SELECTOR. */
export function labelSelectorFromObject(object: LabelSelectorObject | null | undefined): LabelSelector {
  if (object === null || object === undefined) return LabelSelector.nothing;
  const requirements = Object.entries(object.matchLabels ?? {}).map(([key, value]) => labelRequirement(key, '=', [value]));
  for (const { key, operator, values } of object.matchExpressions ?? []) {
    if (!Object.hasOwn(objectOperators, operator)) fail(`${quote(operator)} is not a valid label selector operator`);
    requirements.push(labelRequirement(key, objectOperators[operator]!, values ?? []));
  }
  return requirements.length ? new LabelSelector(requirements) : LabelSelector.everything;
}

/** The selector of a plain map of labels, as Services and ReplicationControllers have; not validated. */
export function labelSelectorFromMap(labels: Labels | null | undefined): LabelSelector {
  const entries = Object.entries(labels ?? {});
  if (entries.length === 0) return LabelSelector.everything;
  return new LabelSelector(entries.map(([key, value]) => ({ key, operator: '=', values: [value] })));
}

export function validateLabels(labels: Labels | null | undefined, path: FieldPath, errors: FieldErrors): void {
  for (const [key, value] of Object.entries(labels ?? {})) {
    for (const message of validateQualifiedName(key)) errors.invalid(path, key, message);
    for (const message of validateLabelValue(value)) errors.invalid(path, value, message);
  }
}

export interface LabelSelectorValidation {
  readonly allowInvalidValues?: boolean;
}

/** Adds what is wrong with a LabelSelector object. */
export function validateLabelSelector(
  selector: LabelSelectorObject | null | undefined,
  path: FieldPath,
  errors: FieldErrors,
  options: LabelSelectorValidation = {},
): void {
  if (!selector) return;
  validateLabels(selector.matchLabels, path.child('matchLabels'), errors);
  (selector.matchExpressions ?? []).forEach((expression, index) => {
    const at = path.child('matchExpressions').index(index);
    const values = expression.values ?? [];
    if (expression.operator === 'In' || expression.operator === 'NotIn') {
      if (values.length === 0) errors.required(at.child('values'), "must be specified when `operator` is 'In' or 'NotIn'");
    } else if (expression.operator === 'Exists' || expression.operator === 'DoesNotExist') {
      if (values.length > 0) {
        errors.forbidden(at.child('values'), "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
      }
    } else errors.invalid(at.child('operator'), expression.operator, 'not a valid selector operator');
    for (const message of validateQualifiedName(expression.key)) errors.invalid(at.child('key'), expression.key, message);
    if (options.allowInvalidValues) return;
    values.forEach((value, valueIndex) => {
      for (const message of validateLabelValue(value)) errors.invalid(at.child('values').index(valueIndex), value, message);
    });
  });
}
