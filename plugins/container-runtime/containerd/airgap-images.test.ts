import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { SystemClock } from '../../../core/base/clock.js';
import { CodedError } from '../../../core/base/errors.js';
import type { Clock } from '../../../core/base/clock.js';
import { FakeClock } from '../../../core/base/fake-clock.js';
import { SinkLogger } from '../../../core/base/logger.js';
import type { LogRecord } from '../../../core/base/logger.js';
import { AirgapImages } from './airgap-images.js';

describe('images from a folder', () => {
  let root: string;
  let directory: string;
  let recordFile: string;
  let records: LogRecord[];
  let imported: string[];
  let present: Set<string>;
  let running: AirgapImages[];
  let isFull: boolean;
  let isAway: boolean;

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'airgap-'));
    directory = join(root, 'images');
    recordFile = join(root, 'images.json');
    records = [];
    imported = [];
    present = new Set();
    running = [];
    isFull = false;
    isAway = false;
  });

  afterEach(async () => {
    for (const images of running) await images.stop();
    rmSync(root, { recursive: true, force: true });
  });

  function start(clock: Clock = new SystemClock()): AirgapImages {
    const images = new AirgapImages({
      directory,
      recordFile,
      importer: {
        async importArchive(file) {
          imported.push(basename(file));
          if (readFileSync(file, 'utf8') === 'bad') throw new Error('cut short');
          if (isAway) throw new CodedError('RUNTIME_UNAVAILABLE', 'error reading from server: EOF: unavailable');
          if (isFull) throw new Error(`write ${file}: no space left on device`);
          const name = `example/${basename(file)}:1`;
          present.add(name);
          return [name];
        },
        find: async name => (present.has(name) ? {} : undefined),
      },
      clock,
      logger: new SinkLogger(record => void records.push(record)),
    });
    running.push(images);
    images.start();
    return images;
  }

  /** An archive that was copied long ago. */
  function archive(name: string, content = 'good', ageSeconds = 60): void {
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, name), content);
    const time = Date.now() / 1000 - ageSeconds;
    utimesSync(join(directory, name), time, time);
  }

  async function until(condition: () => boolean): Promise<void> {
    for (const deadline = Date.now() + 5000; !condition();) {
      if (Date.now() > deadline) throw new Error(`waited in vain; imported ${imported.join()}`);
      await new Promise(resolve => setTimeout(resolve, 5));
    }
  }

  const told = (text: string): LogRecord[] => records.filter(({ fields }) => JSON.stringify(fields ?? {}).includes(text));

  it('imports what is there, in order, and nothing that is no archive', async () => {
    for (const name of ['b.tar.gz', 'a.tar', 'c.tar.zst', 'notes.txt', '.hidden']) archive(name);
    const images = start();
    await until(() => imported.length === 3 && told('c.tar.zst').length > 0);
    expect(imported).toEqual(['a.tar', 'b.tar.gz', 'c.tar.zst']);
    expect(images.brought('example/a.tar:1')).toBe(true);
    expect(images.brought('example/other:1')).toBe(false);
  });

  it('says when what was there has arrived, also what was just copied', async () => {
    archive('old.tar');
    archive('new.tar', 'good', 0);
    const images = start();
    await images.arrived();
    expect(imported).toEqual(['old.tar', 'new.tar']);
    expect(present.has('example/new.tar:1')).toBe(true);
    // Nothing is on its way: no waiting.
    await images.arrived();
  });

  it('says when what appears later has arrived, at whatever moment it is asked', async () => {
    const images = start();
    await images.arrived();
    for (const delayMs of [20, 300, 600, 900]) {
      archive(`${delayMs}.tar`, 'good', 0);
      await new Promise(resolve => setTimeout(resolve, delayMs));
      await images.arrived();
      expect(present.has(`example/${delayMs}.tar:1`)).toBe(true);
    }
  });

  it('does not make anybody wait for ever for an archive', async () => {
    archive('slow.tar', 'good', 0);
    const clock = new FakeClock();
    const images = start(clock);
    let isOver = false;
    const waiting = images.arrived().then(() => (isOver = true));
    await new Promise(resolve => setImmediate(resolve));
    expect(isOver).toBe(false);
    await clock.advance(30_000);
    await waiting;
  });

  it('imports what appears and what changes, when it has been written to its end', async () => {
    start();
    await until(() => {
      try {
        archive('new.tar', 'part', 0);
        return true;
      } catch {
        return false;
      }
    });
    writeFileSync(join(directory, 'new.tar'), 'whole');
    await until(() => imported.length === 1);
    archive('new.tar', 'changed', 30);
    await until(() => imported.length === 2);
    expect(imported).toEqual(['new.tar', 'new.tar']);
  });

  it('reports a bad one once and leaves it alone until it changes', async () => {
    archive('bad.tar', 'bad');
    archive('good.tar');
    start();
    await until(() => told('good.tar').length > 0);
    expect(told('bad.tar')).toHaveLength(1);
    expect(told('bad.tar')[0]).toMatchObject({ level: 'error' });
    archive('more.tar');
    await until(() => told('more.tar').length > 0);
    expect(imported).toEqual(['bad.tar', 'good.tar', 'more.tar']);
    archive('bad.tar', 'mended', 20);
    await until(() => imported.length === 4);
    expect(imported[3]).toBe('bad.tar');
  });

  it('tells of a full disk once, and imports when there is room again', async () => {
    archive('big.tar');
    isFull = true;
    const clock = new FakeClock();
    start(clock);
    const timers = async (): Promise<void> => {
      for (const deadline = Date.now() + 5000; clock.pendingTimers === 0;) {
        if (Date.now() > deadline) throw new Error('no further look is planned');
        await new Promise(resolve => setTimeout(resolve, 5));
      }
    };
    for (const look of [1, 2, 3]) {
      isFull = look < 3;
      await timers();
      await clock.advance(60_000);
      await until(() => imported.length === look);
    }
    await until(() => told('big.tar').length === 2);
    expect(told('big.tar').map(({ level, message }) => `${level} ${message}`)).toEqual([
      'error an image archive was not imported: the disk is full (free space; it is tried again every minute)',
      'info images imported',
    ]);
  });

  it('tries again what it imported when the runtime went away, and whoever waits for it goes on waiting', async () => {
    archive('big.tar');
    isAway = true;
    const clock = new FakeClock();
    const images = start(clock);
    let isOver = false;
    const waiting = images.arrived().then(() => (isOver = true));
    for (const look of [1, 2]) {
      await clock.advance(2000);
      await until(() => imported.length === look);
      await until(() => clock.pendingTimers > 1);
    }
    expect(isOver).toBe(false);
    isAway = false;
    await clock.advance(2000);
    await waiting;
    expect(imported).toHaveLength(3);
    expect(images.brought('example/big.tar:1')).toBe(true);
  });

  it('goes on when it cannot write down what it imported', async () => {
    archive('good.tar');
    mkdirSync(`${recordFile}.new`);
    start();
    await until(() => records.some(({ level }) => level === 'warn'));
    expect(records.map(({ message }) => message)).toEqual([
      'images imported',
      'what was imported cannot be written down; the next start imports it again',
    ]);
    archive('more.tar');
    await until(() => told('more.tar').length > 0);
  });

  it('does not read again at the next start what it brought, unless the image is gone', async () => {
    archive('kept.tar');
    archive('lost.tar');
    const first = start();
    await until(() => told('lost.tar').length > 0);
    await first.stop();
    present.delete('example/lost.tar:1');
    imported.length = 0;
    const second = start();
    await until(() => imported.length === 1);
    await second.stop();
    expect(imported).toEqual(['lost.tar']);
    expect(second.brought('example/kept.tar:1')).toBe(true);
  });
});
