import { quote } from '../field-errors.js';
import type { StructType, TypeNode } from '../schema.js';
import { stringEnd } from './json-text.js';
import { structPlan } from './type-plan.js';

/** Upstream stops collecting here. */
const maximumStrictErrors = 100;

/**
 * What strict decoding reports about a valid JSON text, in the order of the text: `unknown field "spec.foo"`,
 * `duplicate field "spec.replicas"`. Fields below unknown fields and inside values of opaque types are not looked at.
 * Only run when a request is known to have something to report.
 */
export function strictFieldErrors(struct: StructType, text: string): string[] {
  const walk = new StrictWalk(text);
  walk.value({ kind: 'struct', name: struct.name, struct }, '');
  return [...walk.errors];
}

/** The same for a text without a type (custom resources): duplicates only. */
export function duplicateFieldErrors(text: string): string[] {
  const walk = new StrictWalk(text);
  walk.value(freeForm, '');
  return [...walk.errors];
}

const freeForm: TypeNode = { kind: 'map', element: { kind: 'primitive', primitive: 'json' } };

class StrictWalk {
  readonly errors = new Set<string>();
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** `type` undefined: skip. */
  value(type: TypeNode | undefined, path: string): void {
    this.#space();
    const character = this.#text[this.#at];
    if (character === '{') this.#object(type, path);
    else if (character === '[') this.#array(type, path);
    else if (character === '"') this.#at = stringEnd(this.#text, this.#at) + 1;
    else while (this.#at < this.#text.length && !',]} \t\r\n'.includes(this.#text[this.#at]!)) this.#at++;
  }

  #space(): void {
    while (this.#text.charCodeAt(this.#at) <= 32) this.#at++;
  }

  #report(kind: 'unknown' | 'duplicate', path: string): void {
    if (this.errors.size < maximumStrictErrors) this.errors.add(`${kind} field ${quote(path)}`);
  }

  #array(type: TypeNode | undefined, path: string): void {
    // Free-form values are looked into for duplicates, as upstream's interface{} is.
    const element = type?.kind === 'list' ? type.element : isFree(type) ? type : undefined;
    this.#at++;
    for (let index = 0; ; index++) {
      this.#space();
      if (this.#text[this.#at] === ']') break;
      this.value(element, element ? `${path}[${index}]` : '');
      this.#space();
      if (this.#text[this.#at] === ',') this.#at++;
    }
    this.#at++;
  }

  #object(type: TypeNode | undefined, path: string): void {
    const plan = type?.kind === 'struct' && !type.struct.schema.jsonForm ? structPlan(type.struct) : undefined;
    const isMap = type?.kind === 'map' || isFree(type);
    const seen = new Set<string>();
    this.#at++;
    for (;;) {
      this.#space();
      if (this.#text[this.#at] === '}') break;
      const end = stringEnd(this.#text, this.#at);
      const key = JSON.parse(this.#text.slice(this.#at, end + 1)) as string;
      this.#at = end + 1;
      this.#space();
      this.#at++;
      const inner = path === '' ? key : `${path}.${key}`;
      const field = plan?.byName.get(key);
      if (field || isMap) {
        if (seen.has(key)) this.#report('duplicate', inner);
        seen.add(key);
      } else if (plan) this.#report('unknown', inner);
      this.value(field ? field.type : isFree(type) ? type : type?.kind === 'map' ? type.element : undefined, inner);
      this.#space();
      if (this.#text[this.#at] === ',') this.#at++;
    }
    this.#at++;
  }
}

function isFree(type: TypeNode | undefined): boolean {
  return type === freeForm;
}
