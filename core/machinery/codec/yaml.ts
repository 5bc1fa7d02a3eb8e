import type { Event, ScalarEvent } from 'js-yaml';
import { quote } from '../field-errors.js';
import type { JsonValue } from '../object.js';
import { cloneJson, isJsonObject, setOwn } from '../object.js';
import type { StatusError } from '../status-error.js';
import { badRequest, isStatusError } from '../status-error.js';
import { resolveScalar } from './yaml-scalar.js';

type YamlLibrary = typeof import('js-yaml');

/**
 * YAML to JSON and back as sigs.k8s.io/yaml does it: YAML 1.1's words for booleans, dates left as strings, merge keys, keys as
 * strings. The library is loaded when first needed.
 */
export interface YamlDocument {
  readonly value: JsonValue;
  /** `line 3: key "a" already set in map`, one for each; the last value stands. */
  readonly duplicates: readonly string[];
}

const maximumDepth = 500;

/** The first document as a JSON value; null for an empty text. Throws BadRequest. */
export async function parseYaml(text: string | Uint8Array): Promise<JsonValue> {
  return (await parseYamlStrict(text)).value;
}

/** The same with its duplicate keys. Throws BadRequest. */
export async function parseYamlStrict(text: string | Uint8Array): Promise<YamlDocument> {
  const [first] = await compose(text, 1);
  return first ?? { value: null, duplicates: [] };
}

/** All documents, empty ones left out. Throws BadRequest. */
export async function parseYamlDocuments(text: string | Uint8Array): Promise<JsonValue[]> {
  const documents = await compose(text, Infinity);
  return documents.map(document => document.value).filter(value => value !== null);
}

async function compose(source: string | Uint8Array, limit: number): Promise<YamlDocument[]> {
  const text = typeof source === 'string' ? source : Buffer.from(source.buffer, source.byteOffset, source.byteLength).toString();
  const library = await import('js-yaml');
  try {
    const events = library.parseEvents(text, { maxDepth: maximumDepth });
    return new Composer(library, text, events).documents(limit);
  } catch (error) {
    if (isStatusError(error)) throw error;
    throw yamlError(describeFailure(error), error);
  }
}

function describeFailure(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { reason, mark } = error as { reason?: string; mark?: { line: number } };
  return `yaml: ${mark ? `line ${mark.line + 1}: ` : ''}${reason ?? error.message}`;
}

function yamlError(message: string, cause?: unknown): StatusError {
  return badRequest(message, cause);
}

interface Composed {
  readonly value: JsonValue;
  /** Nodes in it, those of aliases counted each time. */
  readonly nodes: number;
  /** A plain `<<` in the place of a key. */
  readonly isMerge: boolean;
}

class Composer {
  readonly #library: YamlLibrary;
  readonly #text: string;
  readonly #events: readonly Event[];
  #at = 0;
  #anchors = new Map<string, Composed | undefined>();
  #duplicates: string[] = [];
  #nodes = 0;
  #aliasNodes = 0;

  constructor(library: YamlLibrary, text: string, events: readonly Event[]) {
    this.#library = library;
    this.#text = text;
    this.#events = events;
  }

  documents(limit: number): YamlDocument[] {
    const documents: YamlDocument[] = [];
    while (this.#at < this.#events.length && documents.length < limit) {
      this.#anchors = new Map();
      this.#duplicates = [];
      this.#at++;
      const value = this.#isPop() ? null : this.#node().value;
      this.#at++;
      documents.push({ value, duplicates: this.#duplicates });
    }
    return documents;
  }

  #isPop(): boolean {
    return this.#events[this.#at]!.type === this.#library.EVENT_ID.POP;
  }

  #slice(start: number, end: number): string {
    return start < 0 ? '' : this.#text.slice(start, end);
  }

