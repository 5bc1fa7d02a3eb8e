import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { StringDecoder } from 'node:string_decoder';
import type { Cluster } from './clusters.js';
import { focusOf } from './conformance-list.js';
import type { ConformanceTest } from './conformance-list.js';
import type { GoPrograms } from './go-programs.js';
import { Lines, parseResult } from './results.js';
import type { Result } from './results.js';

export interface SuiteRun {
  readonly programs: GoPrograms;
  readonly cluster: Cluster;
  readonly kubectl: string;
  readonly tests: readonly ConformanceTest[];
  readonly processes: number;
  readonly timeoutMs: number;
  /** Folder for logs. */
  readonly output: string;
  /** Name of the log. */
  readonly name: string;
  /** A folder that goes when the run ends. */
  readonly temporary: string;
  readonly signal: AbortSignal;
  finished(result: Result): void;
}

/** What a test may still do after its time is up, before its processes are killed. */
const graceMs = 90_000;

/** Runs tests of the suite. Resolves when all of its processes have ended, however they did. */
export async function runSuite(run: SuiteRun): Promise<void> {
  const resultsFile = join(run.temporary, `${run.name}.jsonl`);
  closeSync(openSync(resultsFile, 'w', 0o600));
  const words = [
    join(run.programs.directory, 'ginkgo'),
    `--procs=${run.processes}`,
    '--no-color',
    '--silence-skips',
    `--timeout=${Math.ceil(run.timeoutMs / 1000)}s`,
    `--focus=${focusOf(run.tests)}`,
    join(run.programs.directory, 'e2e.test'),
    '--',
    `--kubeconfig=${run.cluster.kubeconfig}`,
    `--kubectl-path=${run.kubectl}`,
    '--provider=skeleton',
    // A node that is not ready at the beginning is not going to be after half an hour.
    '--node-schedulable-timeout=2m',
    '--system-pods-startup-timeout=2m',
    `--results-file=${resultsFile}`,
  ];
  const [command, ...rest] = [...run.cluster.inside, ...words];
  const log = openSync(join(run.output, `${run.name}.log`), 'w');
  const child = spawn(command!, rest, {
    cwd: run.temporary,
    stdio: ['ignore', log, log],
    // A group of its own: the suite's processes have children that must end with them.
    detached: true,
    env: {
      PATH: `${dirname(run.kubectl)}:${process.env['PATH']}`,
      HOME: run.temporary,
      TMPDIR: run.temporary,
    },
  });
  closeSync(log);
  const ended = new Promise<void>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', () => resolve());
  });
  const end = (signal: NodeJS.Signals): void => {
    try {
      process.kill(-child.pid!, signal);
    } catch {
      // The group is gone.
    }
  };
  const stop = (): void => end('SIGINT');
  run.signal.addEventListener('abort', stop, { once: true });
  const timer = setTimeout(() => end('SIGKILL'), run.timeoutMs + graceMs);
  const tail = follow(resultsFile, run.finished);
  try {
    if (run.signal.aborted) stop();
    await Promise.race([ended, interrupted(run.signal)]);
  } finally {
    clearTimeout(timer);
    run.signal.removeEventListener('abort', stop);
    end('SIGKILL');
    await ended.catch(() => undefined);
    await tail.stop();
  }
}

/** Resolves some time after an interrupt: what does not wind up by then is killed. */
async function interrupted(signal: AbortSignal): Promise<void> {
  await new Promise(resolve => signal.addEventListener('abort', resolve, { once: true }));
  await new Promise(resolve => setTimeout(resolve, 15_000).unref());
}

/** Reads results as they are appended to a file. */
function follow(file: string, found: (result: Result) => void): { stop(): Promise<void> } {
  const lines = new Lines();
  const decoder = new StringDecoder('utf8');
  let position = 0;
  const read = async (): Promise<void> => {
    const handle = await open(file);
    try {
      for (;;) {
        const { bytesRead, buffer } = await handle.read(Buffer.alloc(1 << 16), 0, 1 << 16, position);
        if (bytesRead === 0) return;
        position += bytesRead;
        for (const line of lines.push(decoder.write(buffer.subarray(0, bytesRead)))) {
          const result = parseResult(line);
          if (result) found(result);
        }
      }
    } finally {
      await handle.close();
    }
  };
  let reading: Promise<void> = Promise.resolve();
  const timer = setInterval(() => {
    reading = reading.then(read);
  }, 500);
  return {
    async stop() {
      clearInterval(timer);
      await reading.then(read);
    },
  };
}
