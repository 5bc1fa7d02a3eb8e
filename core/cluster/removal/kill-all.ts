import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { sleep, SystemClock } from '../../base/clock.js';
import type { Clock } from '../../base/clock.js';
import { CodedError, errorCode, errorText } from '../../base/errors.js';
import type { ContainerRuntime } from '../../contracts/container-runtime.js';
import { isAlive as isChildAlive, readRecord, signalChild } from '../../dataplane/child-record.js';
import { HostCommands } from '../../host/commands.js';
import type { Commands } from '../../host/commands.js';
import { mountPoints } from '../../host/mounts.js';
import { findByArgument } from '../../host/process-identity.js';
import { LedgerFile } from '../../kernel/ledger-file.js';
import { clusterError } from '../cluster-errors.js';
import { hasMarker } from '../foreign-k3s.js';
import { dataplaneDirectory } from '../parts/dataplane-part.js';
import type { PreparedCluster } from '../prepare-cluster.js';
import { openRuntime } from '../runtime-access.js';
import { runningServer } from '../server-lock.js';
import { processesIn, readBundles, removeCgroups, removeNetworkResults } from './bundles.js';
import type { BundleRemains } from './bundles.js';
import { removeIfEmpty } from './entries.js';
import { notePodLogs } from './pod-logs.js';
import { endProcesses, findProgram, withDescendants } from './processes.js';
import { removeRecorded } from './recorded.js';

export interface KillAllOptions {
  readonly prepared: PreparedCluster;
  /** Stops a server that runs, instead of refusing. */
  readonly force: boolean;
  /** One line for each thing that was removed. */
  report(line: string): void;
  readonly clock?: Clock;
  readonly commands?: Commands;
}

const serverGraceMs = 60_000;
const containerdGraceMs = 10_000;
const dataplaneGraceMs = 5000;
const podsDeadlineMs = 60_000;

/**
 * Takes everything off this host that a cluster runs and has made here, but its data: pods, runtime, dataplane, mounts, namespaces,
 * links, tables, cgroups. Only what is provably of this data directory is touched; twice is once. Every step is tried, and the
 * errors are thrown together. Throws `SERVER_RUNNING`, and `NOT_OURS` for a directory that no server of ours has marked.
 */
export async function killAll(options: KillAllOptions): Promise<void> {
  const { prepared, report, clock = new SystemClock(), commands = new HostCommands() } = options;
  const { paths } = prepared;
  if (!(await exists(paths.dataDir))) return;
  if (!(await hasMarker(paths))) {
    throw clusterError('NOT_OURS', `${paths.dataDir} is no data directory of this k3s; nothing was touched`, {
      mend: 'name the right one with --data-dir',
    });
  }
  await stopServer(options, clock);
  const attempt = new Attempts();
  const remains = await endContainers(prepared, { report, clock, commands, attempt });
  await attempt.run(() => endDataplane(dataplaneDirectory(paths), report, clock));
  await unmountAll(prepared, remains, { report, clock, commands, attempt });
  await attempt.run(async () => {
    if (!(await exists(paths.ledgerFile))) return;
    const ledger = new LedgerFile(paths.ledgerFile);
    try {
      await removeRecorded(ledger, await ledger.list(), { commands, report, attempt });
    } finally {
      await ledger.close();
    }
  });
  await attempt.run(async () => {
    if (!(await exists(paths.runDir))) return;
    await refuseMounts(paths.runDir);
    await rm(paths.runDir, { recursive: true, force: true });
    report(`removed ${paths.runDir}`);
  });
  attempt.finish();
}

export interface RemovalTools {
  readonly report: (line: string) => void;
  readonly clock: Clock;
  readonly commands: Commands;
  readonly attempt: Attempts;
}

/** Ends all pods of our own containerd, and then containerd. What is left of them on the host is the result. */
export async function endContainers(prepared: PreparedCluster, { report, clock, attempt }: RemovalTools): Promise<BundleRemains> {
  const { paths } = prepared;
  const stateDirectory = join(paths.runDir, 'containerd');
  const remains = await readBundles(stateDirectory);
  await attempt.run(() => notePodLogs(paths));
  await attempt.run(() => removePods(prepared, report, clock));
  await attempt.run(async () => {
    const configuration = join(paths.agent.etcDir, 'containerd', 'config.toml');
    const runtimes = findByArgument(configuration);
    await endProcesses(runtimes, containerdGraceMs, clock);
    for (const { pid } of runtimes) report(`ended containerd (pid ${pid})`);
    const shims = withDescendants(findProgram('containerd-shim', join(stateDirectory, 'containerd.sock')));
    const orphans = await processesIn(remains.cgroups);
    await endProcesses([...shims, ...orphans], 0, clock);
    if (shims.length + orphans.length > 0) report(`ended ${shims.length + orphans.length} processes of containers`);
  });
  return remains;
}

