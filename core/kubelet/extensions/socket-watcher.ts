import { watch } from 'node:fs';
import type { FSWatcher } from 'node:fs';
import { lstat, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';

export interface SocketListener {
  /** Also of one that took the place of another. */
  appeared(socketPath: string): void;
  gone(socketPath: string): void;
}

export interface SocketWatcherOptions {
  /** Made when it is not there. */
  readonly directory: string;
  readonly listener: SocketListener;
  readonly logger: Logger;
}

/** Tells of the sockets in a folder and the folders in it. Names that begin with a dot are nobody's. */
export class SocketWatcher {
  readonly #options: SocketWatcherOptions;
  /** Which file a known path was, so that one made anew under the same name is told apart. */
  readonly #sockets = new Map<string, string>();
  readonly #folders = new Map<string, FSWatcher>();
  /** One look at a time: what came before is known to what comes after. */
  #looking: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(options: SocketWatcherOptions) {
    this.#options = options;
  }

  /** Resolves when what is there was told. Rejects when the folder cannot be made or watched. */
  async start(): Promise<void> {
    const { directory } = this.#options;
    await mkdir(directory, { recursive: true, mode: 0o750 });
    await this.#addFolder(directory);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    for (const folder of this.#folders.values()) folder.close();
    this.#folders.clear();
    await this.#looking;
  }

  async #addFolder(folder: string): Promise<void> {
    if (this.#stopped || this.#folders.has(folder)) return;
    // Watched first and read then: nothing comes between.
    const watcher = watch(folder, (event, name) => {
      if (event === 'rename' && name !== null) this.#lookLater(join(folder, name), name);
    });
    watcher.on('error', error => this.#options.logger.warn('a folder of plugins is not watched any more', { folder, error }));
    this.#folders.set(folder, watcher);
    for (const name of await readdir(folder)) await this.#look(join(folder, name), name);
  }

  #lookLater(path: string, name: string): void {
    this.#looking = this.#looking
      .then(() => this.#look(path, name))
      .catch(error => this.#options.logger.warn('a plugin was not looked at', { path, error }));
  }

  async #look(path: string, name: string): Promise<void> {
    if (this.#stopped || name.startsWith('.')) return;
    const found = await statistics(path);
    if (this.#stopped) return;
    if (found?.isDirectory()) return this.#addFolder(path);
    if (this.#folders.has(path)) this.#removeFolder(path);
    const known = this.#sockets.get(path);
    if (found?.isSocket()) {
      const identity = `${found.ino}:${found.birthtimeNs}`;
      if (known === identity) return;
      this.#sockets.set(path, identity);
      this.#options.listener.appeared(path);
    } else if (known !== undefined) {
      this.#sockets.delete(path);
      this.#options.listener.gone(path);
    }
  }

  /** What was in it is told of here: of a folder that was moved away nobody else does. */
  #removeFolder(path: string): void {
    for (const [folder, watcher] of this.#folders) {
      if (folder !== path && !folder.startsWith(`${path}/`)) continue;
      watcher.close();
      this.#folders.delete(folder);
    }
    for (const socket of this.#sockets.keys()) {
      if (!socket.startsWith(`${path}/`)) continue;
      this.#sockets.delete(socket);
      this.#options.listener.gone(socket);
    }
  }
}

async function statistics(path: string) {
  try {
    return await lstat(path, { bigint: true });
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
