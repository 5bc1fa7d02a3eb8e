import { existsSync } from 'node:fs';
import { mkdir, readFile, readdir, rmdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { CodedError, errorCode, errorText } from '../base/errors.js';

/** What a group may use. Absent: left as it is. */
export interface CgroupLimits {
  /** Of version 1's scale; version 2's weight is computed from it. */
  readonly cpuShares?: number;
  readonly cpuPeriodMicros?: number;
  /** -1: no limit. */
  readonly cpuQuotaMicros?: number;
  /** -1: no limit. */
  readonly memoryBytes?: number;
  /** Processes and threads. */
  readonly pids?: number;
}

/** The kernel's control groups, by their paths below the hierarchy's root: `/kubepods/burstable`. */
export interface Cgroups {
  readonly version: 1 | 2;
  /** Makes the group where it is not there and writes its limits. Errors: `CGROUP_REFUSED`. */
  ensure(path: string, limits: CgroupLimits): Promise<void>;
  /**
   * Removes the group with those below it; no error when it is gone. Rejects `CGROUP_BUSY` when something still runs in it; that is
   * killed unless `spare` is set, so that a later try succeeds.
   */
  remove(path: string, options?: { readonly spare?: boolean }): Promise<void>;
  /** Names of the groups in it; none when it is not there. */
  children(path: string): Promise<string[]>;
  /** Ids of what runs in it and in the groups right below; none when it is not there. */
  processes(path: string): Promise<number[]>;
  /** Memory that cannot be taken back by dropping clean pages; undefined when there is no such group. */
  memoryWorkingSetBytes(path: string): Promise<number | undefined>;
  /** Whether the group has this file: what there is depends on how the kernel was built and booted. */
  offers(path: string, file: string): Promise<boolean>;
}

const defaultRoot = '/sys/fs/cgroup';

/** Looks which version this machine uses. Throws `CGROUP_MISSING`. */
export async function hostCgroups(root = defaultRoot): Promise<Cgroups> {
  if (existsSync(join(root, 'cgroup.controllers'))) return new UnifiedCgroups(root);
  const mounts = parseCgroupMounts(await readFile('/proc/self/mounts', 'utf8'), root);
  if (!mounts.controllers.has('memory') || !mounts.controllers.has('cpu')) {
    throw new CodedError('CGROUP_MISSING', `no control groups for memory and cpu are mounted at ${root}`, {
      mend: 'mount them, or boot with cgroup_enable=memory',
    });
  }
  return new SplitCgroups(mounts);
}

export interface CgroupMounts {
  /** Where each controller of version 1 is mounted. */
  readonly controllers: ReadonlyMap<string, string>;
  /** Every hierarchy, of both versions: a runtime makes its groups in all of them. */
  readonly directories: readonly string[];
}

/** Exported for tests. */
export function parseCgroupMounts(text: string, root = defaultRoot): CgroupMounts {
  const controllers = new Map<string, string>();
  const directories: string[] = [];
  for (const line of text.split('\n')) {
    const [, directory = '', type, options = ''] = line.split(' ');
    if ((type !== 'cgroup' && type !== 'cgroup2') || !directory.startsWith(`${root}/`)) continue;
    directories.push(directory);
    if (type === 'cgroup') for (const option of options.split(',')) controllers.set(option, directory);
  }
  return { controllers, directories };
}

/** Version 1: a hierarchy for each controller. */
export class SplitCgroups implements Cgroups {
  readonly version = 1;
  readonly #mounts: CgroupMounts;

  constructor(mounts: CgroupMounts) {
    this.#mounts = mounts;
  }

  async ensure(path: string, limits: CgroupLimits): Promise<void> {
    checkPath(path);
    // The others are made by the runtime, which knows what cpuset asks for.
    for (const controller of ['cpu', 'memory']) await make(join(this.#of(controller), path));
    const write = (controller: string, file: string, value: number | undefined): Promise<void> =>
      value === undefined ? Promise.resolve() : put(join(this.#of(controller), path, file), String(value));
    await write('cpu', 'cpu.shares', limits.cpuShares);
    await write('cpu', 'cpu.cfs_period_us', limits.cpuPeriodMicros);
    await write('cpu', 'cpu.cfs_quota_us', limits.cpuQuotaMicros);
    await write('memory', 'memory.limit_in_bytes', limits.memoryBytes);
    if (limits.pids === undefined || !this.#mounts.controllers.has('pids')) return;
    await make(join(this.#of('pids'), path));
    await write('pids', 'pids.max', limits.pids);
  }

  async remove(path: string, { spare = false } = {}): Promise<void> {
    checkPath(path);
    let busy = false;
    for (const directory of this.#mounts.directories) busy = (await removeTree(join(directory, path), spare)) || busy;
    if (busy) throw stillBusy(path);
  }

  async children(path: string): Promise<string[]> {
    checkPath(path);
    const names = new Set<string>();
    for (const directory of this.#mounts.directories)
      for (const name of await directories(join(directory, path))) names.add(name);
    return [...names];
  }

  async processes(path: string): Promise<number[]> {
    checkPath(path);
    return processesBelow(join(this.#of('cpu'), path));
  }

  async memoryWorkingSetBytes(path: string): Promise<number | undefined> {
    const directory = join(this.#of('memory'), path === '/' ? '' : path);
    return workingSet(directory, 'memory.usage_in_bytes', 'total_inactive_file');
  }

  async offers(path: string, file: string): Promise<boolean> {
    checkPath(path);
    return this.#mounts.directories.some(directory => existsSync(join(directory, path, file)));
  }

  #of(controller: string): string {
    return this.#mounts.controllers.get(controller)!;
  }
}

/** Version 2: one hierarchy. */
export class UnifiedCgroups implements Cgroups {
  readonly version = 2;
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  async ensure(path: string, limits: CgroupLimits): Promise<void> {
    checkPath(path);
    const directory = join(this.#root, path);
    if (!existsSync(directory)) {
      let parent = this.#root;
      for (const name of path.slice(1).split('/')) {
        await delegate(parent);
        parent = join(parent, name);
        await make(parent);
      }
    }
    await delegate(directory);
    if (limits.cpuShares !== undefined) await put(join(directory, 'cpu.weight'), String(cpuWeight(limits.cpuShares)));
    if (limits.cpuQuotaMicros !== undefined) {
      const quota = limits.cpuQuotaMicros < 0 ? 'max' : String(limits.cpuQuotaMicros);
      await put(join(directory, 'cpu.max'), `${quota} ${limits.cpuPeriodMicros ?? 100_000}`);
    }
    if (limits.memoryBytes !== undefined) {
      await put(join(directory, 'memory.max'), limits.memoryBytes < 0 ? 'max' : String(limits.memoryBytes));
    }
    if (limits.pids !== undefined) await put(join(directory, 'pids.max'), String(limits.pids));
  }

  async remove(path: string, { spare = false } = {}): Promise<void> {
    checkPath(path);
    if (await removeTree(join(this.#root, path), spare)) throw stillBusy(path);
  }

  async children(path: string): Promise<string[]> {
    checkPath(path);
    return directories(join(this.#root, path));
  }

  async processes(path: string): Promise<number[]> {
    checkPath(path);
    return processesBelow(join(this.#root, path));
  }

  async memoryWorkingSetBytes(path: string): Promise<number | undefined> {
    return workingSet(join(this.#root, path === '/' ? '' : path), 'memory.current', 'inactive_file');
  }

  async offers(path: string, file: string): Promise<boolean> {
    checkPath(path);
    return existsSync(join(this.#root, path, file));
  }
}

/** The weight that stands for shares: 1024 becomes 100. Source: opencontainers/cgroups ConvertCPUSharesToCgroupV2Value. */
export function cpuWeight(shares: number): number {
  if (shares <= 2) return 1;
  if (shares >= 262_144) return 10_000;
  const log = Math.log2(shares);
  return Math.ceil(10 ** ((log * log + 125 * log) / 612 - 7 / 34));
}

/** Lets the groups in a directory use the controllers that it has. */
async function delegate(directory: string): Promise<void> {
  const available = (await readText(join(directory, 'cgroup.controllers')))?.trim().split(' ').filter(Boolean) ?? [];
  const enabled = new Set((await readText(join(directory, 'cgroup.subtree_control')))?.trim().split(' ') ?? []);
  const missing = available.filter(name => ['cpu', 'cpuset', 'io', 'memory', 'pids'].includes(name) && !enabled.has(name));
  if (missing.length > 0) await put(join(directory, 'cgroup.subtree_control'), missing.map(name => `+${name}`).join(' '));
}

async function make(directory: string): Promise<void> {
  try {
    await mkdir(directory, { recursive: true });
  } catch (error) {
    throw refused(directory, error);
  }
}

async function put(file: string, value: string): Promise<void> {
  try {
    await writeFile(file, value);
  } catch (error) {
    throw refused(file, error);
  }
}

function refused(place: string, cause: unknown): CodedError {
  const busy = errorCode(cause) === 'EBUSY' && place.endsWith('cgroup.subtree_control');
  const mend = busy
    ? `move the processes out of ${dirname(place)} into a group of their own`
    : 'run as root with writable cgroups';
  return new CodedError('CGROUP_REFUSED', `the control group ${place} could not be written: ${errorText(cause)}`, {
    cause,
    mend,
  });
}

function stillBusy(path: string): CodedError {
  return new CodedError('CGROUP_BUSY', `processes still run in the control group ${path}`);
}

/** True: something runs in it, and was killed unless it is to be spared. */
async function removeTree(directory: string, spare: boolean): Promise<boolean> {
  let busy = false;
  for (const name of await directories(directory)) busy = (await removeTree(join(directory, name), spare)) || busy;
  if (busy) return true;
  try {
    await rmdir(directory);
    return false;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false;
    if (errorCode(error) !== 'EBUSY') throw refused(directory, error);
  }
  if (spare) return true;
  for (const pid of ((await readText(join(directory, 'cgroup.procs'))) ?? '').split('\n').map(Number)) {
    // Not this process, whoever put it there; 0 is one of another process namespace.
    if (pid > 1 && pid !== process.pid) kill(pid);
  }
  return true;
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    // It has just ended.
    if (errorCode(error) !== 'ESRCH') throw error;
  }
}

async function directories(directory: string): Promise<string[]> {
  try {
    return (await readdir(directory, { withFileTypes: true })).filter(entry => entry.isDirectory()).map(({ name }) => name);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  }
}

async function processesBelow(directory: string): Promise<number[]> {
  const places = [directory, ...(await directories(directory)).map(name => join(directory, name))];
  const texts = await Promise.all(places.map(place => readText(join(place, 'cgroup.procs'))));
  return texts.flatMap(text => (text ?? '').split('\n').filter(Boolean).map(Number));
}

async function workingSet(directory: string, usageFile: string, inactiveField: string): Promise<number | undefined> {
  const [usage, stat] = await Promise.all([readText(join(directory, usageFile)), readText(join(directory, 'memory.stat'))]);
  if (usage === undefined) return undefined;
  const inactive = Number(new RegExp(`^${inactiveField} (\\d+)`, 'm').exec(stat ?? '')?.[1] ?? 0);
  return Math.max(0, Number(usage) - inactive);
}

async function readText(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function checkPath(path: string): void {
  if (!/^(\/[A-Za-z0-9_][A-Za-z0-9_.-]*)+$/.test(path)) {
    throw new CodedError('CGROUP_INVALID', `${JSON.stringify(path)} is not the path of a control group`);
  }
}

/** Keeps groups for tests. */
export class RecordingCgroups implements Cgroups {
  version: 1 | 2 = 2;
  /** Files that groups do not have. */
  readonly lacking = new Set<string>();
  readonly groups = new Map<string, CgroupLimits>();
  readonly writes: string[] = [];
  /** Groups in which something runs: removing one fails once. */
  readonly busy = new Set<string>();

  async ensure(path: string, limits: CgroupLimits): Promise<void> {
    checkPath(path);
    this.groups.set(path, { ...this.groups.get(path), ...limits });
    this.writes.push(`${path} ${JSON.stringify(limits)}`);
  }

  async remove(path: string): Promise<void> {
    checkPath(path);
    if (this.busy.delete(path)) throw stillBusy(path);
    for (const known of [...this.groups.keys()]) if (`${known}/`.startsWith(`${path}/`)) this.groups.delete(known);
  }

  async children(path: string): Promise<string[]> {
    const below = [...this.groups.keys()].filter(known => known.startsWith(`${path}/`));
    return [...new Set(below.map(known => known.slice(path.length + 1).split('/')[0]!))];
  }

  async processes(): Promise<number[]> {
    return [];
  }

  async memoryWorkingSetBytes(path: string): Promise<number | undefined> {
    return this.groups.has(path) ? 0 : undefined;
  }

  async offers(path: string, file: string): Promise<boolean> {
    return this.groups.has(path) && !this.lacking.has(file);
  }
}
