import { Tables, mutationsOf } from './mutations.js';
import { comparable, send } from './replay.js';
import type { Answer, Server } from './replay.js';
import { seeds } from './seeds.js';

export interface MutationRun {
  readonly upstream: Server;
  readonly ours: Server;
  /** Kinds; all when empty. */
  readonly wanted: ReadonlySet<string>;
  /** So many differences of a kind are printed. */
  readonly limit: number;
}

/** Creates every mutation of every seed on both servers, without storing it, and prints where the answers differ. Resolves how many. */
export async function compareMutations({ upstream, ours, wanted, limit }: MutationRun): Promise<number> {
  const tables = Tables.load();
  const kinds = await kindsByCollection(ours);
  let differences = 0;
  for (const { kind, at, body } of seeds(path => kinds(path))) {
    if (wanted.size > 0 && !wanted.has(kind)) continue;
    const { apiVersion } = body as { apiVersion: string };
    const type = tables.typeOf(apiVersion, kind);
    if (type === undefined) throw new Error(`no type ${apiVersion} ${kind}`);
    const path = `${at}?dryRun=All&fieldValidation=Strict`;
    let asked = 0;
    let differ = 0;
    for (const mutation of mutationsOf(body, type, tables)) {
      asked++;
      const [expected, given] = await Promise.all(
        [upstream, ours].map(async server => comparable(await send(server, { method: 'POST', path, body: mutation.body }))),
      );
      if (JSON.stringify(sorted(expected!)) === JSON.stringify(sorted(given!))) continue;
      if (++differ > limit) continue;
      console.log(`${kind}, ${mutation.name}\n${firstDifference(expected!, given!)}`);
    }
    console.log(`${kind}: ${asked} objects, ${differ} answered differently`);
    differences += differ;
  }
  return differences;
}

/** The kind of the objects of a collection, by discovery; undefined for what is not served. */
async function kindsByCollection(server: Server): Promise<(at: string) => { apiVersion: string; kind: string } | undefined> {
  const get = async (path: string): Promise<unknown> => (await send(server, { method: 'GET', path })).body;
  const { groups } = (await get('/apis')) as { groups: { versions: { groupVersion: string }[] }[] };
  const versions = ['v1', ...groups.flatMap(group => group.versions.map(version => version.groupVersion))];
  const known = new Map<string, { apiVersion: string; kind: string }>();
  for (const apiVersion of versions) {
    const base = apiVersion === 'v1' ? '/api/v1' : `/apis/${apiVersion}`;
    const { resources } = (await get(base)) as { resources: { name: string; kind: string; verbs: string[] }[] };
    for (const { name, kind, verbs } of resources) {
      if (!name.includes('/') && verbs.includes('get')) known.set(`${base}/${name}`, { apiVersion, kind });
    }
  }
  return at => known.get(at.replace(/\/namespaces\/[^/]+\//, '/'));
}

/** Keys in one order; causes too, since upstream walks some maps in a random one. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([key, inner]) => [key, sorted(inner)] as const);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** What differs first, found by walking both answers side by side. */
function firstDifference(expected: Answer, given: Answer): string {
  const walk = (left: unknown, right: unknown, path: string): string | undefined => {
    if (JSON.stringify(sorted(left)) === JSON.stringify(sorted(right))) return undefined;
    if (typeof left === 'object' && typeof right === 'object' && left && right && Array.isArray(left) === Array.isArray(right)) {
      const keys = new Set([...Object.keys(left), ...Object.keys(right)]);
      for (const key of keys) {
        const found = walk((left as Record<string, unknown>)[key], (right as Record<string, unknown>)[key], `${path}.${key}`);
        if (found) return found;
      }
    }
    const text = (value: unknown): string => (JSON.stringify(value) ?? 'absent').slice(0, 500);
    return `  ${path || 'answer'}\n    upstream: ${text(left)}\n    ours:     ${text(right)}`;
  };
  if (expected.code !== given.code) {
    const text = ({ code, body }: Answer): string =>
      `${code} ${String((body as { message?: string }).message ?? '').slice(0, 500)}`;
    return `    upstream: ${text(expected)}\n    ours:     ${text(given)}`;
  }
  return walk(expected, given, '')!;
}
