import { readFile } from 'node:fs/promises';
import type { Commands } from '../../../core/host/commands.js';

/** Where a path is mounted. Source: proc_pid_mountinfo(5). */
export interface MountFacts {
  readonly mountPoint: string;
  readonly type: string;
  readonly source: string;
  readonly options: readonly string[];
}

export interface QuotaRequest {
  readonly path: string;
  readonly project: number;
  /** 0: none. */
  readonly limitBytes: number;
}

/** Limits of the size of directories. */
export interface ProjectQuotas {
  /** Undefined: sizes can be enforced there; else why not. */
  refusal(path: string): Promise<string | undefined>;
  /** Makes the directory a project and limits it. */
  limit(request: QuotaRequest): Promise<void>;
  /** Takes the limit away; the directory may be gone. */
  clear(path: string, project: number): Promise<void>;
}

const blockBytes = 1024;

/** Project quotas of xfs and ext4, set by `chattr` and `setquota`, which speak to both. */
export class HostProjectQuotas implements ProjectQuotas {
  readonly #commands: Commands;
  readonly #readMounts: () => Promise<string>;

  constructor(commands: Commands, readMounts: () => Promise<string> = () => readFile('/proc/self/mountinfo', 'utf8')) {
    this.#commands = commands;
    this.#readMounts = readMounts;
  }

  async refusal(path: string): Promise<string | undefined> {
    const mount = await this.#mountOf(path);
    if (!mount) return 'its mount is unknown';
    const { type, mountPoint, options } = mount;
    if (type !== 'xfs' && type !== 'ext4')
      return `the file system ${type} at ${mountPoint} has no project quotas that k3s can set`;
    if (!options.some(option => option === 'prjquota' || option === 'pquota')) {
      return `${mountPoint} (${type}) is not mounted with the option prjquota`;
    }
    return undefined;
  }

  async limit({ path, project, limitBytes }: QuotaRequest): Promise<void> {
    const mount = await this.#mountOf(path);
    // First the limit, by the program that is missing more often: then there is no project without one.
    await this.#setLimit(project, Math.ceil(limitBytes / blockBytes), mount?.mountPoint ?? path);
    await this.#commands.run({ command: 'chattr', arguments: ['-p', String(project), '+P', path] });
  }

  async clear(path: string, project: number): Promise<void> {
    const mount = await this.#mountOf(path);
    if (mount) await this.#setLimit(project, 0, mount.mountPoint);
  }

  async #setLimit(project: number, blocks: number, mountPoint: string): Promise<void> {
    const limits = [String(blocks), String(blocks), '0', '0'];
    await this.#commands.run({ command: 'setquota', arguments: ['-P', String(project), ...limits, mountPoint] });
  }

  async #mountOf(path: string): Promise<MountFacts | undefined> {
    return mountOf(await this.#readMounts(), path);
  }
}

/** The mount that holds a path: the deepest; of several at one point the last. */
export function mountOf(mountInfo: string, path: string): MountFacts | undefined {
  let found: MountFacts | undefined;
  for (const line of mountInfo.split('\n')) {
    const [left, right] = line.split(' - ', 2);
    if (left === undefined || right === undefined) continue;
    const mountPoint = unescapeOctal(left.split(' ')[4] ?? '');
    const [type = '', source = '', superOptions = ''] = right.split(' ');
    const below = mountPoint === '/' || path === mountPoint || path.startsWith(`${mountPoint}/`);
    if (!below || (found && mountPoint.length < found.mountPoint.length)) continue;
    const options = [...(left.split(' ')[5] ?? '').split(','), ...superOptions.split(',')];
    found = { mountPoint, type, source: unescapeOctal(source), options };
  }
  return found;
}

function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_match, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}

/** A project number for a volume: always the same for one uid unless another volume has it. */
export function projectNumber(uid: string, taken: ReadonlySet<number>): number {
  // Administrators number their projects from 1: ours begin far above.
  const [first, span] = [1 << 20, (1 << 30) - (1 << 20)];
  let hash = 2166136261;
  for (const char of uid) hash = Math.imul(hash ^ char.charCodeAt(0), 16777619) >>> 0;
  let number = first + (hash % span);
  while (taken.has(number)) number = number + 1 < first + span ? number + 1 : first;
  return number;
}
