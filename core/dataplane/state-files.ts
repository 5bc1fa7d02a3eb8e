import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from '../base/errors.js';

export interface StateFilesOptions {
  readonly directory: string;
  /** Whether this process is the one whose state counts; a child that is being replaced must not write over its successor's. */
  mayWrite(): boolean;
  /** A file that could not be written; the state in memory is not harmed. */
  onFailure(error: unknown): void;
  /** Between two writes of one file; 500 when absent. */
  readonly intervalMs?: number;
}

interface StateFile {
  readonly format: 1;
  readonly entries: [string, unknown][];
}

const suffix = '.state.json';

/**
 * The last state of each channel in a file of its own, 0600, replaced as a whole: a module begins from it when the child was
 * started again before anybody publishes. A crash loses the last half second, which the publisher sends again.
 */
export class StateFiles {
  readonly #options: StateFilesOptions;
  readonly #dirty = new Map<string, ReadonlyMap<string, string>>();
  readonly #removed = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(options: StateFilesOptions) {
    this.#options = options;
  }

  /** Undefined when there is none, or none that can be read: the publisher sends everything anyway. */
  async read(channel: string): Promise<Map<string, unknown> | undefined> {
    try {
      const file = JSON.parse(await readFile(this.#path(channel), 'utf8')) as Partial<StateFile> | null;
      return file?.format === 1 && Array.isArray(file.entries) ? new Map(file.entries) : undefined;
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') this.#options.onFailure(error);
      return undefined;
    }
  }

  /** `entries` is read when the file is written, soon. */
  changed(channel: string, entries: ReadonlyMap<string, string>): void {
    this.#dirty.set(channel, entries);
    this.#timer ??= setTimeout(() => void this.flush(), this.#options.intervalMs ?? 500).unref();
  }

  /** Removes files of all other channels. */
  keepOnly(channels: ReadonlySet<string>): void {
    this.#writing = this.#writing.then(() => this.#removeOthers(channels)).catch(error => this.#options.onFailure(error));
  }

  flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#writing = this.#writing.then(() => this.#writeAll()).catch(error => this.#options.onFailure(error));
    return this.#writing;
  }

  async #writeAll(): Promise<void> {
    const dirty = [...this.#dirty];
    this.#dirty.clear();
    if (!this.#options.mayWrite()) return;
    for (const [channel, entries] of dirty) {
      if (this.#removed.has(channel)) continue;
      // Values are JSON already; parsing them only to print them again would double the work.
      const lines = Array.from(entries, ([key, value]) => `[${JSON.stringify(key)},${value}]`);
      const path = this.#path(channel);
      await writeFile(`${path}.new`, `{"format":1,"entries":[${lines.join(',')}]}`, { mode: 0o600 });
      await rename(`${path}.new`, path);
    }
  }

  async #removeOthers(channels: ReadonlySet<string>): Promise<void> {
    for (const channel of channels) this.#removed.delete(channel);
    if (!this.#options.mayWrite()) return;
    for (const name of await readdir(this.#options.directory)) {
      if (!name.endsWith(suffix)) continue;
      const channel = name.slice(0, -suffix.length);
      if (channels.has(channel)) continue;
      this.#removed.add(channel);
      await rm(join(this.#options.directory, name), { force: true });
    }
  }

  #path(channel: string): string {
    return join(this.#options.directory, `${channel}${suffix}`);
  }
}
