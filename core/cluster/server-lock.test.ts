import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { access, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { processIdentity } from '../host/process-identity.js';
import { lockServer, runningServer } from './server-lock.js';

let dataDir: string;
beforeEach(async () => void (dataDir = await mkdtemp(join(tmpdir(), 'lock-'))));
afterEach(() => rm(dataDir, { recursive: true }));

describe('the lock of a server', () => {
  it('lets one server in, and the next one when it has gone', async () => {
    expect(await runningServer({ dataDir })).toBeUndefined();
    const release = await lockServer({ dataDir });
    expect(await runningServer({ dataDir })).toEqual(processIdentity(process.pid));
    await expect(lockServer({ dataDir })).rejects.toMatchObject({
      code: 'SERVER_RUNNING',
      message: `a server of ${dataDir} runs already (pid ${process.pid})`,
    });
    await release();
    await expect(access(join(dataDir, 'server.lock'))).rejects.toMatchObject({ code: 'ENOENT' });
    await (
      await lockServer({ dataDir })
    )();
  });

  it.each([
    [
      'of a process with the same number that came later',
      () => JSON.stringify({ ...processIdentity(process.pid)!, startTicks: 1 }),
    ],
    ['that a crash cut short', () => '{"pid":'],
    ['that says nothing', () => 'null'],
  ])('takes over a lock %s', async (_, text) => {
    await writeFile(join(dataDir, 'server.lock'), text());
    expect(await runningServer({ dataDir })).toBeUndefined();
    await (
      await lockServer({ dataDir })
    )();
  });
});
