import { lstat, mkdir, readdir, readlink, rm, rmdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import type { ContainerState } from '../../contracts/container-runtime.js';
import type { Ledger } from '../../contracts/ledger.js';
import { podNameLabel, podNamespaceLabel } from '../runtime/runtime-labels.js';

export interface LogLinksOptions {
  /** `/var/log/containers`. */
  readonly directory: string;
  readonly podLogsDir: string;
  readonly ledger?: Ledger | undefined;
  readonly logger: Logger;
}

/** The kind of its entry in the ledger, named by the directory. */
export const logLinksKind = 'log-links';
const nameLimit = 255;
const suffix = '.log';

/**
 * One link in one directory to each container's log, named `POD_NAMESPACE_CONTAINER-ID.log`: collectors of logs look there. What it
 * is told is done in order, and never fails the caller. Source: pkg/kubelet/kuberuntime/legacy.go.
 */
export class LogLinks {
  readonly #options: LogLinksOptions;
  readonly #linked = new Set<string>();
  #work: Promise<void> = Promise.resolve();

  constructor(options: LogLinksOptions) {
    this.#options = options;
  }

  /** Before the first container is told of. Never rejects: pods run without links too. */
  start(): Promise<void> {
    return this.#then(async () => {
      const { directory, ledger, podLogsDir } = this.#options;
      await ledger?.record(logLinksKind, directory, { podLogsDir });
      await mkdir(directory, { recursive: true, mode: 0o755 });
    });
  }

  /** A container is there, in whatever state; again and again. */
  put(container: ContainerState): void {
    const { id, logPath, state } = container;
    if (this.#linked.has(id) || logPath === '' || (state !== 'running' && state !== 'exited')) return;
    this.#linked.add(id);
    void this.#then(async () => {
      // A link to nothing would stay in the way of its collector.
      if (!(await exists(logPath))) return void this.#linked.delete(id);
      await link(logPath, this.#path(container));
    });
  }

  drop(container: ContainerState): void {
    if (!this.#linked.delete(container.id)) return;
    void this.#then(() => rm(this.#path(container), { force: true }));
  }

  /** All containers have been told of: what else of ours lies there is of containers that went while nobody looked. */
  sweep(): Promise<void> {
    return this.#then(async () => {
      const { directory, podLogsDir } = this.#options;
      for (const name of await linksInto(directory, podLogsDir)) {
        const id = name.slice(name.lastIndexOf('-') + 1, -suffix.length);
        // Of a long name the end of the id is cut off.
        const known = this.#linked.has(id) || (name.length === nameLimit && [...this.#linked].some(own => own.startsWith(id)));
        if (!known) await rm(join(directory, name), { force: true });
      }
    });
  }

  /** Links stay as their containers do. */
  stop(): Promise<void> {
    return this.#work;
  }

  #path({ id, labels, name }: ContainerState): string {
    const { [podNameLabel]: podName, [podNamespaceLabel]: namespace } = labels;
    const text = `${podName}_${namespace}_${name}-${id}`.slice(0, nameLimit - suffix.length);
    return join(this.#options.directory, `${text}${suffix}`);
  }

  #then(work: () => Promise<void>): Promise<void> {
    this.#work = this.#work.then(work).catch(error => {
      const { directory, logger } = this.#options;
      logger.warn("links to containers' logs could not be kept", { directory, error });
    });
    return this.#work;
  }
}

/** Takes away the links into a node's logs, and the directory when nothing else is in it. */
export async function removeLogLinks(directory: string, podLogsDir: string): Promise<void> {
  for (const name of await linksInto(directory, podLogsDir)) await rm(join(directory, name), { force: true });
  try {
    await rmdir(directory);
  } catch (error) {
    if (!['ENOENT', 'ENOTEMPTY', 'EEXIST'].includes(errorCode(error) ?? '')) throw error;
  }
}

async function linksInto(directory: string, podLogsDir: string): Promise<string[]> {
  const names: string[] = [];
  for (const name of await entriesOf(directory)) {
    if (!name.endsWith(suffix)) continue;
    if ((await target(join(directory, name)))?.startsWith(`${podLogsDir}/`)) names.push(name);
  }
  return names;
}

async function entriesOf(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  }
}

/** Undefined for what is no link. */
async function target(path: string): Promise<string | undefined> {
  try {
    return await readlink(path);
  } catch (error) {
    if (errorCode(error) === 'EINVAL' || errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

async function link(to: string, path: string): Promise<void> {
  try {
    await symlink(to, path);
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error;
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false;
    throw error;
  }
}
