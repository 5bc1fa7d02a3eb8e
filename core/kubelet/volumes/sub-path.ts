import type { FileHandle } from 'node:fs/promises';
import { chmod, constants, lchown, mkdir, open, realpath, stat, writeFile } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { CodedError, errorCode } from '../../base/errors.js';
import type { Commands } from '../../host/commands.js';
import { mountPoints } from '../../host/mounts.js';

export interface SubPathRequest {
  /** Where the volume lies. */
  readonly root: string;
  readonly subPath: string;
  /** Where the part of it is bound to. */
  readonly target: string;
  readonly groupId?: number | undefined;
}

/**
 * Binds a part of a volume to a place of its own and resolves that place. A container that changes the volume meanwhile cannot lead
 * it out: the path is opened step by step without following links, and what was opened is what is bound.
 * Source: pkg/volume/util/subpath (CVE-2017-1002101, CVE-2021-25741).
 */
export async function bindSubPath(commands: Commands, request: SubPathRequest): Promise<string> {
  const { root, subPath, target, groupId } = request;
  if (subPath.startsWith('/') || subPath.split('/').includes('..')) {
    throw new CodedError('VOLUME_SUB_PATH', `subPath ${JSON.stringify(subPath)} must be relative and must not contain '..'`);
  }
  if ((await mountPoints(target)).includes(target)) return target;
  const realRoot = await realpath(root);
  const wanted = join(realRoot, subPath);
  let real: string;
  try {
    real = await realpath(wanted);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
    await mkdir(wanted, { recursive: true, mode: 0o750 });
    const { mode, gid } = await stat(realRoot);
    await chmod(wanted, mode & 0o7777);
    await lchown(wanted, 0, groupId ?? gid);
    real = await realpath(wanted);
  }
  if (real !== realRoot && !real.startsWith(realRoot + sep)) {
    throw new CodedError('VOLUME_SUB_PATH', `subPath ${JSON.stringify(subPath)} leads out of its volume`);
  }
  const handle = await openWithoutLinks(realRoot, relative(realRoot, real));
  try {
    await mkdir(dirname(target), { recursive: true, mode: 0o750 });
    if ((await handle.stat()).isDirectory()) await mkdir(target, { recursive: true, mode: 0o750 });
    else await writeFile(target, '', { mode: 0o640, flag: 'a' });
    await commands.run({
      command: 'mount',
      arguments: ['--bind', '--no-canonicalize', `/proc/${process.pid}/fd/${handle.fd}`, target],
    });
  } finally {
    await handle.close();
  }
  return target;
}

async function openWithoutLinks(root: string, path: string): Promise<FileHandle> {
  let at = await open(root, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  for (const part of path.split(sep).filter(part => part !== '')) {
    let next: FileHandle;
    try {
      next = await open(`/proc/self/fd/${at.fd}/${part}`, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    } finally {
      await at.close();
    }
    at = next;
  }
  return at;
}
