import {
  closeSync,
  createReadStream,
  createWriteStream,
  fchownSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  renameSync,
  statSync,
  writeSync,
} from 'node:fs';
import { readdir, rm, stat } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import type { Clock } from '../../base/clock.js';
import { errorCode, errorText } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';

export interface RotationLimits {
  /** 0: the file grows without end, and none of the rest is heeded. */
  readonly maxSizeBytes: number;
  /** 0: as many as there are. */
  readonly maxBackups: number;
  /** By the time in their names; 0: for ever. */
  readonly maxAgeDays: number;
  /** Of backups, to `.gz`. */
  readonly compress: boolean;
}

export interface RotatingFileOptions extends RotationLimits {
  readonly path: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

const fileMode = 0o600;
const directoryMode = 0o700;
const dayMs = 24 * 3600 * 1000;
const compressedSuffix = '.gz';
const stampPattern = /^(\d{4}-\d\d-\d\d)T(\d\d)-(\d\d)-(\d\d\.\d{3})$/;

interface Backup {
  readonly name: string;
  /** Without the suffix of compression: both forms are one backup. */
  readonly plainName: string;
  readonly timeMs: number;
}

/**
 * A file that is renamed to `NAME-<time>.EXT` when it gets too large, and whose oldest backups go. Writes reach the file before they
 * return; they are as short as a line, and go to the page cache. Source: what natefinch/lumberjack v2 does for upstream.
 */
export class RotatingFile {
  readonly #options: RotatingFileOptions;
  #descriptor: number | undefined;
  #sizeBytes = 0;
  #tidying: Promise<void> | undefined;
  #tidyAgain = false;

  constructor(options: RotatingFileOptions) {
    this.#options = options;
  }

  /** Makes the file where there is none, so that a path that cannot be written is known at the start. Throws what Node says. */
  prepare(): void {
    const { path } = this.#options;
    mkdirSync(dirname(path), { recursive: true, mode: directoryMode });
    closeSync(openSync(path, 'a+', fileMode));
  }

  /** Throws what Node says (ENOSPC ...). What a write that failed left of its line is taken away again. */
  write(line: string): void {
    const bytes = Buffer.from(line);
    const { maxSizeBytes } = this.#options;
    if (maxSizeBytes > 0 && bytes.length > maxSizeBytes)
      throw new Error(`write length ${bytes.length} exceeds maximum file size ${maxSizeBytes}`);
    if (this.#descriptor === undefined) this.#open(bytes.length);
    else if (maxSizeBytes > 0 && this.#sizeBytes + bytes.length > maxSizeBytes) this.#rotate();
    const descriptor = this.#descriptor!;
    let written = 0;
    try {
      while (written < bytes.length) written += writeSync(descriptor, bytes, written);
    } catch (error) {
      if (written > 0) ftruncateSync(descriptor, this.#sizeBytes);
      throw error;
    }
    this.#sizeBytes += bytes.length;
  }

  /** Resolves when old backups are out of the way. */
  async close(): Promise<void> {
    this.#closeFile();
    await this.#tidying;
  }

  #closeFile(): void {
    if (this.#descriptor === undefined) return;
    closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }

  #open(nextBytes: number): void {
    const { path, maxSizeBytes } = this.#options;
    this.#tidy();
    const sizeBytes = sizeOf(path);
    if (maxSizeBytes > 0 && sizeBytes !== undefined && sizeBytes + nextBytes >= maxSizeBytes) return this.#rotate();
    mkdirSync(dirname(path), { recursive: true, mode: directoryMode });
    this.#descriptor = openSync(path, 'a', fileMode);
    this.#sizeBytes = sizeBytes ?? 0;
  }

  #rotate(): void {
    const { path } = this.#options;
    this.#closeFile();
    let before: { mode: number; uid: number; gid: number } | undefined;
    if (sizeOf(path) !== undefined) {
      before = statSync(path);
      renameSync(path, this.#backupName());
    }
    const descriptor = openSync(path, 'a', before ? before.mode & 0o7777 : fileMode);
    this.#descriptor = descriptor;
    if (before) {
      const { uid, gid } = fstatSync(descriptor);
      if (uid !== before.uid || gid !== before.gid) fchownSync(descriptor, before.uid, before.gid);
    }
    this.#sizeBytes = 0;
    this.#tidy();
  }

  #backupName(): string {
    const { path, clock } = this.#options;
    const { prefix, extension } = this.#nameParts();
    const stamp = new Date(clock.now()).toISOString().slice(0, -1).replaceAll(':', '-');
    return join(dirname(path), `${prefix}${stamp}${extension}`);
  }

  #nameParts(): { readonly prefix: string; readonly extension: string } {
    const name = basename(this.#options.path);
    const extension = extname(name);
    return { prefix: `${name.slice(0, name.length - extension.length)}-`, extension };
  }

  /** One run at a time, and one more for what happened meanwhile. */
  #tidy(): void {
    const { maxSizeBytes, maxBackups, maxAgeDays, compress, logger } = this.#options;
    if (maxSizeBytes === 0 || (maxBackups === 0 && maxAgeDays === 0 && !compress)) return;
    this.#tidyAgain = true;
    this.#tidying ??= (async () => {
      while (this.#tidyAgain) {
        this.#tidyAgain = false;
        try {
          await this.#tidyOnce();
        } catch (error) {
          logger.warn('old audit logs could not be cleared away', { error: errorText(error) });
        }
      }
      this.#tidying = undefined;
    })();
  }

  async #tidyOnce(): Promise<void> {
    const { path, maxBackups, maxAgeDays, compress, clock } = this.#options;
    const directory = dirname(path);
    const oldestMs = clock.now() - maxAgeDays * dayMs;
    const kept = new Set<string>();
    for (const { name, plainName, timeMs } of await this.#backups()) {
      const file = join(directory, name);
      kept.add(plainName);
      const tooMany = maxBackups > 0 && kept.size > maxBackups;
      if (tooMany || (maxAgeDays > 0 && timeMs < oldestMs)) await rm(file, { force: true });
      else if (compress && name === plainName) await compressed(file);
    }
  }

  /** The youngest first. */
  async #backups(): Promise<Backup[]> {
    const { prefix, extension } = this.#nameParts();
    const backups: Backup[] = [];
    for (const entry of await readdir(dirname(this.#options.path), { withFileTypes: true })) {
      if (entry.isDirectory() || !entry.name.startsWith(prefix)) continue;
      const { name } = entry;
      const plainName = name.endsWith(compressedSuffix) ? name.slice(0, -compressedSuffix.length) : name;
      if (!plainName.endsWith(extension)) continue;
      const match = stampPattern.exec(plainName.slice(prefix.length, plainName.length - extension.length));
      const timeMs = match ? Date.parse(`${match[1]}T${match[2]}:${match[3]}:${match[4]}Z`) : NaN;
      if (!Number.isNaN(timeMs)) backups.push({ name, plainName, timeMs });
    }
    return backups.sort((a, b) => b.timeMs - a.timeMs);
  }
}

function sizeOf(path: string): number | undefined {
  try {
    return statSync(path).size;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

async function compressed(file: string): Promise<void> {
  const target = `${file}${compressedSuffix}`;
  const { mode } = await stat(file);
  try {
    await pipeline(createReadStream(file), createGzip(), createWriteStream(target, { mode: mode & 0o7777 }));
  } catch (error) {
    await rm(target, { force: true });
    throw error;
  }
  await rm(file);
}
