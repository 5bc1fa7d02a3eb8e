import { open, rename, rm } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { dirname } from 'node:path';
import { CodedError, errorCode } from '../base/errors.js';

/**
 * Writes a file so that a crash leaves the old one or the new one, never half of it. The directory must exist.
 * `mode` is what the file has from its first moment on. Errors keep the system's code and name the file.
 */
export async function writeFileAtomically(path: string, content: string | Uint8Array, mode = 0o600): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    const file = await open(temporary, 'wx', mode);
    try {
      await file.writeFile(content);
      await file.chmod(mode);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    const code = errorCode(error);
    // A full disk names no file by itself.
    throw code === undefined ? error : new CodedError(code, `${path} cannot be written`, { cause: error });
  }
}

/** Makes renames in the file's directory survive a loss of power. Once for many writes is enough. */
export async function syncDirectoryOf(path: string): Promise<void> {
  const directory = await open(dirname(path), 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
