import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import type { ClusterPaths } from '../contracts/cluster-paths.js';
import { runningServer } from './server-lock.js';
import type { SlotRow } from './slot-table.js';

/** In the data directory, for the owner alone, as long as a server runs there. */
export const statusName = 'server.status.json';

export interface ServerStatus {
  readonly pid: number;
  readonly slots: readonly SlotRow[];
}

/** Tells other processes (`k3s plugin list`) how the parts of this one are: written when something changes, never else. */
export class StatusFile {
  readonly #file: string;
  readonly #rows: () => readonly SlotRow[];
  readonly #logger: Logger;
  #writing: Promise<void> | undefined;
  #changed = false;
  #closed = false;

  constructor({ dataDir }: Pick<ClusterPaths, 'dataDir'>, rows: () => readonly SlotRow[], logger: Logger) {
    this.#file = join(dataDir, statusName);
    this.#rows = rows;
    this.#logger = logger;
  }

  /** Changes that come while the file is written share the next write. */
  changed(): void {
    this.#changed = true;
    this.#writing ??= this.#write().finally(() => (this.#writing = undefined));
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#writing;
    await rm(this.#file, { force: true });
  }

  async #write(): Promise<void> {
    // What changes in the same turn is one change.
    await Promise.resolve();
    try {
      while (this.#changed && !this.#closed) {
        this.#changed = false;
        const status: ServerStatus = { pid: process.pid, slots: this.#rows() };
        // No sync: what a crash leaves of it counts for nothing.
        await writeFile(`${this.#file}.tmp`, JSON.stringify(status), { mode: 0o600 });
        await rename(`${this.#file}.tmp`, this.#file);
      }
    } catch (error) {
      this.#logger.warn('"k3s plugin list" will not see this server', { error });
    }
  }
}

/** How the living server of a data directory is; undefined when there is none, or when it has not said so yet. */
export async function readServerStatus(paths: Pick<ClusterPaths, 'dataDir'>): Promise<ServerStatus | undefined> {
  const server = await runningServer(paths);
  if (!server) return undefined;
  let status: Partial<ServerStatus>;
  try {
    status = JSON.parse(await readFile(join(paths.dataDir, statusName), 'utf8')) as Partial<ServerStatus>;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
  // One of a server that was killed says nothing about the next.
  return status.pid === server.pid && Array.isArray(status.slots) ? { pid: server.pid, slots: status.slots } : undefined;
}
