import { execFile } from 'node:child_process';
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cached, keyOf } from './build-cache.js';
import { MissingError } from './go-programs.js';

const run = promisify(execFile);
const version = '1.35.0';
const sourceSha256 = 'faeeb244c35a348a334f4a59e44626ee870fb07b6884d68c10ae8bc19f83a694';
/** `tc` does not compile against the headers of today's kernels. */
const changes: Readonly<Record<string, string>> = { CONFIG_STATIC: 'y', CONFIG_TC: 'n' };

/**
 * A static busybox from Debian's copy of its unchanged sources, built once. Debian's own drops variables like `data-1` from what its
 * shell runs, which upstream's image does not. Throws MissingError without a C compiler or where Debian's archive is out of reach.
 */
export async function buildBusybox(log: (line: string) => void): Promise<string> {
  const key = keyOf(version, sourceSha256, process.arch, JSON.stringify(changes));
  const folder = await cached('busybox', key, async target => {
    log('Building busybox from its sources ...');
    const work = await mkdtemp(join(tmpdir(), 'k3s-busybox-'));
    try {
      await fetchSource(join(work, 'source.tar.bz2'));
      await step('tar', ['xjf', 'source.tar.bz2', '--strip-components=1'], work, 'bzip2');
      await step('make', ['defconfig'], work, 'make gcc libc6-dev');
      const config = await readFile(join(work, '.config'), 'utf8');
      await writeFile(
        join(work, '.config'),
        config
          .split('\n')
          .map(line => {
            const name = /CONFIG_\w+/.exec(line)?.[0] ?? '';
            return changes[name] ? `${name}=${changes[name]}` : line;
          })
          .join('\n'),
      );
      await step('make', ['-j2', 'busybox'], work, 'make gcc libc6-dev');
      await copyFile(join(work, 'busybox'), join(target, 'busybox'));
    } finally {
      await rm(work, { recursive: true, force: true });
    }
  });
  return join(folder, 'busybox');
}

/** By apt's own means, so that its mirror and proxy are used. The source lies beside the package that is built from it. */
async function fetchSource(file: string): Promise<void> {
  const failed = (error: unknown): never => {
    const text = (error as { stderr?: string }).stderr?.trim().split('\n').at(-1) || (error as Error).message;
    throw new MissingError(`the sources of busybox cannot be fetched by apt: ${text}`);
  };
  const { stdout } = await run('apt-get', ['download', '--print-uris', 'busybox-static']).catch(failed);
  const address = /'([^']+)\/[^/']+'/.exec(stdout)?.[1];
  if (address === undefined) throw new MissingError('apt does not know busybox-static: run "apt-get update"');
  const words = ['download-file', `${address}/busybox_${version}.orig.tar.bz2`, file, `SHA256:${sourceSha256}`];
  await run('/usr/lib/apt/apt-helper', words).catch(failed);
}

async function step(program: string, words: readonly string[], directory: string, packages: string): Promise<void> {
  try {
    await run(program, words, { cwd: directory, maxBuffer: 64 * 1024 * 1024 });
  } catch (error) {
    const { code, stderr = '', message } = error as { code?: unknown; stderr?: string; message: string };
    if (code === 'ENOENT') throw new MissingError(`${program} is not there: install ${packages}`);
    throw new Error(`busybox: ${program} ${words.join(' ')} failed (needs ${packages}): ${stderr.slice(-1000) || message}`);
  }
}
