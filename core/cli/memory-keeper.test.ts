import { execFileSync } from 'node:child_process';
import { pathToFileURL } from 'node:url';
import { resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { FakeClock } from '../base/fake-clock.js';
import { silentLogger } from '../base/logger.js';
import { MemoryKeeper } from './memory-keeper.js';

const megabyte = 1024 * 1024;

describe('MemoryKeeper', () => {
  let clock: FakeClock;
  let keeper: MemoryKeeper;
  let resident: number;
  let busy: number;
  let given: number;
  let fault: Error | undefined;

  beforeEach(() => {
    clock = new FakeClock();
    [resident, busy, given, fault] = [140 * megabyte, 0, 0, undefined];
    const memory = {
      residentBytes: () => resident,
      busyShare: () => busy,
      async giveBack() {
        if (fault) throw fault;
        given++;
        resident = 120 * megabyte;
      },
    };
    keeper = new MemoryKeeper(clock, memory, silentLogger);
    keeper.start();
  });
  afterEach(() => keeper.dispose());

  const pass = async (): Promise<void> => {
    await clock.advance(30_000);
  };

  it('gives back what the start has left behind, and then rests', async () => {
    for (let at = 0; at < 10; at++) await pass();
    expect(given).toBe(1);
  });

  it('comes again when much has piled up and the work is over', async () => {
    await pass();
    resident = 140 * megabyte;
    await pass();
    expect(given).toBe(1);
    resident = 200 * megabyte;
    busy = 0.3;
    await pass();
    await pass();
    expect(given).toBe(1);
    busy = 0.01;
    await pass();
    expect(given).toBe(2);
  });

  it('comes for less when it was not there for long', async () => {
    await pass();
    resident = 140 * megabyte;
    for (let at = 0; at < 9; at++) await pass();
    expect(given).toBe(1);
    await pass();
    expect(given).toBe(2);
    resident = 130 * megabyte;
    for (let at = 0; at < 20; at++) await pass();
    expect(given).toBe(2);
  });

  it('ends where it cannot, and when it is disposed', async () => {
    fault = new Error('no');
    await pass();
    fault = undefined;
    await pass();
    expect(given).toBe(0);
    await keeper.dispose();
    expect(clock.pendingTimers).toBe(0);
  });
});

it('memory of a burst goes back to the system', () => {
  const script = `
    const { OwnMemory } = await import(${JSON.stringify(pathToFileURL(resolve('dist/core/cli/own-memory.js')).href)});
    const memory = new OwnMemory({ debug: (...all) => console.error(...all) });
    let held = Array.from({ length: 300_000 }, (_, at) => ({ at, text: 'x'.repeat(50) + at, bytes: Buffer.allocUnsafeSlow(100) }));
    const between = held.filter(({ at }) => at % 1000 === 0);
    const full = memory.residentBytes();
    held = undefined;
    await new Promise(resolve => setTimeout(resolve, 10));
    await memory.giveBack();
    console.log(JSON.stringify({ full, after: memory.residentBytes(), kept: between.length }));
  `;
  const answer = execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  const { full, after } = JSON.parse(answer) as { full: number; after: number };
  expect(after).toBeLessThan(full - 60 * megabyte);
});
