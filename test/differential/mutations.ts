import { readFileSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** One place of an object, and what is put there. */
export interface Mutation {
  /** `spec.containers[0].image: empty`. */
  readonly name: string;
  /** The object with that change. */
  readonly apply: (object: object) => object;
}

interface Field {
  readonly name: string;
  readonly type: string;
  readonly inline?: boolean;
}

interface Kinds {
  readonly kinds: readonly { readonly version: string; readonly kind: string; readonly type: string }[];
  readonly group: string;
  readonly types: Readonly<Record<string, { readonly fields?: readonly Field[] }>>;
}

/** Values of every plain type of the tables: right ones, wrong ones, and those at the edge. */
const samples: Readonly<Record<string, readonly unknown[]>> = {
  string: ['x', '', 'A b!', 'a'.repeat(300), 7],
  bool: [true, 'x'],
  int32: [1, 0, -1, 2 ** 31, 1.5, '1'],
  int64: [1, 0, -1, 'x'],
  quantity: ['1', '-1', 'x', '1.5Gi', ''],
  intOrString: [1, '10%', 'x', -1],
  duration: ['1s', 'x'],
  time: ['2026-01-01T00:00:00Z', 'x'],
  microTime: ['2026-01-01T00:00:00.000000Z', 'x'],
  bytes: ['YQ==', '*'],
  uint8: [1],
  float64: [1.5],
};

/** The fields of each type, and which type each kind has: the generated tables of the API. */
export class Tables {
  readonly #types = new Map<string, readonly Field[]>();
  readonly #kinds = new Map<string, string>();

  static load(): Tables {
    const tables = new Tables();
    const directory = fileURLToPath(new URL('../../../core/api/generated/', import.meta.url));
    for (const file of readdirSync(directory)) {
      if (!file.endsWith('.json')) continue;
      const { group, kinds = [], types = {} } = JSON.parse(readFileSync(`${directory}${file}`, 'utf8')) as Partial<Kinds>;
      for (const { version, kind, type } of kinds) tables.#kinds.set(`${group ? `${group}/` : ''}${version} ${kind}`, type);
      for (const [name, { fields }] of Object.entries(types)) if (fields) tables.#types.set(name, fields);
    }
    return tables;
  }

  typeOf(apiVersion: string, kind: string): string | undefined {
    return this.#kinds.get(`${apiVersion} ${kind}`);
  }

  fields(type: string): readonly Field[] {
    return (this.#types.get(type) ?? []).flatMap(field => (field.inline ? this.fields(field.type) : [field]));
  }
}

const depthLimit = 9;

export interface MutationOptions {
  /** Status is walked too, and nothing but it and metadata. */
  readonly status?: boolean;
}

/** Every way to take away, add or give another value to one field of `seed`. */
export function* mutationsOf(seed: object, type: string, tables: Tables, options: MutationOptions = {}): Generator<Mutation> {
  for (const { name, path, value } of changes(seed, { type, path: [], depth: 0, ...options }, tables)) {
    yield { name, apply: object => changed(object, path, value) as object };
  }
}

type Step = string | number;

interface Change {
  readonly name: string;
  readonly path: readonly Step[];
  /** From what is there; undefined: without it. */
  readonly value: (held: unknown) => unknown;
}

interface Place {
  readonly type: string;
  readonly path: readonly Step[];
  readonly depth: number;
  readonly status?: boolean;
}

function* changes(value: unknown, place: Place, tables: Tables): Generator<Change> {
  const { type, path, depth } = place;
  if (depth > depthLimit) return;
  const change = (what: string, to: unknown): Change => ({
    name: `${shown(path)}: ${what}`,
    path,
    value: typeof to === 'function' ? (to as Change['value']) : () => to,
  });
  if (type.startsWith('[]')) {
    if (!Array.isArray(value)) return;
    yield change('empty list', []);
    yield change('no list', 'x');
    if (value.length > 0) {
      yield change('first twice', (held: unknown[] = []) => [...held, held[0]]);
      yield change('null in it', (held: unknown[] = []) => [...held, null]);
    }
    for (const [at, item] of value.entries()) {
      yield* changes(item, { type: type.slice(2), path: [...path, at], depth: depth + 1 }, tables);
    }
    return;
  }
  if (type.startsWith('map[string]')) {
    if (typeof value !== 'object' || value === null) return;
    const inner = type.slice('map[string]'.length);
    yield change('empty map', {});
    const some = samples[inner]?.[0] ?? {};
    for (const key of ['', 'A b', 'a/b/c', 'example.com/x', 'kubernetes.io/x', 'a'.repeat(64)]) {
      yield change(`key ${JSON.stringify(key.slice(0, 20))}`, (held: object) => ({
        ...held,
        [key]: Object.values(held ?? {}).sort()[0] ?? some,
      }));
    }
    for (const [key, item] of Object.entries(value).slice(0, 2)) {
      yield* changes(item, { type: inner, path: [...path, key], depth: depth + 1 }, tables);
    }
    return;
  }
  const fields = tables.fields(type);
  if (fields.length === 0) {
    for (const sample of samples[type] ?? []) {
      if (sample !== value) yield change(JSON.stringify(sample).slice(0, 20), sample);
    }
    return;
  }
  if (typeof value !== 'object' || value === null) return;
  if (path.length > 0) {
    yield change('empty object', {});
    yield change('null', null);
  }
  yield { name: `${shown([...path, 'noSuchField'])}: 1`, path: [...path, 'noSuchField'], value: () => 1 };
  for (const field of fields) {
    if (depth === 0 && isLeftOut(field.name, place)) continue;
    yield* fieldChanges((value as Record<string, unknown>)[field.name], field, place, tables);
  }
}

function* fieldChanges(held: unknown, field: Field, { path, depth }: Place, tables: Tables): Generator<Change> {
  const below = [...path, field.name];
  // What servers fill in themselves differs from run to run.
  if (
    path[0] === 'metadata' &&
    ['uid', 'resourceVersion', 'managedFields', 'creationTimestamp', 'generateName'].includes(field.name)
  ) {
    return;
  }
  if (held !== undefined) {
    yield { name: `${shown(below)}: none`, path: below, value: () => undefined };
    yield* changes(held, { type: field.type, path: below, depth: depth + 1 }, tables);
    return;
  }
  for (const sample of absentSamples(field.type)) {
    yield { name: `${shown(below)}: ${JSON.stringify(sample).slice(0, 20)}`, path: below, value: () => sample };
  }
}

function isLeftOut(name: string, { status = false }: Place): boolean {
  if (status) return name !== 'status' && name !== 'metadata';
  return ['status', 'apiVersion', 'kind'].includes(name);
}

function absentSamples(type: string): readonly unknown[] {
  if (samples[type]) return samples[type];
  if (type.startsWith('map[string]')) return [{}, { a: samples[type.slice('map[string]'.length)]?.[0] ?? {} }];
  if (type.startsWith('[]')) return [[], [samples[type.slice(2)]?.[0] ?? {}]];
  return [{}];
}

function shown(path: readonly Step[]): string {
  return path.map((step, at) => (typeof step === 'number' ? `[${step}]` : at === 0 ? step : `.${step}`)).join('') || 'object';
}

function changed(value: unknown, [step, ...rest]: readonly Step[], to: Change['value']): unknown {
  if (step === undefined) return to(value);
  if (Array.isArray(value)) return value.map((item, at): unknown => (at === step ? changed(item, rest, to) : item));
  const copy = { ...(value as Record<string, unknown>) };
  const next = changed(copy[step], rest, to);
  if (next === undefined) delete copy[step];
  else copy[step] = next;
  return copy;
}
