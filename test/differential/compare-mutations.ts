import { Tables, mutationsOf } from './mutations.js';
import type { Server } from './replay.js';
import { send } from './replay.js';
import type { Seed } from './seeds.js';
import { seeds } from './seeds.js';
import type { Servers } from './tally.js';
import { Tally } from './tally.js';
import { compareUpdates } from './compare-updates.js';

export interface MutationRun extends Servers {
  /** Kinds; all when empty. */
  readonly wanted: ReadonlySet<string>;
  /** So many differences of a kind are printed. */
  readonly limit: number;
}

/** Creates and puts every mutation of every seed on both servers, without storing it. Resolves how many answers differ. */
export async function compareMutations({ upstream, ours, wanted, limit }: MutationRun): Promise<number> {
  const tables = Tables.load();
  const served = await servedResources(ours);
  const tally = new Tally({ upstream, ours }, limit);
  const chosen = seeds(at => served.kindAt(at)).filter(({ kind }) => wanted.size === 0 || wanted.has(kind));
  tally.begin('First bookmark of a watch');
  const watched = chosen.filter(({ at }) => served.resourceAt(at)!.verbs.includes('watch'));
  await Promise.all(watched.map(({ kind, at }) => tally.ask(kind, () => ({ method: 'GET', path: `${at}?${bookmarkQuery}` }))));
  tally.end();
  for (const seed of chosen) {
    const { apiVersion } = seed.body as { apiVersion: string };
    const type = tables.typeOf(apiVersion, seed.kind);
    if (type === undefined) throw new Error(`no type ${apiVersion} ${seed.kind}`);
    const resource = served.resourceAt(seed.at)!;
    await compareCreates(seed, { type, tables, tally });
    await compareUpdates(seed, { type, tables, tally, ...resource, servers: { upstream, ours } });
  }
  return tally.total;
}

interface CreateRun {
  readonly type: string;
  readonly tables: Tables;
  readonly tally: Tally;
}

/** Of no object, so that nothing but the mark of its end comes: an object of the kind without anything. */
const bookmarkQuery = new URLSearchParams({
  watch: 'true',
  timeoutSeconds: '1',
  allowWatchBookmarks: 'true',
  sendInitialEvents: 'true',
  resourceVersionMatch: 'NotOlderThan',
  fieldSelector: 'metadata.name=none',
}).toString();

async function compareCreates({ kind, at, body }: Seed, { type, tables, tally }: CreateRun): Promise<void> {
  tally.begin(kind);
  const path = `${at}?dryRun=All&fieldValidation=Strict`;
  for (const { name, apply } of mutationsOf(body, type, tables)) {
    const changed = apply(body);
    await tally.ask(name, () => ({ method: 'POST', path, body: changed }));
  }
  tally.end();
}

interface ServedAt {
  readonly kind: { readonly apiVersion: string; readonly kind: string };
  readonly verbs: readonly string[];
  readonly hasStatus: boolean;
}

/** What is served at a collection's path, by discovery. */
async function servedResources(server: Server): Promise<{
  kindAt(at: string): ServedAt['kind'] | undefined;
  resourceAt(at: string): ServedAt | undefined;
}> {
  const get = async (path: string): Promise<unknown> => (await send(server, { method: 'GET', path })).body;
  const { groups } = (await get('/apis')) as { groups: { versions: { groupVersion: string }[] }[] };
  const versions = ['v1', ...groups.flatMap(group => group.versions.map(version => version.groupVersion))];
  const known = new Map<string, ServedAt>();
  for (const apiVersion of versions) {
    const base = apiVersion === 'v1' ? '/api/v1' : `/apis/${apiVersion}`;
    const { resources } = (await get(base)) as { resources: { name: string; kind: string; verbs: string[] }[] };
    for (const { name, kind, verbs } of resources) {
      if (name.includes('/') || !verbs.includes('get')) continue;
      const hasStatus = resources.some(other => other.name === `${name}/status`);
      known.set(`${base}/${name}`, { kind: { apiVersion, kind }, verbs, hasStatus });
    }
  }
  const resourceAt = (at: string): ServedAt | undefined => known.get(at.replace(/\/namespaces\/[^/]+\//, '/'));
  return { resourceAt, kindAt: at => resourceAt(at)?.kind };
}
