import { createHash } from 'node:crypto';
import { chmod, lchown, mkdir, mkdtemp, readdir, readlink, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, posix } from 'node:path';
import { CodedError, errorCode } from '../../base/errors.js';
import { giveToGroup } from './volume-ownership.js';

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
 * name. Readers see the old files or the new ones, never a mixture. What a crash left half done is mended, also where the files are
 * as they should be. Returns whether anything was written. Source: pkg/volume/util/atomic_writer.
 */
export async function writeAtomically(
  directory: string,
  files: ReadonlyMap<string, VolumeFile>,
  options: { groupId?: number | undefined } = {},
): Promise<boolean> {
  for (const path of files.keys()) checkPath(path);
  const stamp = stampOf(files, options.groupId);
  const current = await linkTarget(join(directory, dataLink));
  const written = current === undefined || (await linkTarget(join(directory, current, stampName))) !== stamp;
  const next = written ? await writeNext(directory, files, { stamp, groupId: options.groupId }) : current;
  await linkNames(directory, files.keys(), next);
  return written;
}

/** Whether a directory holds files of an earlier `writeAtomically`. */
export async function isWritten(directory: string): Promise<boolean> {
  return (await linkTarget(join(directory, dataLink))) !== undefined;
}

/** Differs when anything differs that `writeAtomically` would write. */
export function stampOf(files: ReadonlyMap<string, VolumeFile>, groupId: number | undefined): string {
  const hash = createHash('sha256');
  hash.update(`${groupId ?? ''}\n`);
  for (const [path, { content, mode, userId }] of [...files].sort(([a], [b]) => (a < b ? -1 : 1))) {
    hash.update(`${path}\0${mode}\0${userId ?? ''}\0${content.length}\0`);
    hash.update(content);
  }
  return hash.digest('hex');
}

/** Resolves the name of the new directory, to which `..data` points. */
async function writeNext(
  directory: string,
  files: ReadonlyMap<string, VolumeFile>,
  { stamp, groupId }: { stamp: string; groupId: number | undefined },
): Promise<string> {
  const next = await mkdtemp(join(directory, `..${new Date().toISOString().slice(0, 19).replace(/[-T:]/g, '_')}.`));
  try {
    await fill(next, files, stamp);
    // The whole volume: its root and the links of an earlier writing belong to the group too.
    if (groupId !== undefined) await giveToGroup(directory, groupId, { readOnly: true });
    const temporary = join(directory, '..data_tmp');
    await rm(temporary, { force: true });
    const name = next.slice(directory.length + 1);
    await symlink(name, temporary);
    await rename(temporary, join(directory, dataLink));
    return name;
  } catch (error) {
    // Or each try would take more of a disk that is full.
    await rm(next, { recursive: true, force: true });
    throw error;
  }
}

async function fill(next: string, files: ReadonlyMap<string, VolumeFile>, stamp: string): Promise<void> {
  await chmod(next, 0o755);
  for (const [path, { content, mode, userId }] of files) {
    const target = join(next, path);
    await makeDirectories(next, posix.dirname(posix.normalize(path)));
    await writeFile(target, content, { mode: 0o600 });
    if (userId !== undefined) await lchown(target, userId, 0);
    await chmod(target, mode);
  }
  await symlink(stamp, join(next, stampName));
}

/** A link for each top-level name; links of names that are gone and older directories go. What else lies there is not the writer's. */
async function linkNames(directory: string, paths: Iterable<string>, current: string): Promise<void> {
  const top = new Set(Array.from(paths, path => posix.normalize(path).split('/')[0]!));
  const present = new Set<string>();
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const { name } = entry;
    const kept = name.startsWith('..') ? name === dataLink || name === current : !entry.isSymbolicLink() || top.has(name);
    if (kept) present.add(name);
    else await rm(join(directory, name), { recursive: true, force: true });
  }
  for (const name of top) if (!present.has(name)) await symlink(join(dataLink, name), join(directory, name));
}

/** Everybody may pass through them, whatever mask this process has. */
async function makeDirectories(root: string, path: string): Promise<void> {
  if (path === '.') return;
  await makeDirectories(root, dirname(path));
  try {
    await mkdir(join(root, path));
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error;
  }
  await chmod(join(root, path), 0o755);
}

/** Relative, below the volume, and none of the names that the writer keeps for itself. */
function checkPath(path: string): void {
  const parts = path.split('/');
  if (path.startsWith('/') || parts.includes('..') || /^(\.\.|\.?\/?$)/.test(posix.normalize(path))) {
    throw new CodedError('VOLUME_PATH', `invalid path ${JSON.stringify(path)} in a volume`);
  }
}

async function linkTarget(path: string): Promise<string | undefined> {
  try {
    return await readlink(path);
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'EINVAL') return undefined;
    throw error;
  }
}
