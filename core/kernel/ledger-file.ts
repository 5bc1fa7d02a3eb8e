import { mkdir, open, readFile, rename } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { CodedError, errorCode } from '../base/errors.js';
import type { Ledger, LedgerEntry } from '../contracts/ledger.js';

type Line = LedgerEntry & { readonly gone?: true };

/**
 * The ledger as a file of JSON lines: an entry is appended when made and once more, with `gone`, when removed. The file is
 * rewritten without the dead lines when it is opened. A torn last line, left by a crash, was never acknowledged and is dropped.
 * Errors: `LEDGER_CORRUPT` with the line's number; those of the file system.
 */
export class LedgerFile {
  readonly #path: string;
  readonly #entries = new Map<string, LedgerEntry>();
  #file: FileHandle | undefined;
  /** Writes go one after the other; the file is opened by the first. */
  #queue: Promise<void> = Promise.resolve();
  #opened: Promise<void> | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /** The view of one owner, as parts get it. */
  forOwner(owner: string): Ledger {
    return {
      record: (kind, name, detail) => this.#write({ owner, kind, name, ...(detail && { detail }) }),
      forget: (kind, name) => this.#write({ owner, kind, name, gone: true }),
      list: () => this.list(owner),
    };
  }

  /** Entries of one owner, or all, oldest first. */
  async list(owner?: string): Promise<readonly LedgerEntry[]> {
    await this.#open();
    await this.#queue;
    return [...this.#entries.values()].filter(entry => owner === undefined || entry.owner === owner);
  }

  /** Everybody who has an entry. */
  async owners(): Promise<readonly string[]> {
    return [...new Set((await this.list()).map(entry => entry.owner))];
  }

  /** Closes the file after the running writes; a later call opens it again. */
  async close(): Promise<void> {
    await this.#opened?.catch(() => undefined);
    await this.#queue;
    const file = this.#file;
    this.#file = undefined;
    this.#opened = undefined;
    this.#entries.clear();
    await file?.close();
  }

  async #write(line: Line): Promise<void> {
    await this.#open();
    const write = this.#queue.then(async () => {
      if (line.gone && !this.#entries.has(keyOf(line))) return;
      await this.#file!.appendFile(JSON.stringify(line) + '\n');
      await this.#file!.datasync();
      this.#apply(line);
    });
    this.#queue = write.catch(() => undefined);
    await write;
  }

  #open(): Promise<void> {
    this.#opened ??= this.#load().catch((error: unknown) => {
      this.#opened = undefined;
      throw error;
    });
    return this.#opened;
  }

  async #load(): Promise<void> {
    await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 });
    let text = '';
    try {
      text = await readFile(this.#path, 'utf8');
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') throw error;
    }
    const lines = text.split('\n');
    // What follows the last newline was not written to its end.
    lines.pop();
    this.#entries.clear();
    for (const [index, line] of lines.entries()) this.#apply(this.#parse(line, index + 1));
    const fresh = `${this.#path}.new`;
    const file = await open(fresh, 'w', 0o600);
    try {
      for (const entry of this.#entries.values()) await file.appendFile(JSON.stringify(entry) + '\n');
      await file.datasync();
      await rename(fresh, this.#path);
    } catch (error) {
      await file.close();
      throw error;
    }
    this.#file = file;
  }

  #parse(line: string, number: number): Line {
    try {
      const value = JSON.parse(line) as Partial<Line> | null;
      if (typeof value?.owner === 'string' && typeof value.kind === 'string' && typeof value.name === 'string')
        return value as Line;
    } catch (error) {
      throw this.#corrupt(number, error);
    }
    throw this.#corrupt(number, undefined);
  }

  #corrupt(number: number, cause: unknown): CodedError {
    const mend = 'move the file away and remove by hand what earlier runs left on this host';
    return new CodedError('LEDGER_CORRUPT', `${this.#path}, line ${number}, is not an entry`, { cause, mend });
  }

  #apply(line: Line): void {
    const key = keyOf(line);
    if (line.gone) this.#entries.delete(key);
    else this.#entries.set(key, line);
  }
}

function keyOf({ owner, kind, name }: LedgerEntry): string {
  return JSON.stringify([owner, kind, name]);
}
