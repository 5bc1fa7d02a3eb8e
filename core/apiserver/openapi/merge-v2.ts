import { isJsonObject } from '../../machinery/object.js';
import { withSortedKeys } from '../../machinery/field-errors.js';

type Json = Record<string, unknown>;

/** As much of a Swagger document as merging knows. */
export interface SwaggerDocument extends Json {
  paths: Json;
  definitions?: Json;
  parameters?: Json;
}

const parts = ['definitions', 'parameters'] as const;
const referencePattern = /^#\/(definitions|parameters)\/(.+)$/;

/** The paths of a document below a prefix, with the definitions and parameters that they need. */
export function filteredByPath(document: SwaggerDocument, prefix: string): SwaggerDocument {
  const paths = Object.fromEntries(Object.entries(document.paths ?? {}).filter(([path]) => path.startsWith(prefix)));
  const kept: SwaggerDocument = { paths, definitions: {}, parameters: {} };
  const keep = (value: unknown): void => {
    eachReference(value, (part, name) => {
      const from = document[part];
      const to = kept[part]!;
      if (!from || !Object.hasOwn(from, name) || Object.hasOwn(to, name)) return;
      define(to, name, from[name]);
      keep(from[name]);
    });
  };
  keep(paths);
  return kept;
}

/**
 * Adds to a document what another has: paths that are there already stay, and what has the name of another thing gets a name of its
 * own. The other document is changed. Source: kube-openapi pkg/aggregator.
 */
export function mergeInto(document: SwaggerDocument, other: SwaggerDocument): void {
  for (const part of parts) {
    const target = (document[part] ??= {});
    const renamed = new Map<string, string>();
    for (const [name, value] of Object.entries(other[part] ?? {})) {
      const free = freeName(target, name, value);
      if (free !== name) renamed.set(name, free);
    }
    if (renamed.size > 0) rename(other, part, renamed);
    for (const [name, value] of Object.entries(other[part] ?? {})) {
      const now = renamed.get(name) ?? name;
      if (!Object.hasOwn(target, now)) define(target, now, value);
    }
  }
  for (const [path, value] of Object.entries(other.paths)) {
    if (!Object.hasOwn(document.paths, path)) define(document.paths, path, value);
  }
}

function freeName(taken: Readonly<Json>, name: string, value: unknown): string {
  for (let number = 1; ; number++) {
    const candidate = number === 1 ? name : `${name}_v${number}`;
    if (!Object.hasOwn(taken, candidate) || sameMeaning(taken[candidate], value)) return candidate;
  }
}

/** Words, and the kinds that a type has, do not make another type. */
function sameMeaning(a: unknown, b: unknown): boolean {
  const text = (value: unknown): string =>
    JSON.stringify(withSortedKeys(value), (key, inner: unknown) =>
      key === 'x-kubernetes-group-version-kind' || (key === 'description' && typeof inner === 'string')
        ? undefined
        : typeof inner === 'bigint'
          ? String(inner)
          : inner,
    );
  return text(a) === text(b);
}

function rename(document: SwaggerDocument, part: (typeof parts)[number], names: ReadonlyMap<string, string>): void {
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) for (const item of value) visit(item);
    if (!isJsonObject(value)) return;
    const reference = referenceIn(value);
    const now = reference?.part === part ? names.get(reference.name) : undefined;
    if (now !== undefined) (value as Json)['$ref'] = `#/${part}/${escapePointer(now)}`;
    for (const inner of Object.values(value)) visit(inner);
  };
  visit(document);
}

function eachReference(value: unknown, found: (part: (typeof parts)[number], name: string) => void): void {
  if (Array.isArray(value)) for (const item of value) eachReference(item, found);
  if (!isJsonObject(value)) return;
  const reference = referenceIn(value);
  if (reference) found(reference.part, reference.name);
  for (const inner of Object.values(value)) eachReference(inner, found);
}

function referenceIn(value: Readonly<Json>): { part: (typeof parts)[number]; name: string } | undefined {
  const text = value['$ref'];
  const match = typeof text === 'string' ? referencePattern.exec(text) : null;
  return match ? { part: match[1] as 'definitions', name: unescapePointer(match[2]!) } : undefined;
}

function escapePointer(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1');
}

function unescapePointer(name: string): string {
  return name.replaceAll('~1', '/').replaceAll('~0', '~');
}

/** An own property, whatever its name. */
function define(target: Json, name: string, value: unknown): void {
  Object.defineProperty(target, name, { value, enumerable: true, configurable: true, writable: true });
}
