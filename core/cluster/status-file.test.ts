import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger, SinkLogger } from '../base/logger.js';
import { lockServer } from './server-lock.js';
import type { SlotRow } from './slot-table.js';
import { readServerStatus, StatusFile, statusName } from './status-file.js';

let dataDir: string;
beforeEach(async () => void (dataDir = await mkdtemp(join(tmpdir(), 'status-'))));
afterEach(() => rm(dataDir, { recursive: true, force: true }));

const row = (state: SlotRow['state']): SlotRow => ({
  slot: 'datastore',
  plugin: 'memory',
  version: null,
  origin: 'built-in',
  reason: 'preset ci',
  state,
  since: null,
  startMs: null,
  restarts: 0,
  error: null,
});

it('tells others how a server is, as long as it runs', async () => {
  const unlock = await lockServer({ dataDir });
  expect(await readServerStatus({ dataDir })).toBeUndefined();
  let state: SlotRow['state'] = 'starting';
  let asked = 0;
  const file = new StatusFile({ dataDir }, () => (asked++, [row(state)]), silentLogger);
  for (let times = 0; times < 100; times++) file.changed();
  state = 'ready';
  while ((await readServerStatus({ dataDir })) === undefined) await stat(dataDir);
  expect(await readServerStatus({ dataDir })).toEqual({ pid: process.pid, slots: [row('ready')] });
  expect(asked).toBe(1);
  expect((await stat(join(dataDir, statusName))).mode & 0o777).toBe(0o600);
  const text = await readFile(join(dataDir, statusName), 'utf8');
  await file.close();
  expect(await readServerStatus({ dataDir })).toBeUndefined();
  // One that a crash has left is not of the server that runs now.
  await writeFile(join(dataDir, statusName), text.replace(`"pid":${process.pid}`, '"pid":1'));
  expect(await readServerStatus({ dataDir })).toBeUndefined();
  await unlock();
  await writeFile(join(dataDir, statusName), text);
  expect(await readServerStatus({ dataDir })).toBeUndefined();
});

it('does not hinder the server when it cannot be written', async () => {
  const lines: string[] = [];
  const logger = new SinkLogger(({ message }) => void lines.push(message), 'debug');
  await rm(dataDir, { recursive: true });
  const file = new StatusFile({ dataDir }, () => [], logger);
  file.changed();
  while (lines.length === 0) await readServerStatus({ dataDir });
  expect(lines).toEqual(['"k3s plugin list" will not see this server']);
  await file.close();
});
