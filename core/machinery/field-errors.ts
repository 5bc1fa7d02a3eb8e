import { formatGoFloat } from './go-numbers.js';
import { jsonText } from './codec/json-text.js';
/**
 * Validation errors that name a field, worded as Kubernetes clients know them.
 * Source: apimachinery pkg/util/validation/field (error types and their texts are part of the API).
 */
export type FieldErrorType =
  | 'FieldValueNotFound'
  | 'FieldValueRequired'
  | 'FieldValueDuplicate'
  | 'FieldValueInvalid'
  | 'FieldValueNotSupported'
  | 'FieldValueForbidden'
  | 'FieldValueTooLong'
  | 'FieldValueTooMany'
  | 'InternalError'
  | 'FieldValueTypeInvalid';

const titles: Record<FieldErrorType, string> = {
  FieldValueNotFound: 'Not found',
  FieldValueRequired: 'Required value',
  FieldValueDuplicate: 'Duplicate value',
  FieldValueInvalid: 'Invalid value',
  FieldValueNotSupported: 'Unsupported value',
  FieldValueForbidden: 'Forbidden',
  FieldValueTooLong: 'Too long',
  FieldValueTooMany: 'Too many',
  InternalError: 'Internal error',
  FieldValueTypeInvalid: 'Invalid value',
};

/** A path such as `spec.containers[0].name`. Immutable; the root prints as `<nil>`. */
export class FieldPath {
  readonly #parent: FieldPath | undefined;
  readonly #segment: string;

  constructor(segment = '', parent?: FieldPath) {
    this.#segment = segment;
    this.#parent = parent;
  }

  child(...names: string[]): FieldPath {
    let at: FieldPath = this;
    for (const name of names) at = new FieldPath(at.#isRoot ? name || '[]' : `.${name}`, at.#isRoot ? undefined : at);
    return at;
  }

  index(index: number): FieldPath {
    return new FieldPath(`[${index}]`, this);
  }

  key(key: string): FieldPath {
    return new FieldPath(`[${key}]`, this);
  }

  get #isRoot(): boolean {
    return this.#segment === '' && !this.#parent;
  }

  toString(): string {
    if (this.#isRoot) return '<nil>';
    return this.#parent && !this.#parent.#isRoot ? `${this.#parent.toString()}${this.#segment}` : this.#segment;
  }
}

/** `fieldPath('spec', 'replicas')` is `spec.replicas`; a path of an empty name alone prints as `[]`, as upstream's do. */
export function fieldPath(...names: string[]): FieldPath {
  return new FieldPath().child(...names);
}

export interface FieldError {
  readonly type: FieldErrorType;
  readonly field: string;
  /** What stands behind the field's path: `Invalid value: "x": must be ...`. */
  readonly body: string;
}

/** Text that stands for a value as it is: of an object, as Go prints the type that upstream holds it in. */
export class PrintedValue {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

type Scalar = string | number | bigint | boolean;

/** What a message can show by itself. Objects have to be printed as what they are first: they have other names inside upstream. */
export type BadValue = Scalar | null | undefined | readonly Scalar[] | Readonly<Record<string, string>> | PrintedValue;

/** A value that no type of the tables has, as JSON with sorted keys: so Go prints what it holds as maps. */
export function jsonValue(value: unknown): BadValue {
  return typeof value === 'object' && value !== null ? new PrintedValue(goJsonText(withSortedKeys(value))) : (value as Scalar);
}

/** A copy of a JSON value with the keys of its objects sorted, as Go's encoder writes maps. */
export function withSortedKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withSortedKeys);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, item]) => [key, withSortedKeys(item)]));
}

