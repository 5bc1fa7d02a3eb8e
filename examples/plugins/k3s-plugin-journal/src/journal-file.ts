import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { datastoreError, errorCode } from 'k3s-ts/plugin';
import { decodeFrames, encodeFrame } from './frames.js';
import type { JournalRecord } from './frames.js';
import { History } from './history.js';

const format = 1;
/** Records of a rewritten journal go to the disk in frames of about this size. */
const frameBytes = 1024 * 1024;

/** The file of a store. What `append` resolved survives a crash; what it rejected is not in the file. */
export class JournalFile {
  readonly path: string;
  #handle: FileHandle;
  #bytes: number;
  #broken: Error | undefined;

  private constructor(path: string, handle: FileHandle, bytes: number) {
    this.path = path;
    this.#handle = handle;
    this.#bytes = bytes;
  }

  /** Opens or makes the journal in a directory, cuts off what a crash tore, and tells what it holds. */
  static async open(directory: string): Promise<{ file: JournalFile; history: History }> {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const path = join(directory, 'journal');
    await rm(`${path}.new`, { force: true });
    let bytes = await readFile(path).catch((error: unknown) => {
      if (errorCode(error) === 'ENOENT') return undefined;
      throw error;
    });
    if (!bytes) {
      await replace(path, new History());
      bytes = await readFile(path);
    }
    const { records, endBytes } = decodeFrames(bytes);
    const history = replay(records, path);
    const handle = await open(path, 'r+');
    if (endBytes < bytes.length) {
      await handle.truncate(endBytes);
      await handle.datasync();
    }
    return { file: new JournalFile(path, handle, endBytes), history };
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Why nothing can be written any more. */
  get broken(): Error | undefined {
    return this.#broken;
  }

  async append(records: readonly JournalRecord[]): Promise<void> {
    if (this.#broken) throw this.#broken;
    const frame = encodeFrame(records);
    try {
      await writeAll(this.#handle, frame, this.#bytes);
    } catch (error) {
      // What is behind the end would be taken for a commit when it is whole.
      await this.#handle.truncate(this.#bytes).catch((failure: unknown) => this.#break(failure));
      throw error;
    }
    try {
      await this.#handle.datasync();
    } catch (error) {
      // After a failed sync nobody knows what the disk has; only a new start can look.
      throw this.#break(error);
    }
    this.#bytes += frame.length;
  }

  /** Writes what the history holds into a new file and puts it in this one's place. */
  async rewrite(history: History): Promise<void> {
    if (this.#broken) throw this.#broken;
    const bytes = await replace(this.path, history);
    await this.#handle.close();
    this.#handle = await open(this.path, 'r+');
    this.#bytes = bytes;
  }

  /** Faults of the file, against what the memory holds. */
  async check(history: History): Promise<string[]> {
    try {
      const { records, endBytes } = decodeFrames(await readFile(this.path));
      const kept = replay(records, this.path);
      const faults: string[] = [];
      if (endBytes !== this.#bytes) faults.push(`the journal ends at byte ${endBytes}, not at ${this.#bytes}`);
      if (kept.revision !== history.revision)
        faults.push(`the journal ends at revision ${kept.revision}, not ${history.revision}`);
      if (kept.count('') !== history.count(''))
        faults.push(`${kept.count('')} keys in the journal, ${history.count('')} in memory`);
      return faults;
    } catch (error) {
      return [(error as Error).message];
    }
  }

  close(): Promise<void> {
    return this.#handle.close();
  }

  #break(cause: unknown): Error {
    this.#broken = datastoreError('DATASTORE_UNAVAILABLE', `${this.path} cannot be written any more`, { cause });
    return this.#broken;
  }
}

/** A whole journal as one new file, on the disk when it resolves; resolves its size. The file must not exist. */
export async function writeJournal(path: string, history: History): Promise<number> {
  const handle = await open(path, 'wx', 0o600);
  try {
    let bytes = 0;
    let records: JournalRecord[] = [];
    let pendingBytes = 0;
    const flush = async (): Promise<void> => {
      const frame = encodeFrame(records);
      await writeAll(handle, frame, bytes);
      bytes += frame.length;
      records = [];
      pendingBytes = 0;
    };
    for (const record of recordsOf(history)) {
      records.push(record);
      pendingBytes += record.value?.byteLength ?? 0;
      if (pendingBytes > frameBytes) await flush();
    }
    if (records.length > 0) await flush();
    await handle.datasync();
    return bytes;
  } finally {
    await handle.close();
  }
}

/** The new file is whole before it has the name, and has the name for good before anything follows. */
async function replace(path: string, history: History): Promise<number> {
  await rm(`${path}.new`, { force: true });
  const bytes = await writeJournal(`${path}.new`, history);
  await rename(`${path}.new`, path);
  const directory = await open(dirname(path), 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
  return bytes;
}

function* recordsOf(history: History): Generator<JournalRecord> {
  const { compacted, revision } = history;
  yield { kind: 'start', format, revision: compacted };
  for (const { item, expiresAtMs } of history.base()) {
    const { key, value, createRevision, modRevision } = item;
    yield { kind: 'item', key, revision: modRevision, createRevision, expiresAtMs, value };
  }
  for (const { event, expiresAtMs } of history.since(compacted, revision)) {
    const { type, key, createRevision, value } = event;
    yield { kind: type, key, revision: event.revision, createRevision, expiresAtMs, value };
  }
}

function replay(records: readonly JournalRecord[], path: string): History {
  const [start, ...rest] = records;
  if (start?.kind !== 'start') throw datastoreError('DATASTORE_CORRUPT', `${path} does not begin as a journal`);
  if ((start.format ?? 0) > format) {
    throw datastoreError('DATASTORE_NEWER_FORMAT', `${path} was written by a newer version of this plugin`, {
      mend: 'install that version again, or restore a backup',
    });
  }
  const history = new History(start.revision);
  for (const { kind, key = '', revision, createRevision = 0, expiresAtMs = 0, value } of rest) {
    if (kind === 'compact') history.compact(revision);
    else if (kind === 'item') history.restore({ key, value: value!, createRevision, modRevision: revision }, expiresAtMs);
    else if (revision !== history.revision + 1) {
      throw datastoreError('DATASTORE_CORRUPT', `${path}: revision ${revision} follows ${history.revision}`);
    } else {
      const previousValue = history.get(key)?.value;
      const before = previousValue && { previousValue };
      if (kind === 'put') history.apply({ type: kind, key, revision, value: value!, createRevision, ...before }, expiresAtMs);
      else if (kind === 'delete') history.apply({ type: kind, key, revision, ...before }, 0);
    }
  }
  return history;
}

async function writeAll(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    done += (await handle.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
  }
}
