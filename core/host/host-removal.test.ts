import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { networkRemovals } from './host-removal.js';
import { RecordingLinks } from './links.js';
import { RecordingNftables } from './nftables.js';

describe('removal of what the ledger names', () => {
  const nftables = new RecordingNftables();
  const links = new RecordingLinks();
  const removals = networkRemovals({ nftables, links });

  it('takes tables, links and routes away', async () => {
    await removals['nftables-table']!({ kind: 'nftables-table', name: 'inet k3s-services' });
    await removals['link']!({ kind: 'link', name: 'cni0' });
    await removals['route']!({ kind: 'route', name: '10.43.0.0/16', detail: { link: 'lo' } });
    expect(nftables.deletedTables).toEqual(['inet k3s-services']);
    expect(links.changes).toEqual(['ip link delete dev cni0', 'ip -4 route delete 10.43.0.0/16']);
  });

  it('takes files and folders away, also ones that are gone', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'removal-'));
    await mkdir(join(directory, 'full'));
    await writeFile(join(directory, 'full', 'a'), '');
    await writeFile(join(directory, 'b'), '');
    for (let time = 0; time < 2; time++) {
      await removals['directory']!({ kind: 'directory', name: join(directory, 'full') });
      await removals['file']!({ kind: 'file', name: join(directory, 'b') });
    }
    expect(await readdir(directory)).toEqual([]);
    await rm(directory, { recursive: true });
  });

  it.each(['/', '/var/lib', 'relative/path/of/some', '/a/b/../../c/d/e', '/usr/lib/'])('refuses to empty %s', async name => {
    await expect(async () => removals['directory']!({ kind: 'directory', name })).rejects.toMatchObject({
      code: 'REMOVAL_REFUSED',
    });
  });
});
