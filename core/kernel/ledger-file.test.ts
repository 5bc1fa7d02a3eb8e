import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { appendFile, mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LedgerFile } from './ledger-file.js';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'ledger-'));
});
afterEach(() => rm(dir, { recursive: true }));

describe('ledger file', () => {
  it('remembers by owner, over reopening, and forgets', async () => {
    const path = join(dir, 'below', 'ledger.jsonl');
    const first = new LedgerFile(path);
    const flannel = first.forOwner('flannel');
    await Promise.all([
      flannel.record('link', 'flannel.1', { index: 4 }),
      flannel.record('link', 'cni0'),
      first.forOwner('nftables').record('table', 'k3s'),
    ]);
    await flannel.record('link', 'flannel.1', { index: 9 });
    await flannel.forget('link', 'cni0');
    await flannel.forget('link', 'never-was');
    await first.close();

    const second = new LedgerFile(path);
    expect(await second.forOwner('flannel').list()).toEqual([
      { owner: 'flannel', kind: 'link', name: 'flannel.1', detail: { index: 9 } },
    ]);
    expect(await second.owners()).toEqual(['flannel', 'nftables']);
    expect((await readFile(path, 'utf8')).trim().split('\n')).toHaveLength(2);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    await second.close();
  });

  it('drops a torn last line, and refuses a broken one before it', async () => {
    const path = join(dir, 'ledger.jsonl');
    const ledger = new LedgerFile(path);
    await ledger.forOwner('a').record('mount', '/x');
    await ledger.close();
    await appendFile(path, '{"owner":"a","kind":"mou');
    expect(await ledger.list()).toHaveLength(1);
    await ledger.close();
    await appendFile(path, 'garbage\n');
    await expect(ledger.list()).rejects.toMatchObject({ code: 'LEDGER_CORRUPT', message: expect.stringContaining('line 2') });
  });
});
