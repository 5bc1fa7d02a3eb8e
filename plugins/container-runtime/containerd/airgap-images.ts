import { watch } from 'node:fs';
import type { FSWatcher } from 'node:fs';
import { mkdir, readFile, readdir, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { deferred, errorCode, errorText, sleep } from '../../../core/plugin-api/index.js';
import type { Clock, Deferred, Disposable, Logger } from '../../../core/plugin-api/index.js';

export interface AirgapImagesOptions {
  readonly directory: string;
  /** Remembers over starts what was imported, so that large archives are read once. */
  readonly recordFile: string;
  readonly importer: { importArchive(file: string): Promise<string[]>; find(name: string): Promise<unknown> };
  readonly clock: Clock;
  readonly logger: Logger;
}

interface Imported {
  /** Size and time of change of the file. */
  readonly state: string;
  /** Names that it brought; none when it was bad. */
  readonly images: readonly string[];
}

const archiveName = /\.(tar|tar\.gz|tgz|tar\.zst|tar\.zstd)$/;
/** A file is taken when it has not changed for so long: it may still be being copied. */
const settleMs = 500;
const rescanMs = 60_000;
/** The runtime went away during an import, and comes back by itself. */
const awayMs = 2000;
const stopWaitMs = 2000;
/** So long a pull waits for archives that may bring the image. */
const longestArrivalMs = 30_000;

/**
 * Imports the archives in a folder: those that are there at the start, then whatever appears or changes. It runs beside everything
 * else; a bad archive is reported once and left alone until it changes.
 */
export class AirgapImages {
  readonly #options: AirgapImagesOptions;
  /** What was done with, by file name. */
  readonly #seen = new Map<string, Imported>();
  /** Waits for its change to settle. */
  readonly #changing = new Map<string, string>();
  /** Told once. */
  readonly #withoutRoom = new Set<string>();
  #watcher: FSWatcher | undefined;
  #timer: Disposable | undefined;
  #dueMs = 0;
  #running: Promise<void> = Promise.resolve();
  /** There while something of the folder was not dealt with yet: all of it at the start, or what changed. */
  #unsettled: Deferred<void> | undefined;
  /** Something changed since the last look began. */
  #changed = false;
  #stopped = true;

  constructor(options: AirgapImagesOptions) {
    this.#options = options;
  }

  start(): void {
    if (!this.#stopped) return;
    this.#stopped = false;
    this.#running = this.#recall();
    this.#unsettled ??= deferred();
    this.#scan(0);
  }

  /** Waits a moment for an import that runs; one that is left goes on, and is done again by the next start if it was cut. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#watcher?.close();
    this.#watcher = undefined;
    void this.#timer?.dispose();
    this.#timer = undefined;
    this.#settle();
    await Promise.race([this.#running, sleep(this.#options.clock, stopWaitMs)]);
  }

  /**
   * Resolves when all that is in the folder has been imported, also what changed there a moment ago; after 30 s in any case. Without it
   * a pod of the same second would be told that its image cannot be pulled, and wait out the back-off.
   */
  async arrived(): Promise<void> {
    if (!this.#unsettled) return;
    const waiting = new AbortController();
    const late = sleep(this.#options.clock, longestArrivalMs, waiting.signal).catch(() => undefined);
    await Promise.race([this.#unsettled.promise, late]);
    waiting.abort();
  }

  /** Whether an archive in the folder brought the image of this name. */
  brought(name: string): boolean {
    for (const { images } of this.#seen.values()) if (images.includes(name)) return true;
    return false;
  }

  /** Looks in so long at the latest. */
  #scan(delayMs: number): void {
    const { clock, logger } = this.#options;
    const dueMs = clock.monotonicMs() + delayMs;
    if (this.#stopped || (this.#timer && this.#dueMs <= dueMs)) return;
    void this.#timer?.dispose();
    this.#dueMs = dueMs;
    this.#timer = clock.setTimer(delayMs, () => {
      this.#timer = undefined;
      this.#running = this.#running
        .then(() => this.#round())
        .catch((error: unknown) => {
          logger.warn('the folder of images cannot be read', { error: errorText(error) });
          this.#scan(rescanMs);
        })
        .finally(() => {
          if (this.#changing.size === 0 && !this.#changed) this.#settle();
        });
    });
  }

  #settle(): void {
    this.#unsettled?.resolve();
    this.#unsettled = undefined;
  }

  async #round(): Promise<void> {
    if (this.#stopped) return;
    const { directory } = this.#options;
    await mkdir(directory, { recursive: true, mode: 0o755 });
    this.#watch();
    this.#changed = false;
    const present = new Set<string>();
    let nextMs = rescanMs;
    for (const name of (await readdir(directory)).sort()) {
      if (this.#stopped) return;
      if (!archiveName.test(name)) continue;
      present.add(name);
      const state = await fileState(join(directory, name));
      if (state === undefined || this.#seen.get(name)?.state === state.text) continue;
      const settled = this.#changing.get(name) === state.text || Date.now() - state.changedMs > 10 * settleMs;
      if (!settled) {
        this.#changing.set(name, state.text);
        nextMs = Math.min(nextMs, settleMs);
        continue;
      }
      this.#changing.delete(name);
      const images = await this.#import(join(directory, name));
      if (images === 'away') {
        // Not dealt with: who waits for it goes on waiting.
        this.#changed = true;
        nextMs = Math.min(nextMs, awayMs);
        continue;
      }
      // It is tried again at the next look.
      if (images === 'no room') continue;
      this.#seen.set(name, { state: state.text, images });
      await this.#record();
    }
    for (const name of this.#seen.keys()) if (!present.has(name)) this.#seen.delete(name);
    for (const name of this.#changing.keys()) if (!present.has(name)) this.#changing.delete(name);
    this.#scan(nextMs);
  }

  async #import(file: string): Promise<readonly string[] | 'away' | 'no room'> {
    const { importer, logger, clock } = this.#options;
    const startedMs = clock.monotonicMs();
    try {
      const names = await importer.importArchive(file);
      const ms = Math.round(clock.monotonicMs() - startedMs);
      logger.info('images imported', { file, images: names.join(','), ms });
      this.#withoutRoom.delete(file);
      return names;
    } catch (error) {
      if (/no space left on device|disk quota exceeded/i.test(errorText(error))) {
        const text = 'an image archive was not imported: the disk is full (free space; it is tried again every minute)';
        if (!this.#withoutRoom.has(file)) logger.error(text, { file, error: errorText(error) });
        this.#withoutRoom.add(file);
        return 'no room';
      }
      if (errorCode(error) === 'RUNTIME_UNAVAILABLE') {
        logger.warn('an image archive was not imported, trying again', { file, error: errorText(error) });
        return 'away';
      }
      logger.error('an image archive was not imported; it is tried again when it changes', { file, error: errorText(error) });
      return [];
    }
  }

  /** What an earlier start imported counts as long as its images are there. */
  async #recall(): Promise<void> {
    if (this.#seen.size > 0) return;
    const { recordFile, importer, logger } = this.#options;
    try {
      const record: unknown = JSON.parse(await readFile(recordFile, 'utf8'));
      for (const [name, entry] of Object.entries(record as Record<string, Imported>)) {
        const found = await Promise.all(entry.images.map(image => importer.find(image)));
        if (entry.images.length > 0 && found.every(image => image !== undefined)) this.#seen.set(name, entry);
      }
    } catch (error) {
      // Without the record everything is imported again, which does no harm.
      if (errorCode(error) !== 'ENOENT')
        logger.debug('the record of imported images cannot be read', { error: errorText(error) });
    }
  }

  async #record(): Promise<void> {
    const { recordFile, logger } = this.#options;
    try {
      await writeFile(`${recordFile}.new`, JSON.stringify(Object.fromEntries(this.#seen)), { mode: 0o600 });
      await rename(`${recordFile}.new`, recordFile);
    } catch (error) {
      logger.warn('what was imported cannot be written down; the next start imports it again', { error: errorText(error) });
    }
  }

  #watch(): void {
    if (this.#watcher) return;
    const { directory, logger } = this.#options;
    try {
      this.#watcher = watch(directory, { persistent: false }, () => {
        this.#changed = true;
        this.#unsettled ??= deferred();
        this.#scan(settleMs);
      });
      this.#watcher.on('error', error => {
        logger.debug('the folder of images is looked at once a minute only', { error: errorText(error) });
        this.#watcher?.close();
        this.#watcher = undefined;
      });
    } catch (error) {
      logger.debug('the folder of images is looked at once a minute only', { error: errorText(error) });
    }
  }
}

async function fileState(file: string): Promise<{ text: string; changedMs: number } | undefined> {
  try {
    const { size, mtimeMs } = await stat(file);
    return { text: `${size} ${mtimeMs}`, changedMs: mtimeMs };
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
