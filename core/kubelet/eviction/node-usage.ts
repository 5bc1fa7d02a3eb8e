import { lstat, readFile, readdir, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from '../../base/errors.js';

export interface FilesystemUsage {
  readonly availableBytes: number;
  readonly capacityBytes: number;
  readonly freeInodes: number;
  /** 0 where the filesystem does not count them. */
  readonly inodes: number;
}

/** What is left of the node's memory and disks. */
export interface NodeUsage {
  availableMemoryBytes(): Promise<number>;
  filesystem(path: string): Promise<FilesystemUsage>;
  /** Bytes on disk of everything below; 0 when it is not there. */
  directoryBytes(path: string): Promise<number>;
}

export class HostUsage implements NodeUsage {
  async availableMemoryBytes(): Promise<number> {
    const text = await readFile('/proc/meminfo', 'utf8');
    return Number(/^MemAvailable:\s+(\d+)/m.exec(text)?.[1] ?? Infinity) * 1024;
  }

  async filesystem(path: string): Promise<FilesystemUsage> {
    const { bavail, blocks, bsize, ffree, files } = await statfs(path);
    return { availableBytes: bavail * bsize, capacityBytes: blocks * bsize, freeInodes: ffree, inodes: files };
  }

  async directoryBytes(path: string): Promise<number> {
    const seen = new Set<number>();
    const walk = async (place: string): Promise<number> => {
      try {
        const { blocks, ino, nlink } = await lstat(place);
        if (nlink > 1 && seen.has(ino)) return 0;
        seen.add(ino);
        let bytes = blocks * 512;
        for (const entry of await readdir(place, { withFileTypes: true })) {
          const inner = join(place, entry.name);
          if (entry.isDirectory()) bytes += await walk(inner);
          else bytes += await fileBytes(inner, seen);
        }
        return bytes;
      } catch (error) {
        // Containers make and remove files while they are counted.
        if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return 0;
        throw error;
      }
    };
    return walk(path);
  }
}

async function fileBytes(path: string, seen: Set<number>): Promise<number> {
  try {
    const { blocks, ino, nlink } = await lstat(path);
    if (nlink > 1 && seen.has(ino)) return 0;
    seen.add(ino);
    return blocks * 512;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return 0;
    throw error;
  }
}
