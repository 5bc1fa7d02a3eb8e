import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { extract } from 'tar-stream';
import { CodedError, errorText } from '../../../core/plugin-api/index.js';

export type Compression = 'none' | 'gzip' | 'zstd';

/** By content, not by name: what is called `.tar` is often compressed. */
export async function compressionOf(file: string): Promise<Compression> {
  const handle = await open(file, 'r');
  try {
    const head = Buffer.alloc(4);
    await handle.read(head, 0, 4, 0);
    if (head[0] === 0x1f && head[1] === 0x8b) return 'gzip';
    return head.readUInt32LE() === 0xfd2fb528 ? 'zstd' : 'none';
  } finally {
    await handle.close();
  }
}

/** The archive's plain bytes. */
export async function* decompressed(source: Readable, file: string): AsyncGenerator<Buffer> {
  const kind = await compressionOf(file);
  const plain = kind === 'gzip' ? source.pipe(createGunzip()) : kind === 'zstd' ? source.pipe(createZstdDecompress()) : source;
  if (plain !== source) source.on('error', error => plain.destroy(error));
  yield* plain as AsyncIterable<Buffer>;
}

/**
 * Reads an image archive from end to end. Throws `RUNTIME_IMAGE_INVALID` when it is cut short, damaged, or has neither docker's
 * `manifest.json` nor OCI's `index.json`: an import would leave half an image behind.
 */
export async function checkArchive(file: string): Promise<void> {
  const names = new Set<string>();
  let zeroes = 0;
  const entries = extract();
  entries.on('entry', (header, stream, next) => {
    names.add(header.name.replace(/^\.\//, ''));
    // The archive fails with the same error.
    stream.on('error', () => undefined);
    stream.on('end', next);
    stream.resume();
  });
  try {
    await pipeline(
      decompressed(createReadStream(file), file),
      async function* (source) {
        for await (const chunk of source as AsyncIterable<Buffer>) {
          zeroes = trailingZeroes(chunk, zeroes);
          yield chunk;
        }
      },
      entries,
    );
  } catch (error) {
    throw new CodedError('RUNTIME_IMAGE_INVALID', `${file} is damaged or cut short: ${errorText(error)}`, {
      cause: error,
      mend: 'copy the archive again, under another name first, and move it into place when it is complete',
    });
  }
  // A tar ends with two empty blocks; without them it was cut between two files.
  if (zeroes < 1024) {
    throw new CodedError('RUNTIME_IMAGE_INVALID', `${file} is cut short: the end of the archive is missing`, {
      mend: 'copy the archive again, under another name first, and move it into place when it is complete',
    });
  }
  if (!names.has('manifest.json') && !names.has('index.json')) {
    throw new CodedError('RUNTIME_IMAGE_INVALID', `${file} is no image archive: it has neither manifest.json nor index.json`);
  }
}

function trailingZeroes(chunk: Buffer, before: number): number {
  let at = chunk.length;
  while (at > 0 && chunk[at - 1] === 0) at--;
  return at === 0 ? before + chunk.length : chunk.length - at;
}
