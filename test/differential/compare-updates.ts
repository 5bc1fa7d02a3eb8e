import type { Tables } from './mutations.js';
import { mutationsOf } from './mutations.js';
import { patchesOf } from './patches.js';
import type { Answer, Server } from './replay.js';
import { send, shows } from './replay.js';
import type { Seed } from './seeds.js';
import type { Servers, Tally } from './tally.js';

export interface UpdateRun {
  readonly type: string;
  readonly tables: Tables;
  readonly tally: Tally;
  readonly servers: Servers;
  readonly verbs: readonly string[];
  readonly hasStatus: boolean;
}

type Stored = { metadata: { name: string } };

const query = 'dryRun=All&fieldValidation=Strict';

/** Stores a seed on both servers and puts every mutation of what they keep, of its status too, and some patches. */
export async function compareUpdates({ kind, at, body, status, settled }: Seed, run: UpdateRun): Promise<void> {
  const { tally, verbs, hasStatus } = run;
  if (!verbs.includes('update') || !verbs.includes('create')) return;
  tally.begin(`${kind} stored`);
  let answers = await tally.ask('the seed', () => ({ method: 'POST', path: at, body }));
  const path = `${at}/${(body as Stored).metadata.name}`;
  try {
    if (answers.some(({ code }) => code !== 201)) return;
    if (settled !== undefined) {
      for (const server of Object.values(run.servers) as Server[]) await shows(server, path, settled);
      answers = await tally.ask('the seed as it stays', () => ({ method: 'GET', path }));
    }
    await putAll(run, path, answers, false);
    const [expectedPatches, givenPatches] = answers.map(answer => [...patchesOf(answer.body as Record<string, unknown>)]);
    for (const [index, { name, type, force, patch }] of expectedPatches!.entries()) {
      const fields = type.includes('apply') ? `&fieldManager=other${force ? '&force=true' : ''}` : '';
      await tally.ask(`${name}${force ? ', by force' : ''}`, server => ({
        method: 'PATCH',
        path: `${path}?${query}${fields}`,
        type,
        body: server === run.servers.upstream ? patch : givenPatches?.[index]?.patch,
      }));
    }
    tally.end();
    if (!hasStatus) return;
    tally.begin(`${kind} status`);
    const [expected, given] = answers.map(answer => ({ ...(answer.body as object), ...(status ? { status } : {}) }));
    const stored = await tally.ask('the seed', server => ({
      method: 'PUT',
      path: `${path}/status`,
      body: server === run.servers.upstream ? expected : given,
    }));
    if (stored.every(({ code }) => code === 200)) await putAll(run, `${path}/status`, stored, true);
  } finally {
    tally.end();
    for (const server of Object.values(run.servers) as Server[]) {
      await send(server, { method: 'DELETE', path, body: { propagationPolicy: 'Background', gracePeriodSeconds: 0 } });
    }
  }
}

async function putAll(
  { tally, type, tables, servers }: UpdateRun,
  path: string,
  stored: Answer[],
  status: boolean,
): Promise<void> {
  const [expected, given] = stored.map(answer => answer.body as object) as [object, object];
  for (const { name, apply } of mutationsOf(expected, type, tables, { status })) {
    await tally.ask(name, server => ({
      method: 'PUT',
      path: `${path}?${query}`,
      body: apply(server === servers.upstream ? expected : given),
    }));
  }
}
