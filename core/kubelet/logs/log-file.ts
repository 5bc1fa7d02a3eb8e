import { open, stat } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { errorCode } from '../../base/errors.js';
import type { LogSelection } from './log-selection.js';

const blockBytes = 64 * 1024;
const newline = 10;
/** A record without an end is not kept longer than this. */
const recordLimitBytes = 1024 * 1024;

/** Tells a reader who follows a log when to look again. */
export interface LogFollower {
  /** The container has ended and has written everything. */
  readonly ended: boolean;
  /** Resolves when something has happened since the last `reset`, at once when it has already. */
  changed(): Promise<void>;
  reset(): void;
}

export interface LogFileRequest {
  readonly path: string;
  readonly selection: LogSelection;
  readonly tailLines?: number | undefined;
  /** Absent: ends with what is there. */
  readonly follower?: LogFollower | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The text of a container's log file, in pieces. Starts near the end when only the last lines are asked for; goes over to the new file
 * when the old one was rotated away. Throws what opening the file throws.
 */
export async function* readLogFile(request: LogFileRequest): AsyncGenerator<Buffer> {
  const { path, selection, follower, signal } = request;
  let file = await open(path, 'r');
  try {
    let position = await tailStart(file, request.tailLines);
    let rest: Buffer = Buffer.alloc(0);
    const block = Buffer.alloc(blockBytes);
    let replaced = false;
    while (!signal?.aborted) {
      follower?.reset();
      const isLast = follower?.ended ?? true;
      const { bytesRead } = await file.read(block, 0, blockBytes, position);
      if (bytesRead > 0) {
        position += bytesRead;
        const text = rest.length > 0 ? Buffer.concat([rest, block.subarray(0, bytesRead)]) : block.subarray(0, bytesRead);
        const end = text.lastIndexOf(newline) + 1;
        const wanted = select(text.subarray(0, end), selection);
        rest = text.length - end > recordLimitBytes ? Buffer.alloc(0) : Buffer.from(text.subarray(end));
        if (wanted.length > 0) yield wanted;
        if (selection.isFull) return;
        continue;
      }
      if (replaced) {
        await file.close();
        file = await open(path, 'r');
        [position, rest, replaced] = [0, Buffer.alloc(0), false];
        continue;
      }
      // What was written before the new file came is read first.
      replaced = follower !== undefined && (await wasReplaced(file, path, position));
      if (replaced) continue;
      if (isLast || !follower) return;
      await follower.changed();
    }
  } finally {
    await file.close();
  }
}

function select(text: Buffer, selection: LogSelection): Buffer {
  const wanted: Buffer[] = [];
  for (let start = 0; start < text.length && !selection.isFull;) {
    const end = text.indexOf(newline, start);
    const taken = selection.take(text.subarray(start, end));
    if (taken) wanted.push(taken);
    start = end + 1;
  }
  return Buffer.concat(wanted);
}

async function wasReplaced(file: FileHandle, path: string, position: number): Promise<boolean> {
  try {
    const [now, own] = await Promise.all([stat(path), file.stat()]);
    return now.ino !== own.ino || now.dev !== own.dev || own.size < position;
  } catch (error) {
    // Renamed, and the new file is not there yet.
    if (errorCode(error) === 'ENOENT') return false;
    throw error;
  }
}

/** Where the last `lines` lines begin, found from the end. */
async function tailStart(file: FileHandle, lines: number | undefined): Promise<number> {
  if (lines === undefined) return 0;
  const { size } = await file.stat();
  if (lines === 0) return size;
  const block = Buffer.alloc(blockBytes);
  let left = lines;
  for (let end = size; end > 0;) {
    const start = Math.max(0, end - blockBytes);
    const { bytesRead } = await file.read(block, 0, end - start, start);
    // The newline at the very end closes the last line and begins none.
    let at = bytesRead - 1;
    if (end === size && block[at] === newline) at--;
    for (; at >= 0; at--) {
      at = block.lastIndexOf(newline, at);
      if (at < 0) break;
      if (--left === 0) return start + at + 1;
    }
    end = start;
  }
  return 0;
}
