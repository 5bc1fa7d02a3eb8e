import { mkdir, open, stat } from 'node:fs/promises';
import type { HostPathVolumeSource } from '../../api/generated/types.js';
import { CodedError, errorCode } from '../../base/errors.js';

/** Checks a path of the node as its type demands, and resolves it. Rejects VOLUME_HOST_PATH. Texts: pkg/volume/hostpath. */
export async function hostPath({ path, type }: HostPathVolumeSource): Promise<string> {
  if (path.split('/').includes('..')) {
    throw new CodedError('VOLUME_HOST_PATH', `invalid HostPath \`${path}\`: must not contain '..'`);
  }
  const found = await stat(path).catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  });
  const refuse = (what: string): CodedError =>
    new CodedError('VOLUME_HOST_PATH', `hostPath type check failed: ${path} is not a ${what}`);
  switch (type) {
    case 'DirectoryOrCreate':
      if (!found) await mkdir(path, { recursive: true, mode: 0o755 });
      else if (!found.isDirectory()) throw refuse('directory');
      break;
    case 'Directory':
      if (!found?.isDirectory()) throw refuse('directory');
      break;
    case 'FileOrCreate':
      if (!found) await (await open(path, 'a', 0o644)).close();
      else if (!found.isFile()) throw refuse('file');
      break;
    case 'File':
      if (!found?.isFile()) throw refuse('file');
      break;
    case 'Socket':
      if (!found?.isSocket()) throw refuse('socket file');
      break;
    case 'CharDevice':
      if (!found?.isCharacterDevice()) throw refuse('character device');
      break;
    case 'BlockDevice':
      if (!found?.isBlockDevice()) throw refuse('block device');
      break;
    case undefined:
    case '':
      // The runtime of other systems makes a missing path a directory; containers rely on it.
      if (!found) await mkdir(path, { recursive: true, mode: 0o755 });
      break;
    default:
      throw new CodedError('VOLUME_HOST_PATH', `${type} is an invalid volume type`);
  }
  return path;
}
