import { CodedError } from '../base/errors.js';

/** Field selectors: `metadata.name=a,status.phase!=Running`. Source: apimachinery pkg/fields; error texts are upstream's. */
export interface FieldRequirement {
  readonly field: string;
  readonly operator: '=' | '!=';
  readonly value: string;
}

/** All of the requirements must hold. Immutable. */
export class FieldSelector {
  readonly requirements: readonly FieldRequirement[];

  constructor(requirements: readonly FieldRequirement[]) {
    this.requirements = requirements;
  }

  static readonly everything = new FieldSelector([]);

  get empty(): boolean {
    return this.requirements.length === 0;
  }

  /** A field that `fields` does not have counts as the empty string. */
  matches(fields: Readonly<Record<string, string>>): boolean {
    for (const { field, operator, value } of this.requirements) {
      const actual = Object.hasOwn(fields, field) ? fields[field] : '';
      if ((actual === value) !== (operator === '=')) return false;
    }
    return true;
  }

  /** The one value that `field` must have, where the selector says so. */
  exactValue(field: string): string | undefined {
    return this.requirements.find(r => r.field === field && r.operator === '=')?.value;
  }

  /** With each requirement replaced by what `change` returns for it; undefined drops one. */
  transform(change: (requirement: FieldRequirement) => FieldRequirement | undefined): FieldSelector {
    return new FieldSelector(this.requirements.map(change).filter(requirement => requirement !== undefined));
  }

  toString(): string {
    return this.requirements.map(r => `${r.field}${r.operator}${escapeFieldValue(r.value)}`).join(',');
  }
}

/** Prefixes backslash, comma and equals sign with a backslash. */
export function escapeFieldValue(value: string): string {
  return value.replace(/[\\,=]/g, '\\$&');
}

function unescape(text: string): string {
  if (!/[\\,=]/.test(text)) return text;
  let out = '';
  for (let at = 0; at < text.length; at++) {
    const character = text[at]!;
    if (character === '\\') {
      const next = String.fromCodePoint(...(at + 1 < text.length ? [text.codePointAt(at + 1)!] : []));
      if (next !== '\\' && next !== ',' && next !== '=') {
        throw new CodedError('INVALID_SELECTOR', `invalid field selector: invalid escape sequence: \\${next}`);
      }
      out += next;
      at++;
    } else if (character === ',' || character === '=') {
      const code = character.charCodeAt(0);
      throw new CodedError('INVALID_SELECTOR', `invalid field selector: unescaped character in value: ${code}`);
    } else out += character;
  }
  return out;
}

/** Splits at commas that no backslash precedes. */
function splitTerms(text: string): string[] {
  const terms: string[] = [];
  let start = 0;
  for (let at = 0; at < text.length; at++) {
    if (text[at] === '\\') at++;
    else if (text[at] === ',') {
      terms.push(text.slice(start, at));
      start = at + 1;
    }
  }
  terms.push(text.slice(start));
  return terms;
}

/** The selector of a `fieldSelector` query parameter. Throws INVALID_SELECTOR; an empty text selects everything. */
export function parseFieldSelector(text: string): FieldSelector {
  if (text === '') return FieldSelector.everything;
  const requirements: FieldRequirement[] = [];
  for (const term of splitTerms(text).sort()) {
    if (term === '') continue;
    const parts = /^(.*?)(!=|==|=)(.*)$/s.exec(term);
    if (!parts) throw new CodedError('INVALID_SELECTOR', `invalid selector: '${text}'; can't understand '${term}'`);
    requirements.push({ field: parts[1]!, operator: parts[2] === '!=' ? '!=' : '=', value: unescape(parts[3]!) });
  }
  return new FieldSelector(requirements);
}
