import { readdir, rmdir } from 'node:fs/promises';
import { errorCode } from '../../base/errors.js';

/** Names in a directory; none where there is none. */
export async function entriesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return [];
    throw error;
  }
}

/** False: it is not there, or something is in it. */
export async function removeIfEmpty(directory: string): Promise<boolean> {
  try {
    await rmdir(directory);
    return true;
  } catch (error) {
    if (['EBUSY', 'EEXIST', 'ENOENT', 'ENOTDIR', 'ENOTEMPTY'].includes(errorCode(error) ?? '')) return false;
    throw error;
  }
}