  #node(): Composed {
    const { EVENT_ID } = this.#library;
    const event = this.#events[this.#at++]!;
    this.#count(1, 0);
    if (event.type === EVENT_ID.ALIAS) return this.#alias(this.#slice(event.anchorStart, event.anchorEnd));
    if (event.type !== EVENT_ID.SCALAR && event.type !== EVENT_ID.SEQUENCE && event.type !== EVENT_ID.MAPPING) {
      throw yamlError('yaml: unexpected end of document');
    }
    const anchor = this.#slice(event.anchorStart, event.anchorEnd);
    // An anchor stands for its node only when that is complete: a value cannot hold itself.
    if (anchor) this.#anchors.set(anchor, undefined);
    let composed: Composed;
    if (event.type === EVENT_ID.SCALAR) composed = this.#scalar(event);
    else composed = event.type === EVENT_ID.SEQUENCE ? this.#sequence() : this.#mapping();
    if (anchor) this.#anchors.set(anchor, composed);
    return composed;
  }

  /** The same bounds as upstream's against texts that grow through aliases. */
  #count(nodes: number, aliasNodes: number): void {
    this.#nodes += nodes;
    this.#aliasNodes += aliasNodes;
    if (this.#aliasNodes <= 100 || this.#nodes <= 1000) return;
    const [low, high] = [400000, 4000000];
    const part = Math.min(1, Math.max(0, (this.#nodes - low) / (high - low)));
    if (this.#aliasNodes / this.#nodes > 0.99 - 0.89 * part) throw yamlError('yaml: document contains excessive aliasing');
  }

  #alias(name: string): Composed {
    if (!this.#anchors.has(name)) throw yamlError(`yaml: unknown anchor '${name}' referenced`);
    const target = this.#anchors.get(name);
    if (!target) throw yamlError(`yaml: anchor '${name}' value contains itself`);
    this.#count(target.nodes, target.nodes);
    return { value: cloneJson(target.value), nodes: target.nodes, isMerge: false };
  }

  #scalar(event: ScalarEvent): Composed {
    const text = this.#library.getScalarValue(this.#text, event);
    const tag = shortTag(this.#slice(event.tagStart, event.tagEnd));
    const isPlain = event.style === this.#library.SCALAR_STYLE.PLAIN;
    const value = (plain: JsonValue): Composed => ({ value: plain, nodes: 1, isMerge: false });
    if (tag === '!!binary') return value(Buffer.from(text, 'base64').toString());
    if (tag === '' && !isPlain) return value(text);
    if (tag !== '' && !['!!bool', '!!int', '!!float', '!!null', '!!timestamp'].includes(tag)) return value(text);
    const resolved = resolveScalar(text);
    if (tag !== '' && tag !== '!!timestamp' && tag !== `!!${resolved.tag}` && !(tag === '!!float' && resolved.tag === 'int')) {
      throw yamlError(`yaml: cannot decode !!${resolved.tag} \`${text}\` as a ${tag}`);
    }
    if (resolved.tag === 'merge') return { value: text, nodes: 1, isMerge: true };
    if (typeof resolved.value === 'number' && !Number.isFinite(resolved.value)) {
      throw yamlError(`json: unsupported value: ${resolved.value > 0 ? '+Inf' : resolved.value < 0 ? '-Inf' : 'NaN'}`);
    }
    return value(resolved.value);
  }

  #sequence(): Composed {
    const list: JsonValue[] = [];
    let nodes = 1;
    while (!this.#isPop()) {
      const item = this.#node();
      nodes += item.nodes;
      list.push(item.value);
    }
    this.#at++;
    return { value: list, nodes, isMerge: false };
  }

  #mapping(): Composed {
    const map: Record<string, JsonValue> = {};
    const own = new Set<string>();
    let nodes = 1;
    while (!this.#isPop()) {
      const start = this.#position();
      const key = this.#node();
      const item = this.#node();
      nodes += key.nodes + item.nodes;
      if (key.isMerge) {
        this.#merge(map, item.value);
        continue;
      }
      const name = keyText(key.value, item.value);
      if (own.has(name)) {
        const line = this.#text.slice(0, start).split('\n').length;
        this.#duplicates.push(`line ${line}: key ${quote(name)} already set in map`);
      }
      own.add(name);
      setOwn(map, name, item.value);
    }
    this.#at++;
    return { value: map, nodes, isMerge: false };
  }

  #position(): number {
    const event = this.#events[this.#at]!;
    if ('valueStart' in event) return event.valueStart;
    return 'start' in event ? event.start : 0;
  }

  #merge(map: Record<string, JsonValue>, value: JsonValue): void {
    // The first of several maps wins, so the last is laid down first.
    const sources = Array.isArray(value) ? value.toReversed() : [value];
    for (const source of sources) {
      if (!isJsonObject(source)) throw yamlError('yaml: map merge requires map or sequence of maps as the value');
      for (const key of Object.keys(source)) setOwn(map, key, source[key]);
    }
  }
}

/** What strict reading says about a document's duplicates: one error, a line for each. */
export function duplicateKeysText(duplicates: readonly string[]): string {
  return `yaml: unmarshal errors:\n${duplicates.map(text => `  ${text}`).join('\n')}`;
}

function shortTag(tag: string): string {
  const verbatim = /^!<(.*)>$/.exec(tag)?.[1] ?? tag;
  const long = 'tag:yaml.org,2002:';
  return verbatim.startsWith(long) ? `!!${verbatim.slice(long.length)}` : verbatim;
}

function keyText(key: JsonValue, value: JsonValue): string {
  if (typeof key === 'string') return key;
  if (typeof key === 'number' || typeof key === 'boolean') return String(key);
  if (key === null) {
    const message = `unsupported map key of type: %!s(<nil>), key: <nil>, value: ${JSON.stringify(value)}`;
    throw yamlError(message);
  }
  throw yamlError(`yaml: invalid map key: ${JSON.stringify(key)}`);
}

