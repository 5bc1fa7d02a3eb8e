import { expect, it } from '@jest/globals';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFileGroup } from './file-owner.js';

it('gives a file to a group by name or number, and names a group that is not there', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'owner-'));
  try {
    const file = join(dir, 'k3s.yaml');
    const groups = join(dir, 'group');
    await writeFile(file, '');
    const { uid, gid } = await stat(file);
    // Who is not root may give a file only to a group of its own.
    const other = process.getuid?.() === 0 ? gid + 4321 : gid;
    await writeFile(groups, `root:x:0:\nmine:x:${other}:me\n`);
    await setFileGroup(file, 'mine', groups);
    expect(await stat(file)).toMatchObject({ uid, gid: other });
    await setFileGroup(file, String(gid), groups);
    expect(await stat(file)).toMatchObject({ uid, gid });
    await expect(setFileGroup(file, 'theirs', groups)).rejects.toMatchObject({
      code: 'GROUP_UNKNOWN',
      message: 'there is no group "theirs"',
    });
  } finally {
    await rm(dir, { recursive: true });
  }
});
