import { firstDifference, same } from './difference.js';
import { Tables, mutationsOf } from './mutations.js';
import { comparable, send } from './replay.js';
import type { Server } from './replay.js';
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
      if (same(expected, given)) continue;
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
