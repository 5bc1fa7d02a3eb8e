import { firstDifference, same } from './difference.js';
import type { Server } from './replay.js';
import { send } from './replay.js';

type Json = Record<string, unknown>;

interface Document extends Json {
  readonly paths: Json;
  readonly definitions?: Json;
  readonly components?: { readonly schemas?: Json };
}

/**
 * Compares the OpenAPI documents: v2 as far as both servers serve a path, v3 of each group that both serve, as a whole but for
 * resources that ours does not serve, which are printed as known. Words of descriptions are our own, and so are the names of v2's
 * shared parameters. Prints what differs and resolves how much that is.
 */
export async function compareOpenApi({ upstream, ours }: { upstream: Server; ours: Server }): Promise<number> {
  let differences = 0;
  const compare = (name: string, expected: unknown, given: unknown): void => {
    if (same(expected, given)) return;
    differences++;
    console.log(`openapi, ${name}:`);
    console.log(firstDifference({ code: 200, body: expected }, { code: 200, body: given }));
  };
  const indexOf = async (server: Server): Promise<string[]> => Object.keys((await get(server, '/openapi/v3'))['paths'] as Json);
  const served = await indexOf(ours);
  const shared = (await indexOf(upstream)).filter(key => served.includes(key));
  const isServed = isServedBy(served);
  const missing = await missingResources(upstream, ours, shared);
  for (const name of missing) console.log(`known: openapi, ${name} (not served)`);

  const [left, right] = await Promise.all([upstream, ours].map(server => get(server, '/openapi/v2')));
  const expected = normalised(resolved(without(left as Document, missing)), isServed) as Document;
  const given = normalised(resolved(right as Document), isServed) as Document;
  for (const [part, here] of Object.entries(expected)) {
    if (part === 'parameters') continue;
    if (part !== 'paths' && part !== 'definitions') {
      compare(`v2 ${part}`, here, given[part]);
      continue;
    }
    const there = given[part] as Json;
    for (const [name, value] of Object.entries(here as Json)) {
      const belongs = part === 'paths' ? documentsOf(name).some(key => shared.includes(key)) : name in there;
      if (belongs) compare(`v2 ${name}`, value, there[name]);
    }
  }
  for (const key of shared) {
    const [theirs, own] = await Promise.all([upstream, ours].map(server => get(server, `/openapi/v3/${key}`)));
    compare(`v3 ${key}`, normalised(without(theirs as Document, missing), isServed), normalised(own, isServed));
  }
  console.log(`openapi: v2 and ${shared.length} documents of v3`);
  return differences;
}

/** Resources of versions that both serve which ours has not, as `/apis/GROUP/VERSION/RESOURCE`, by discovery. */
async function missingResources(upstream: Server, ours: Server, shared: readonly string[]): Promise<ReadonlySet<string>> {
  const missing = new Set<string>();
  for (const key of shared.filter(each => /^(api|apis\/[^/]+)\/v\d[^/]*$/.test(each))) {
    const [theirs, own] = await Promise.all(
      [upstream, ours].map(async server => (await get(server, `/${key}`))['resources'] as { name: string }[]),
    );
    const known = new Set(own!.map(({ name }) => name));
    for (const { name } of theirs!) if (!name.includes('/') && !known.has(name)) missing.add(`/${key}/${name}`);
  }
  return missing;
}

/** A document without the paths of some resources, and of v3 without the schemas that only these refer to. */
function without(document: Document, resources: ReadonlySet<string>): Document {
  const isMissing = (path: string): boolean => resources.has(collectionOf(path));
  if (!Object.keys(document.paths).some(isMissing)) return document;
  const paths = Object.fromEntries(Object.entries(document.paths).filter(([path]) => !isMissing(path)));
  const schemas = document.components?.schemas;
  if (!schemas) return { ...document, paths };
  const kept: Json = {};
  const keep = (value: unknown): void => {
    for (const [, name] of JSON.stringify(value).matchAll(/"#\/components\/schemas\/([^"]+)"/g)) {
      if (name! in kept) continue;
      kept[name!] = schemas[name!];
      keep(schemas[name!]);
    }
  };
  keep(paths);
  return { ...document, paths, components: { ...document.components, schemas: kept } };
}

function collectionOf(path: string): string {
  return path.replace(/^(\/api|\/apis\/[^/]+)(\/[^/]+)(\/watch)?(\/namespaces\/\{namespace\})?(\/[^/]+).*$/, '$1$2$5');
}

/** The documents of v3 that may hold a path: its own, or that of its group's version. */
function documentsOf(path: string): string[] {
  const words = path.split('/').slice(1);
  return [words.join('/').replace(/\/$/, ''), words.slice(0, words[0] === 'api' ? 2 : 3).join('/')];
}

async function get(server: Server, path: string): Promise<Json> {
  const { code, body } = await send(server, { method: 'GET', path });
  if (code !== 200) throw new Error(`GET ${path} is answered with ${code}`);
  // Upstream calls its index text.
  return (typeof body === 'string' ? JSON.parse(body) : body) as Json;
}

/** Shared parameters in the places that they are used in. */
function resolved(document: Document): unknown {
  const parameters = (document['parameters'] ?? {}) as Json;
  const walk = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(walk);
    if (typeof value !== 'object' || value === null) return value;
    const reference = (value as Json)['$ref'];
    if (typeof reference === 'string' && reference.startsWith('#/parameters/'))
      return walk(parameters[reference.slice('#/parameters/'.length)]);
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, walk(inner)]));
  };
  return walk(document);
}

function isServedBy(keys: readonly string[]): (group: string, version: string) => boolean {
  const served = new Set(keys);
  return (group, version) => served.has(group ? `apis/${group}/${version}` : `api/${version}`);
}

/** Without descriptions, sets in one order, and kinds of the served groups only where a type belongs to all. */
function normalised(value: unknown, isServed: (group: string, version: string) => boolean, key = ''): unknown {
  if (Array.isArray(value)) {
    const kinds = key === 'x-kubernetes-group-version-kind';
    const list = value
      .filter(each => !kinds || isServed((each as Json)['group'] as string, (each as Json)['version'] as string))
      .map(each => normalised(each, isServed));
    return kinds || key === 'required' || key === 'parameters' ? list.sort((a, b) => (order(a) < order(b) ? -1 : 1)) : list;
  }
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value)
    .filter(([name, inner]) => name !== 'description' || typeof inner !== 'string')
    .map(([name, inner]) => [name, normalised(inner, isServed, name)] as const);
  // A reference is wrapped for the sake of a description only.
  const [first] = entries;
  if (entries.length === 1 && first?.[0] === 'allOf' && (first[1] as unknown[]).length === 1) return (first[1] as unknown[])[0];
  return Object.fromEntries(entries);
}

function order(value: unknown): string {
  const {
    group = '',
    version = '',
    kind = '',
    name = '',
    in: place = '',
  } = (typeof value === 'object' ? value : { name: value }) as Json;
  return [group, version, kind, name, place].map(String).join('/');
}