/** What containers held on the host: mounts, network namespaces, cgroups. */
export async function unmountAll(prepared: PreparedCluster, remains: BundleRemains, tools: RemovalTools): Promise<void> {
  const { paths } = prepared;
  const { report, commands, attempt } = tools;
  for (const directory of [paths.runDir, paths.agent.kubeletDir, paths.dataDir]) {
    await attempt.run(() => unmountBelow(directory, commands, report));
  }
  await attempt.run(() => removeNamespaces(remains, commands, report));
  await attempt.run(async () => {
    const count = await removeCgroups(remains.cgroups);
    if (count > 0) report(`removed ${count} cgroups of containers`);
  });
  await attempt.run(async () => {
    if (!prepared.ownsHost) return;
    const count = await removeNetworkResults(remains.cgroups);
    if (count > 0) report(`removed ${count} files of pods' networks from /var/lib/cni`);
    // Others may use them, too.
    for (const folder of ['/run/containerd/s', '/run/containerd', '/run/netns']) await removeIfEmpty(folder);
  });
}

/** Collects errors, so that one thing that cannot be removed does not keep the rest. */
export class Attempts {
  readonly #errors: unknown[] = [];

  async run(step: () => Promise<unknown>): Promise<boolean> {
    try {
      await step();
      return true;
    } catch (error) {
      this.#errors.push(error);
      return false;
    }
  }

  get errors(): readonly unknown[] {
    return this.#errors;
  }

  finish(): void {
    if (this.#errors.length > 0) throw new AggregateError(this.#errors, 'not everything could be removed');
  }
}

async function stopServer({ prepared, force, report }: KillAllOptions, clock: Clock): Promise<void> {
  const server = await runningServer(prepared.paths);
  if (!server) return;
  if (!force) {
    throw clusterError('SERVER_RUNNING', `a server of ${prepared.paths.dataDir} runs (pid ${server.pid})`, {
      mend: 'stop it first, or add --force',
    });
  }
  await endProcesses([server], serverGraceMs, clock);
  report(`stopped the server (pid ${server.pid})`);
}

/** The runtime's own way, which also frees addresses and namespaces. Where it does not answer, force does the rest. */
async function removePods(prepared: PreparedCluster, report: (line: string) => void, clock: Clock): Promise<void> {
  let runtime: ContainerRuntime;
  try {
    runtime = await openRuntime(prepared);
  } catch (error) {
    if (['NOT_OURS', 'RUNTIME_NOT_HERE'].includes(errorCode(error) ?? '')) return;
    throw error;
  }
  const sandboxes = await runtime.listSandboxes();
  const removals = sandboxes.map(async ({ id, podNamespace, podName }) => {
    await runtime.stopSandbox(id);
    await runtime.removeSandbox(id);
    report(`removed pod ${podNamespace}/${podName}`);
  });
  // What fails or takes too long here is ended by force below.
  const settled = Promise.allSettled(removals).then(results => {
    for (const result of results) {
      if (result.status === 'rejected') report(`a pod is ended by force: ${errorText(result.reason)}`);
    }
  });
  const limit = new AbortController();
  await Promise.race([settled, sleep(clock, podsDeadlineMs, limit.signal).catch(() => undefined)]);
  limit.abort();
}

export async function endDataplane(directory: string, report: (line: string) => void, clock: Clock): Promise<void> {
  const record = await readRecord(directory);
  if (!record || !signalChild(record, 'SIGTERM')) return;
  for (const deadline = clock.monotonicMs() + dataplaneGraceMs; isChildAlive(record);) {
    if (clock.monotonicMs() >= deadline) signalChild(record, 'SIGKILL');
    await sleep(clock, 20);
  }
  report(`ended the dataplane (pid ${record.pid})`);
}

async function unmountBelow(directory: string, commands: Commands, report: (line: string) => void): Promise<void> {
  const points = await mountPoints(directory);
  // A mount on the directory itself was there before us: a disk of its own.
  for (const point of points.reverse().filter(each => each !== directory)) {
    await commands.run({ command: 'umount', arguments: ['-l', '--', point] });
    report(`unmounted ${point}`);
  }
}

/** Throws rather than let a removal run into something mounted. */
export async function refuseMounts(directory: string): Promise<void> {
  const [point] = await mountPoints(directory);
  if (point === undefined) return;
  throw new CodedError('STILL_MOUNTED', `${point} is mounted, so that ${directory} is not removed`, { mend: `umount ${point}` });
}

async function removeNamespaces(
  { networkNamespaces }: BundleRemains,
  commands: Commands,
  report: (line: string) => void,
): Promise<void> {
  for (const file of networkNamespaces) {
    if (!(await exists(file))) continue;
    if ((await mountPoints(file)).length > 0) await commands.run({ command: 'umount', arguments: ['-l', '--', file] });
    await rm(file, { force: true });
    report(`removed network namespace ${file}`);
  }
}

export async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return false;
    throw error;
  }
}
