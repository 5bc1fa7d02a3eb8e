import { chmod, mkdir, mkdtemp, readdir, realpath, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { bindSubPath, makeSubPath } from './sub-path.js';
import { FakeMounts, modeOf } from './testing/volume-fixture.js';

describe('sub paths', () => {
  let directory: string;
  let root: string;
  let outside: string;
  beforeEach(async () => {
    directory = await realpath(await mkdtemp(join(tmpdir(), 'k3s-sub-path-')));
    root = join(directory, 'volume');
    outside = join(directory, 'outside');
    await mkdir(root);
    await chmod(root, 0o2777);
    await mkdir(outside);
  });
  afterEach(() => rm(directory, { recursive: true }));

  const bind = async (subPath: string): Promise<FakeMounts> => {
    const mounts = new FakeMounts();
    const target = join(directory, 'targets/0');
    await bindSubPath({ commands: mounts, mountPoints: mounts.below }, { root, subPath, target });
    return mounts;
  };

  it('are made with the mode and group of their volume', async () => {
    await makeSubPath(root, 'a/./b//c');
    for (const path of ['a', 'a/b', 'a/b/c']) {
      expect(await modeOf(join(root, path))).toBe('2777');
      expect((await stat(join(root, path))).gid).toBe((await stat(root)).gid);
    }
    await chmod(join(root, 'a'), 0o700);
    await makeSubPath(root, 'a/d');
    expect(await modeOf(join(root, 'a'))).toBe('700');
  });

  it('may lead over links that stay in the volume', async () => {
    await mkdir(join(root, 'real'));
    await symlink('real', join(root, 'link'));
    await makeSubPath(root, 'link/new');
    expect(await readdir(join(root, 'real'))).toEqual(['new']);
    expect((await bind('link/new')).lines).toHaveLength(1);
  });

  it('never leave the volume, also not to make a directory', async () => {
    await symlink(outside, join(root, 'link'));
    await expect(makeSubPath(root, 'link/new')).rejects.toMatchObject({ code: 'VOLUME_SUB_PATH' });
    expect(await readdir(outside)).toEqual([]);
    await expect(bind('link')).rejects.toMatchObject({ code: 'VOLUME_SUB_PATH' });
    await symlink('gone', join(root, 'dangling'));
    await expect(makeSubPath(root, 'dangling')).rejects.toMatchObject({ code: 'VOLUME_SUB_PATH' });
  });

  it('bind to a place of the right type, whatever was there', async () => {
    await mkdir(join(root, 'folder'));
    await writeFile(join(root, 'file'), '');
    const target = join(directory, 'targets/0');
    for (const subPath of ['folder', 'file', 'folder']) {
      await bind(subPath);
      expect((await stat(target)).isDirectory()).toBe(subPath === 'folder');
    }
    await writeFile(join(target, 'kept'), '');
    // Never more than an empty thing is removed.
    await expect(bind('file')).rejects.toMatchObject({ code: 'ENOTEMPTY' });
  });
});
