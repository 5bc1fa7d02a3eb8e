import { chmod, lstat, mkdir, realpath, rm, rmdir } from 'node:fs/promises';
import { dirname, join, relative, isAbsolute, normalize, sep } from 'node:path';
import { CodedError, errorCode } from '../../../core/plugin-api/index.js';

/**
 * Makes the folder of a volume below `base`: 0777, as upstream's setup script does; what is made above it only root may enter.
 * True when it was not there. Throws `LOCAL_PATH_ESCAPES` where a link leads out of the base.
 */
export async function makeVolumeDirectory(base: string, folder: string): Promise<boolean> {
  const path = join(base, folder);
  if (!isInside(base, path)) throw escapes(path);
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await assertRealParent(base, path);
  let made = true;
  try {
    await mkdir(path, { mode: 0o777 });
  } catch (error) {
    if (errorCode(error) !== 'EEXIST' || !(await lstat(path)).isDirectory()) throw error;
    made = false;
  }
  // mkdir is subject to the process's mask.
  if (made) await chmod(path, 0o777);
  return made;
}

/** Undoes a fresh `makeVolumeDirectory`: never removes data. */
export async function unmakeVolumeDirectory(base: string, folder: string): Promise<void> {
  try {
    await rmdir(join(base, folder));
  } catch (error) {
    if (errorCode(error) !== 'ENOENT' && errorCode(error) !== 'ENOTEMPTY') throw error;
  }
}

/**
 * Removes a volume's folder with all that is in it. It must lie below one of `bases`, also when links are followed: volumes are
 * objects that others can write. Absent is fine. Throws `LOCAL_PATH_ESCAPES`.
 */
export async function removeVolumeDirectory(bases: readonly string[], path: string): Promise<void> {
  const base = bases.find(candidate => isInside(candidate, path));
  if (base === undefined) {
    throw new CodedError(
      'LOCAL_PATH_ESCAPES',
      `the path ${path} is in none of this node's folders of local volumes, not removed`,
      {
        mend: `remove it by hand, or list its folder in the ConfigMap local-path-config`,
      },
    );
  }
  try {
    await assertRealParent(base, path);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return;
    throw error;
  }
  await rm(path, { recursive: true, force: true });
}

async function assertRealParent(base: string, path: string): Promise<void> {
  const [realBase, realParent] = await Promise.all([realpath(base), realpath(dirname(path))]);
  if (realParent !== realBase && !isInside(realBase, realParent)) throw escapes(path);
}

function isInside(base: string, path: string): boolean {
  if (!isAbsolute(path) || normalize(path) !== path) return false;
  const steps = relative(base, path);
  return steps !== '' && steps !== '..' && !steps.startsWith(`..${sep}`) && !isAbsolute(steps);
}

function escapes(path: string): CodedError {
  return new CodedError('LOCAL_PATH_ESCAPES', `the path ${path} leads out of the folder of local volumes`);
}
