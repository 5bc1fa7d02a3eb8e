import { appendFileSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { deferred } from '../../base/deferred.js';
import { FakeClock } from '../../base/fake-clock.js';
import { silentLogger } from '../../base/logger.js';
import type { ContainerRuntime, ContainerState } from '../../contracts/container-runtime.js';
import type { LogFollower } from './log-file.js';
import { readLogFile } from './log-file.js';
import { LogRotator } from './log-rotator.js';
import type { LogOptions } from './log-selection.js';
import { LogSelection } from './log-selection.js';

const nowMs = Date.parse('2026-01-01T00:01:00Z');
const record = (second: number, text: string, tag = 'F'): string =>
  `2026-01-01T00:00:${String(second).padStart(2, '0')}.000000001Z stdout ${tag} ${text}\n`;

class ManualFollower implements LogFollower {
  ended = false;
  #pending = deferred();

  changed(): Promise<void> {
    return this.#pending.promise;
  }

  reset(): void {
    this.#pending = deferred();
  }

  wake(): void {
    this.#pending.resolve();
  }
}

describe('logs in files', () => {
  let directory: string;
  let path: string;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'log-file-'));
    path = join(directory, '0.log');
  });

  afterEach(() => rmSync(directory, { recursive: true }));

  async function read(options: LogOptions = {}): Promise<string> {
    let text = '';
    const selection = new LogSelection(options, nowMs);
    for await (const chunk of readLogFile({ path, selection, tailLines: options.tailLines })) text += chunk.toString();
    return text;
  }

  it('shows the text, joins what was split, and leaves out what is no record', async () => {
    writeFileSync(path, `${record(1, 'a', 'P')}${record(1, 'b')}garbage\n${record(2, '')}${record(3, ' c d ')}`);
    expect(await read()).toBe('ab\n\n c d \n');
    expect(await read({ timestamps: true })).toBe(
      '2026-01-01T00:00:01.000000001Z ab\n2026-01-01T00:00:02.000000001Z \n2026-01-01T00:00:03.000000001Z  c d \n',
    );
  });

  it('begins at a time, and ends at a number of bytes', async () => {
    writeFileSync(path, Array.from({ length: 50 }, (_, i) => record(i, `line ${i}`)).join(''));
    expect(await read({ sinceSeconds: 12 })).toBe('line 48\nline 49\n');
    expect(await read({ sinceTime: '2026-01-01T00:00:49Z' })).toBe('line 49\n');
    expect(await read({ limitBytes: 10 })).toBe('line 0\nlin');
  });

  it('shows the last lines, wherever blocks end', async () => {
    const lines = Array.from({ length: 20_000 }, (_, i) => record(1, `line ${i}`));
    writeFileSync(path, lines.join(''));
    for (const tailLines of [0, 1, 3, 999, 5000, 20_000, 30_000]) {
      const text = await read({ tailLines });
      const expected = Math.min(tailLines, 20_000);
      expect(text.split('\n').length - 1).toBe(expected);
      if (expected > 0) expect(text.startsWith(`line ${20_000 - expected}\n`)).toBe(true);
    }
  });

  it('follows what is added, over a rotation, until the end', async () => {
    writeFileSync(path, record(1, 'one'));
    const follower = new ManualFollower();
    const reader = readLogFile({ path, selection: new LogSelection({}, nowMs), follower });
    const next = async (): Promise<string> => String((await reader.next()).value);
    expect(await next()).toBe('one\n');
    const second = next();
    appendFileSync(path, record(2, 'two').slice(0, 20));
    follower.wake();
    appendFileSync(path, record(2, 'two').slice(20));
    follower.wake();
    expect(await second).toBe('two\n');
    appendFileSync(path, record(3, 'last of the old'));
    renameSync(path, `${path}.1`);
    writeFileSync(path, record(4, 'first of the new'));
    expect(await next()).toBe('last of the old\n');
    expect(await next()).toBe('first of the new\n');
    const end = reader.next();
    follower.ended = true;
    follower.wake();
    expect((await end).done).toBe(true);
  });

  it('rotates what has grown too long and keeps the newest few', async () => {
    const clock = new FakeClock(nowMs);
    const state = { id: 'c1', name: 'web', state: 'running', logPath: path } as ContainerState;
    const reopened: string[] = [];
    const runtime = {
      reopenLog: async (id: string) => {
        reopened.push(id);
        writeFileSync(path, '');
      },
    } as unknown as ContainerRuntime;
    const options = { runtime, clock, logger: silentLogger, containers: () => [state], maximumBytes: 100, maximumFiles: 3 };
    const rotator = new LogRotator(options);
    writeFileSync(path, 'short');
    await rotator.rotate();
    expect(reopened).toEqual([]);
    for (let round = 0; round < 4; round++) {
      writeFileSync(path, `${round}`.repeat(200));
      await rotator.rotate();
      await clock.advance(1000);
    }
    expect(reopened.length).toBe(4);
    const names = readdirSync(directory).sort();
    expect(names).toEqual(['0.log', '0.log.20260101-000102.gz', '0.log.20260101-000103']);
    expect(gunzipSync(readFileSync(join(directory, names[1]!))).toString()).toBe('2'.repeat(200));
  });

  it('puts the log back when the runtime does not open a new one', async () => {
    const state = { id: 'c1', name: 'web', state: 'running', logPath: path } as ContainerState;
    const runtime = { reopenLog: () => Promise.reject(new Error('no')) } as unknown as ContainerRuntime;
    const options = { runtime, clock: new FakeClock(nowMs), logger: silentLogger, containers: () => [state] };
    writeFileSync(path, 'x'.repeat(200));
    await new LogRotator({ ...options, maximumBytes: 100 }).rotate();
    expect(readdirSync(directory)).toEqual(['0.log']);
  });
});
