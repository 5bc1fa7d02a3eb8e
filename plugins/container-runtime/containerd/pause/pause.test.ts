import { describe, expect, it } from '@jest/globals';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pauseArchive } from '../pause-image.js';

const sources = fileURLToPath(new URL('../../../../../plugins/container-runtime/containerd/pause/', import.meta.url));
const compilers = { amd64: 'x86_64-linux-gnu-gcc', arm64: 'aarch64-linux-gnu-gcc' } as const;

/** Bytes are promised for the compiler of Debian 12 only. */
function hasCompiler(name: string): boolean {
  const answer = spawnSync(name, ['-dumpfullversion'], { encoding: 'utf8' });
  return !answer.error && answer.stdout.startsWith('12.2.');
}

describe('pause', () => {
  for (const [architecture, compiler] of Object.entries(compilers)) {
    (hasCompiler(compiler) ? it : it.skip)(
      `the committed program for ${architecture} is what its source gives (needs ${compiler} 12.2)`,
      () => {
        const directory = mkdtempSync(join(tmpdir(), 'pause-'));
        try {
          const output = join(directory, 'pause');
          const built = spawnSync(join(sources, 'build.sh'), [architecture, output], { encoding: 'utf8' });
          expect(built.stderr).toBe('');
          expect(readFileSync(output).equals(readFileSync(join(sources, `pause-${architecture}`)))).toBe(true);
        } finally {
          rmSync(directory, { recursive: true, force: true });
        }
      },
    );
  }

  it('is a static program of a few hundred bytes for each architecture', () => {
    for (const [architecture, machine] of [
      ['amd64', 0x3e],
      ['arm64', 0xb7],
    ] as const) {
      const program = readFileSync(join(sources, `pause-${architecture}`));
      expect(program.subarray(0, 4).toString('latin1')).toBe('\x7fELF');
      expect(program.readUInt16LE(18)).toBe(machine);
      expect(program.length).toBeLessThan(4096);
    }
  });

  (process.platform === 'linux' && process.arch === 'x64' ? it : it.skip)('waits, and ends well on SIGTERM (amd64)', async () => {
    const child = spawn(join(sources, 'pause-amd64'), { stdio: 'ignore' });
    await once(child, 'spawn');
    child.kill('SIGUSR2');
    const [, firstSignal] = (await once(child, 'exit')) as [number | null, string | null];
    expect(firstSignal).toBe('SIGUSR2');
    const other = spawn(join(sources, 'pause-amd64'), { stdio: 'ignore' });
    await once(other, 'spawn');
    // Its signals are blocked by its first instruction but one; until then SIGTERM ends it all the same.
    other.kill('SIGTERM');
    const [code, signal] = (await once(other, 'exit')) as [number | null, string | null];
    expect(code === 0 || signal === 'SIGTERM').toBe(true);
  });

  it('is packed into the same bytes every time', async () => {
    expect((await pauseArchive()).equals(await pauseArchive())).toBe(true);
  });
});
