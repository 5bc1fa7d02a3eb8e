import { resolve } from 'node:path';
import { prepareSinglePlugin, runCluster } from '../cluster/index.js';
import type { SinglePlugin } from '../cluster/index.js';
import { checkArguments, checkEnvironment } from '../cluster/single-plugin.js';
import { errorText } from '../plugin-api/index.js';
import { slotChecks } from './checks/slot-checks.js';
import { casesOf } from './test-runner.js';

/** What became of one promise of a plugin. */
export interface PromiseOutcome {
  readonly name: string;
  /** Undefined: kept. */
  readonly error: unknown;
}

export interface CheckOptions {
  /** Flags of `k3s server` that the plugin needs: where its engine is, which addresses it may give ... */
  readonly flags?: readonly string[];
  /** A promise that is neither kept nor broken after this is broken; 60 s when absent. */
  readonly deadlineMs?: number;
}

/**
 * Checks the package in `directory`: its descriptors, their place in a sandbox, a start and a stop there, and the contract suite of
 * their slots. `report` is told each promise as it is known. Resolves whether all were kept, and what was not looked at.
 */
export async function checkPlugin(
  directory: string,
  report: (outcome: PromiseOutcome) => void,
  { flags = [], deadlineMs = 60_000 }: CheckOptions = {},
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
    prepareSinglePlugin(path, flags),
  );
  const notes: string[] = [];
  if (!plugins) return { kept, notes };
  await attempt('wiring: it starts in a sandbox, becomes ready and stops', () => startAndStop(path, flags, plugins));
  // The suites could only say the same about what cannot even be built.
  if (!kept) return { kept, notes };
  for (const plugin of plugins) {
    const { id, slot } = plugin.descriptor;
    const note = (text: string): void => void notes.push(`${id}: ${text}`);
    const check = Object.hasOwn(slotChecks, slot) ? slotChecks[slot] : undefined;
    if (!check) note(`this version has no contract suite for the slot ${slot}`);
    const suite = check && (await attempt(`${id}: can be made and used`, () => check(plugin, { directory: path, flags, note })));
    for (const { name, body } of suite ? casesOf(suite) : []) await attempt(`${id}: ${name}`, body);
  }
  return { kept, notes };
}

async function startAndStop(directory: string, flags: readonly string[], plugins: readonly SinglePlugin[]): Promise<void> {
  const running = await runCluster({
    command: 'server',
    arguments: checkArguments(directory, flags),
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
