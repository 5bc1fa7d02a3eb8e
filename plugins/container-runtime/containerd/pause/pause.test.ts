import { describe, expect, it } from '@jest/globals';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { pauseArchive } from '../pause-image.js';

const sources = fileURLToPath(new URL('../../../../../plugins/container-runtime/containerd/pause/', import.meta.url));
const compilers = { amd64: 'x86_64-linux-gnu-gcc', arm64: 'aarch64-linux-gnu-gcc' } as const;

/** Bytes are promised for the compiler of Debian 12 only. */
function hasCompiler(name: string): boolean {
  const answer = spawnSync(name, ['-dumpfullversion'], { encoding: 'utf8' });
  return !answer.error && answer.stdout.startsWith('12.2.');
}

/** Of ELF: a program at fixed addresses; segments that are loaded, and that name the linker that a program needs. */
const [executable, loaded, interpreter] = [2, 1, 3];

interface Way {
  readonly architecture: string;
  /** Words before the program; undefined: it cannot run here. */
  readonly emulator: readonly string[] | undefined;
  readonly needs: string;
}

function ways(): Way[] {
  if (process.platform !== 'linux') return [];
  const emulators = { amd64: 'qemu-x86_64-static', arm64: 'qemu-aarch64-static' };
  return Object.entries(emulators).map(([architecture, emulator]) => {
    if (architecture === process.arch.replace('x64', 'amd64')) return { architecture, emulator: [], needs: '' };
    const isThere = !spawnSync(emulator, ['--version']).error;
    return { architecture, emulator: isThere ? [emulator] : undefined, needs: `, needs ${emulator} of qemu-user-static` };
  });
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
      expect(program.readUInt16LE(16)).toBe(executable);
      expect(program.readUInt16LE(18)).toBe(machine);
      expect(program.length).toBeLessThan(4096);
      const headers = Array.from({ length: program.readUInt16LE(56) }, (_, at) => {
        const start = Number(program.readBigUInt64LE(32)) + at * program.readUInt16LE(54);
        return program.readUInt32LE(start);
      });
      expect(headers).toContain(loaded);
      expect(headers).not.toContain(interpreter);
    }
  });

  for (const { architecture, emulator, needs } of ways()) {
    (emulator ? it : it.skip)(
      `waits, reaps what others leave behind and ends well on SIGTERM (${architecture}${needs})`,
      async () => {
        // The shell becomes pause, whose child is then a program that it has not started.
        const words = ['-c', 'cat <&3 & echo $!; exec "$@" 3<&-', 'sh', ...emulator!, join(sources, `pause-${architecture}`)];
        const child = spawn('sh', words, { stdio: ['ignore', 'pipe', 'inherit', 'pipe'] });
        const ended = once(child, 'exit') as Promise<[number | null, string | null]>;
        const [orphan] = (await once(child.stdout!, 'data')) as [Buffer];
        try {
          (child.stdio[3] as Writable).end();
          for (let attempt = 0; existsSync(`/proc/${orphan.toString().trim()}`); attempt++) {
            if (attempt === 400) throw new Error('the child of another is not reaped');
            // The first may come before it listens.
            child.kill('SIGCHLD');
            await new Promise(resolve => setTimeout(resolve, 10));
          }
          expect(child.exitCode).toBe(null);
          child.kill('SIGTERM');
          expect(await ended).toEqual([0, null]);
        } finally {
          child.kill('SIGKILL');
        }
      },
    );
  }

  it('is packed into the same bytes every time', async () => {
    expect((await pauseArchive()).equals(await pauseArchive())).toBe(true);
  });
});
