import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, utimes } from 'node:fs/promises';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';

/** Where everything that is built lies, out of the tree. */
export function cacheDirectory(environment: NodeJS.ProcessEnv = process.env): string {
  const base = environment['XDG_CACHE_HOME'];
  return join(base && isAbsolute(base) ? base : join(homedir(), '.cache'), 'k3s-ts', 'conformance');
}

/** A short name for all that goes into a build. */
export function keyOf(...parts: readonly (string | Buffer)[]): string {
  const hash = createHash('sha256');
  // Lengths keep two lists apart whose parts join to the same text.
  for (const part of parts) hash.update(`${Buffer.byteLength(part)}\n`).update(part);
  return hash.digest('hex').slice(0, 16);
}

/**
 * The folder `NAME-KEY` of the cache, made by `make` when it is not there. It appears whole or not at all; of two processes that make
 * it at once the second one's work is thrown away.
 */
export async function cached(name: string, key: string, make: (folder: string) => Promise<void>): Promise<string> {
  const target = join(cacheDirectory(), `${name}-${key}`);
  if (existsSync(target)) {
    // So that whoever tidies the cache sees what is in use.
    await utimes(target, new Date(), new Date());
    return target;
  }
  await mkdir(cacheDirectory(), { recursive: true, mode: 0o755 });
  const work = await mkdtemp(join(cacheDirectory(), '.work-'));
  try {
    await make(work);
    await rename(work, target).catch((error: unknown) => {
      if (!existsSync(target)) throw error;
    });
    return target;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}
