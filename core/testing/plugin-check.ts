import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { prepareSinglePlugin, runCluster } from '../cluster/index.js';
import type { SinglePlugin } from '../cluster/index.js';
import { checkArguments, checkEnvironment } from '../cluster/single-plugin.js';
import { errorText } from '../plugin-api/index.js';
import type { Datastore } from '../plugin-api/index.js';
import { datastoreSuite } from './datastore-suite.js';
import type { StoreUnderTest, TestRunner } from './datastore-suite.js';

/** What became of one promise of a plugin. */
export interface PromiseOutcome {
  readonly name: string;
  /** Undefined: kept. */
  readonly error: unknown;
}

/** A promise that is neither kept nor broken after this is broken. */
const caseDeadlineMs = 60_000;

type Suite = (runner: TestRunner) => void;

/** Suites that need no more than the plugin itself, by slot. What they leave out they say in `notes`. */
const suites: Readonly<Record<string, (plugin: SinglePlugin, notes: string[]) => Promise<Suite>>> = {
  async datastore(plugin, notes) {
    const durable = await keepsData(plugin);
    if (!durable)
      notes.push(`${plugin.descriptor.id}: keeps nothing over a stop, so what a store opened again promises was not tried`);
    return runner => datastoreSuite(runner, () => openDatastore(plugin, durable));
  },
};

/**
 * Checks the package in `directory`: its descriptors, their place in a sandbox, a start and a stop there, and the contract suite of
 * their slots. `report` is told each promise as it is known. Resolves whether all were kept, and what was not looked at.
 */
export async function checkPlugin(
  directory: string,
  report: (outcome: PromiseOutcome) => void,
  deadlineMs = caseDeadlineMs,
): Promise<{ kept: boolean; notes: readonly string[] }> {
  let kept = true;
  const attempt = async <T>(name: string, action: () => Promise<T>): Promise<T | undefined> => {
    try {
      const result = await within(action(), deadlineMs);
      report({ name, error: undefined });
      return result;
    } catch (error) {
      kept = false;
      report({ name, error: error ?? new Error('it threw nothing at all') });
      return undefined;
    }
  };
  const path = resolve(directory);
  const plugins = await attempt('wiring: the package loads, and its descriptors fit into a cluster', () =>
    prepareSinglePlugin(path),
  );
  const notes: string[] = [];
  if (!plugins) return { kept, notes };
  await attempt('wiring: it starts in a sandbox, becomes ready and stops', () => startAndStop(path, plugins));
  // The suites could only say the same about what cannot even be built.
  if (!kept) return { kept, notes };
  for (const plugin of plugins) {
    const { id, slot } = plugin.descriptor;
    const suite = Object.hasOwn(suites, slot) ? suites[slot] : undefined;
    if (!suite) notes.push(`${id}: this version has no contract suite for the slot ${slot}`);
    const made = suite && (await attempt(`${id}: opens, closes and opens again`, () => suite(plugin, notes)));
    for (const { name, body } of made ? casesOf(made) : []) await attempt(`${id}: ${name}`, body);
  }
  return { kept, notes };
}

function casesOf(suite: Suite): Case[] {
  const cases: Case[] = [];
  const groups: string[] = [];
  const describe = (name: string, body: () => void): void => {
    groups.push(name);
    body();
    groups.pop();
  };
  suite({ describe, it: (name, body) => cases.push({ name: [...groups, name].join(': '), body }) });
  return cases;
}

interface Case {
  readonly name: string;
  readonly body: () => Promise<void>;
}

async function startAndStop(directory: string, plugins: readonly SinglePlugin[]): Promise<void> {
  const running = await runCluster({
    command: 'server',
    arguments: checkArguments(directory),
    environment: checkEnvironment,
  });
  const states = running.kernel.status();
  await running.stop();
  for (const { descriptor } of plugins) {
    const status = states.find(each => each.id === descriptor.id);
    if (status?.state === 'ready') continue;
    throw new Error(`${descriptor.id} is ${status?.state}: ${errorText(status?.error ?? 'no error was told')}`);
  }
}

async function openDatastore(plugin: SinglePlugin, durable: boolean): Promise<StoreUnderTest> {
  const directory = await mkdtemp(join(tmpdir(), 'k3s-plugin-check-'));
  const open = async (): Promise<{ contract: Datastore; dispose(): Promise<void> }> => {
    const opened = await plugin.makeContract<Datastore>(join(directory, 'data'));
    await opened.contract.open();
    return opened;
  };
  let made = await open();
  const close = async (): Promise<void> => {
    await made.contract.close();
    await made.dispose();
  };
  const reopen = async (): Promise<Datastore> => {
    await close();
    made = await open();
    return made.contract;
  };
  return {
    store: made.contract,
    ...(durable && { reopen }),
    backupPath: () => join(directory, 'backup'),
    async dispose() {
      await close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function keepsData(plugin: SinglePlugin): Promise<boolean> {
  const subject = await openDatastore(plugin, true);
  try {
    await subject.store.create('/kept', Buffer.from('kept'));
    return (await (await subject.reopen!()).get('/kept')) !== undefined;
  } finally {
    await subject.dispose();
  }
}

async function within<T>(promise: Promise<T>, deadlineMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no end within ${deadlineMs} ms`)), deadlineMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
