import { createHash } from 'node:crypto';
import { chmod, lchown, mkdir, mkdtemp, readdir, readlink, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, normalize } from 'node:path';
import { CodedError, errorCode } from '../../base/errors.js';

/** One file of a volume made of API objects. */
export interface VolumeFile {
  readonly content: Uint8Array;
  readonly mode: number;
  readonly userId?: number | undefined;
}

const dataLink = '..data';
const stampName = '..stamp';

/**
 * Writes all files of a volume at once: into a new directory that `..data` is switched to, with a link beside it for each top-level
 * name. Readers see the old files or the new ones, never a mixture. Returns whether anything changed.
 * Source: pkg/volume/util/atomic_writer.
 */
export async function writeAtomically(
  directory: string,
  files: ReadonlyMap<string, VolumeFile>,
  options: { groupId?: number | undefined } = {},
): Promise<boolean> {
  for (const path of files.keys()) checkPath(path);
  const stamp = stampOf(files, options.groupId);
  const current = await linkTarget(join(directory, dataLink));
  if (current !== undefined && (await linkTarget(join(directory, current, stampName))) === stamp) return false;
  const next = await mkdtemp(join(directory, `..${new Date().toISOString().slice(0, 19).replace(/[-T:]/g, '_')}.`));
  await chmod(next, 0o755);
  for (const [path, file] of files) {
    const target = join(next, path);
    await mkdir(dirname(target), { recursive: true, mode: 0o755 });
    await writeFile(target, file.content, { mode: 0o600 });
    await own(target, file, options.groupId);
  }
  await symlink(stamp, join(next, stampName));
  const temporary = join(directory, '..data_tmp');
  await rm(temporary, { force: true });
  await symlink(next.slice(directory.length + 1), temporary);
  await rename(temporary, join(directory, dataLink));
  const top = new Set(Array.from(files.keys(), path => path.split('/')[0]!));
  for (const name of top) {
    const link = join(directory, name);
    if ((await linkTarget(link)) === undefined) await symlink(join(dataLink, name), link);
  }
  for (const name of await readdir(directory)) {
    const gone = name.startsWith('..') ? name !== dataLink && join(directory, name) !== next : !top.has(name);
    if (gone) await rm(join(directory, name), { recursive: true, force: true });
  }
  return true;
}

async function own(target: string, file: VolumeFile, groupId: number | undefined): Promise<void> {
  if (groupId !== undefined || file.userId !== undefined) await lchown(target, file.userId ?? 0, groupId ?? 0);
  // The group of the volume may read what the owner may read.
  const mode = groupId === undefined ? file.mode : file.mode | ((file.mode & 0o400) >> 3);
  await chmod(target, mode);
}

/** Relative, below the volume, and none of the names that the writer keeps for itself. */
function checkPath(path: string): void {
  const bad =
    path === '' ||
    path.startsWith('/') ||
    path.split('/').some(part => part === '..' || part === '') ||
    normalize(path).startsWith('..');
  if (bad || path.split('/')[0]!.startsWith('..'))
    throw new CodedError('VOLUME_PATH', `invalid path ${JSON.stringify(path)} in a volume`);
}

function stampOf(files: ReadonlyMap<string, VolumeFile>, groupId: number | undefined): string {
  const hash = createHash('sha256');
  hash.update(`${groupId ?? ''}\n`);
  for (const [path, { content, mode, userId }] of [...files].sort(([a], [b]) => (a < b ? -1 : 1))) {
    hash.update(`${path}\0${mode}\0${userId ?? ''}\0${content.length}\0`);
    hash.update(content);
  }
  return hash.digest('hex');
}

async function linkTarget(path: string): Promise<string | undefined> {
  try {
    return await readlink(path);
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'EINVAL') return undefined;
    throw error;
  }
}