/** Prints a value as upstream's messages do: strings quoted as Go's %q, numbers and booleans plain, others as JSON. */
export function formatBadValue(value: BadValue): string {
  if (value === undefined || value === null) return 'null';
  if (value instanceof PrintedValue) return value.text;
  if (typeof value === 'string') return quote(value);
  if (typeof value === 'number' && !Number.isSafeInteger(value)) return formatGoFloat(value);
  if (typeof value !== 'object') return String(value);
  if (Array.isArray(value)) return `[${value.map(goJsonText).join(',')}]`;
  const entries = Object.entries(value as Readonly<Record<string, string>>).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, text]) => `${goJsonText(key)}:${goJsonText(text)}`).join(',')}}`;
}

/** A JSON value as Go's encoder writes it: characters of HTML escaped. */
export function goJsonText(value: unknown): string {
  return jsonText(value).replace(
    /[<>&\u2028\u2029]/g,
    character => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** Go's %q for a string. */
export function quote(text: string): string {
  let out = '"';
  for (const character of text) {
    const code = character.codePointAt(0)!;
    if (character === '"' || character === '\\') out += `\\${character}`;
    else if (character === '\n') out += '\\n';
    else if (character === '\t') out += '\\t';
    else if (character === '\r') out += '\\r';
    else if (code < 0x20 || code === 0x7f) out += `\\x${code.toString(16).padStart(2, '0')}`;
    else out += character;
  }
  return `${out}"`;
}

/** Collects the errors of one object. */
export class FieldErrors {
  readonly list: FieldError[] = [];

  get empty(): boolean {
    return this.list.length === 0;
  }

  add(type: FieldErrorType, path: FieldPath | string, body: string): void {
    this.list.push({ type, field: path.toString(), body });
  }

  addAll(errors: FieldErrors | readonly FieldError[]): void {
    this.list.push(...(errors instanceof FieldErrors ? errors.list : errors));
  }

  required(path: FieldPath, detail = ''): void {
    this.add('FieldValueRequired', path, withDetail(titles.FieldValueRequired, detail));
  }

  invalid(path: FieldPath, value: BadValue, detail: string): void {
    this.add('FieldValueInvalid', path, withDetail(`${titles.FieldValueInvalid}: ${formatBadValue(value)}`, detail));
  }

  typeInvalid(path: FieldPath, value: BadValue, detail: string): void {
    this.add('FieldValueTypeInvalid', path, withDetail(`${titles.FieldValueTypeInvalid}: ${formatBadValue(value)}`, detail));
  }

  /** `supported` is listed in the order given; upstream sorts most of its lists. */
  notSupported(path: FieldPath, value: BadValue, supported: readonly string[]): void {
    const detail = supported.length ? `supported values: ${supported.map(quote).join(', ')}` : '';
    this.add('FieldValueNotSupported', path, withDetail(`${titles.FieldValueNotSupported}: ${formatBadValue(value)}`, detail));
  }

  forbidden(path: FieldPath, detail: string): void {
    this.add('FieldValueForbidden', path, withDetail(titles.FieldValueForbidden, detail));
  }

  duplicate(path: FieldPath, value: BadValue): void {
    this.add('FieldValueDuplicate', path, `${titles.FieldValueDuplicate}: ${formatBadValue(value)}`);
  }

  /** A check itself failed. */
  internal(path: FieldPath, detail: string): void {
    this.add('InternalError', path, withDetail(titles.InternalError, detail));
  }

  notFound(path: FieldPath, value: BadValue): void {
    this.add('FieldValueNotFound', path, `${titles.FieldValueNotFound}: ${formatBadValue(value)}`);
  }

  tooLong(path: FieldPath, maximumBytes: number): void {
    this.add('FieldValueTooLong', path, withDetail(titles.FieldValueTooLong, `may not be more than ${maximumBytes} bytes`));
  }

  tooMany(path: FieldPath, actual: number, maximum: number): void {
    const detail = maximum < 0 ? 'has too many items' : `must have at most ${maximum} item${maximum === 1 ? '' : 's'}`;
    this.add('FieldValueTooMany', path, withDetail(`${titles.FieldValueTooMany}: ${actual}`, detail));
  }
}

function withDetail(text: string, detail: string): string {
  return detail ? `${text}: ${detail}` : text;
}
