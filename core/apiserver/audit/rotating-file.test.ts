import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { FakeClock } from '../../base/fake-clock.js';
import { silentLogger } from '../../base/logger.js';
import type { RotationLimits } from './rotating-file.js';
import { RotatingFile } from './rotating-file.js';

const startMs = Date.UTC(2026, 0, 2, 3, 4, 5, 678);
const secondMs = 1000;

describe('a rotating file', () => {
  let root: string;
  let directory: string;
  let clock: FakeClock;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'rotating-'));
    directory = join(root, 'logs');
    clock = new FakeClock(startMs);
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  const open = (limits: Partial<RotationLimits> = {}): RotatingFile => {
    const file = new RotatingFile({
      path: join(directory, 'audit.log'),
      maxSizeBytes: 10,
      maxBackups: 0,
      maxAgeDays: 0,
      compress: false,
      ...limits,
      clock,
      logger: silentLogger,
    });
    file.prepare();
    return file;
  };
  const names = (): string[] => readdirSync(directory).sort();
  const text = (name = 'audit.log'): string => readFileSync(join(directory, name), 'utf8');
  const mode = (path: string): number => statSync(path).mode & 0o777;

  it('is the owner’s alone, and goes on where it stopped', async () => {
    const first = open();
    first.write('one\n');
    await first.close();
    const second = open();
    second.write('two\n');
    await second.close();
    expect(text()).toBe('one\ntwo\n');
    expect([mode(directory), mode(join(directory, 'audit.log'))]).toEqual([0o700, 0o600]);
  });

  it('is renamed with the time before it gets too large, and when it is found so', async () => {
    const file = open();
    file.write('12345\n');
    file.write('123\n');
    await clock.advance(secondMs);
    file.write('next\n');
    await file.close();
    expect(names()).toEqual(['audit-2026-01-02T03-04-06.678.log', 'audit.log']);
    expect([text('audit-2026-01-02T03-04-06.678.log'), text()]).toEqual(['12345\n123\n', 'next\n']);
    expect(mode(join(directory, 'audit.log'))).toBe(0o600);
    await clock.advance(secondMs);
    const again = open();
    again.write('12345\n');
    await again.close();
    expect(text('audit-2026-01-02T03-04-07.678.log')).toBe('next\n');
    expect(() => again.write('12345678901')).toThrow('write length 11 exceeds maximum file size 10');
  });

  it('grows without end where it has no limit', async () => {
    const file = open({ maxSizeBytes: 0 });
    for (let index = 0; index < 5; index++) file.write('12345678\n');
    await file.close();
    expect([names(), text().length]).toEqual([['audit.log'], 45]);
  });

  it('keeps so many backups and no more, none that are too old, and nothing of others is touched', async () => {
    mkdirSync(directory);
    const others = ['audit-2025.log', 'other-2020-01-01T00-00-00.000.log', 'audit-2020-01-01T00-00-00.000.txt'];
    for (const name of [...others, 'audit-2025-12-01T00-00-00.000.log']) writeFileSync(join(directory, name), '');
    const file = open({ maxBackups: 2, maxAgeDays: 7 });
    for (let index = 0; index < 4; index++) {
      file.write('12345678\n');
      await clock.advance(secondMs);
    }
    await file.close();
    const kept = ['audit-2026-01-02T03-04-07.678.log', 'audit-2026-01-02T03-04-08.678.log', 'audit.log'];
    expect(names()).toEqual([...others, ...kept].sort());
    await clock.advance(8 * 24 * 3600 * secondMs);
    const later = open({ maxBackups: 2, maxAgeDays: 7 });
    later.write('x');
    await later.close();
    expect(names()).toEqual([...others, 'audit.log', 'audit-2026-01-10T03-04-09.678.log'].sort());
  });

  it('compresses backups, and counts them once', async () => {
    const file = open({ compress: true, maxBackups: 1 });
    file.write('12345678\n');
    file.write('next\n');
    await file.close();
    expect(names()).toEqual(['audit-2026-01-02T03-04-05.678.log.gz', 'audit.log']);
    const packed = join(directory, 'audit-2026-01-02T03-04-05.678.log.gz');
    expect([gunzipSync(readFileSync(packed)).toString(), mode(packed)]).toEqual(['12345678\n', 0o600]);
  });

  it('says what keeps it from being written', () => {
    writeFileSync(directory, 'a file');
    expect(() => open()).toThrow(/ENOTDIR|EEXIST/);
  });
});
