import { createHash } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * Names the code in the folder of a module: another one after an upgrade or a new build, so that a child that still runs the old
 * code is replaced.
 */
export async function buildIdOf(moduleUrl: string): Promise<string> {
  const hash = createHash('sha256').update(process.version);
  if (!moduleUrl.startsWith('file:')) return hash.update(moduleUrl).digest('hex').slice(0, 16);
  const directory = dirname(fileURLToPath(moduleUrl));
  const names = (await readdir(directory)).filter(name => name.endsWith('.js') && !name.endsWith('.test.js')).sort();
  const stats = await Promise.all(names.map(name => stat(join(directory, name))));
  for (const [index, name] of names.entries()) hash.update(`${name} ${stats[index]!.size} ${stats[index]!.mtimeMs}\n`);
  return hash.digest('hex').slice(0, 16);
}