/** A value as YAML, keys in natural order, lists at their key's indentation. */
export async function toYaml(value: unknown): Promise<string> {
  const lines: string[] = [];
  emit(lines, value, '', '');
  return `${lines.join('\n')}\n`;
}

/** Writes `value` behind `lead` (a key or a dash, already indented); what follows stands at `indent`. */
function emit(lines: string[], value: unknown, lead: string, indent: string): void {
  if (Array.isArray(value) && value.length > 0) {
    const inSequence = lead.endsWith('- ');
    if (lead && !inSequence) lines.push(lead.trimEnd());
    value.forEach((item: unknown, index) =>
      emit(lines, item ?? null, `${index === 0 && inSequence ? lead : indent}- `, `${indent}  `),
    );
    return;
  }
  if (isJsonObject(value)) {
    const keys = Object.keys(value).filter(key => value[key] !== undefined);
    if (keys.length > 0) {
      const inSequence = lead.endsWith('- ');
      if (lead && !inSequence) lines.push(lead.trimEnd());
      keys.sort(compareKeys).forEach((key, index) => {
        const start = index === 0 && inSequence ? lead : indent;
        const inner = value[key];
        const deeper = Array.isArray(inner) ? indent : `${indent}  `;
        emit(lines, inner, `${start}${scalarText(key, undefined)}: `, deeper);
      });
      return;
    }
    lines.push(`${lead}{}`);
    return;
  }
  if (Array.isArray(value)) lines.push(`${lead}[]`);
  else if (typeof value === 'string')
    lines.push(`${lead}${scalarText(value, lead === '' || lead.endsWith('- ') ? indent || '  ' : indent)}`);
  else lines.push(`${lead}${value === undefined || value === null ? 'null' : String(value)}`);
}

/** `blockIndent` undefined: in a key, where no block can stand. */
function scalarText(text: string, blockIndent: string | undefined): string {
  if (resolveScalar(text).tag !== 'str' || looksLikeDate(text) || sexagesimal.test(text)) return doubleQuoted(text);
  if (/[^\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\u{10000}-\u{10ffff}]/u.test(text) || / \n/.test(text))
    return doubleQuoted(text);
  if (text.includes('\n')) {
    if (blockIndent === undefined || text.endsWith(' ')) return doubleQuoted(text);
    return literalBlock(text, blockIndent);
  }
  const isPlain = !/^[#,[\]{}&*!|>'"%@`\s]|\s$|^[-?:](?:\s|$)|:(?:\s|$)|\s#|^(?:---|\.\.\.)/.test(text);
  return isPlain ? text : `'${text.replaceAll("'", "''")}'`;
}

/** Kept from being read as base 60 numbers by YAML 1.1 readers. */
const sexagesimal = /^[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?$/;

function looksLikeDate(text: string): boolean {
  return /^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:$|[Tt ][0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}(?:\.[0-9]*)?(?:$|Z|[-+][0-9]{2}:[0-9]{2}))/.test(
    text,
  );
}

function literalBlock(text: string, indent: string): string {
  const body = text.replace(/\n+$/, '');
  const breaks = text.length - body.length;
  const hint = /^[ \n]/.test(text) ? '2' : '';
  const chomp = breaks === 0 ? '-' : breaks === 1 && body !== '' ? '' : '+';
  const lines = text.slice(0, breaks > 0 ? -1 : undefined).split('\n');
  return [`|${hint}${chomp}`, ...lines.map(line => (line === '' ? '' : `${indent}${line}`))].join('\n');
}

function doubleQuoted(text: string): string {
  return JSON.stringify(text).replace(
    /[\x7f-\x9f\u2028\u2029\ufeff]/g,
    c => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

const isLetter = (text: string | undefined): boolean => text !== undefined && /\p{L}/u.test(text);

/** go-yaml's order: letters after other characters, numbers within by their value. */
function compareKeys(a: string, b: string): number {
  const left = [...a];
  const right = [...b];
  const digits = (characters: string[], from: number): string => /^[0-9]*/.exec(characters.slice(from).join(''))![0];
  for (let i = 0; i < left.length && i < right.length; i++) {
    const [x, y] = [left[i]!, right[i]!];
    if (x === y) continue;
    if (isLetter(x) && isLetter(y)) return x < y ? -1 : 1;
    if (isLetter(x) || isLetter(y)) return isLetter(y) ? -1 : 1;
    const [m, n] = [digits(left, i), digits(right, i)];
    if (Number(m) !== Number(n)) return Number(m) - Number(n);
    if (m.length !== n.length) return m.length - n.length;
    return x < y ? -1 : 1;
  }
  return left.length - right.length;
}
