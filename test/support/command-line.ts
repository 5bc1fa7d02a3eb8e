import { spawn } from 'node:child_process';
import type { ChildProcess, SpawnOptions } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('../../core/cli/main.js', import.meta.url));

export interface Outcome {
  readonly code: number | null;
  /** On standard output and standard error. */
  readonly output: string;
  readonly errors: string;
}

export interface CommandLineProcess {
  readonly child: ChildProcess;
  /** Resolves when the process has ended. */
  readonly outcome: Promise<Outcome>;
  /** Resolves when the text was printed, rejects when the process ends before. */
  printed(text: string): Promise<void>;
}

export interface LaunchOptions {
  readonly environment?: Readonly<Record<string, string>>;
  /** Words before the program (`nsenter`, `unshare` and theirs). */
  readonly before?: readonly string[];
  readonly spawn?: SpawnOptions;
}

/** Runs `k3s` with an environment of its own below `directory`, where an empty config.yaml keeps the machine's away. */
export function launch(directory: string, argumentList: readonly string[], options: LaunchOptions = {}): CommandLineProcess {
  const [program, ...words] = [...(options.before ?? []), process.execPath, main, ...argumentList];
  const child = spawn(program!, words, {
    env: {
      PATH: process.env['PATH'],
      HOME: directory,
      TMPDIR: directory,
      // Compiled code is kept from one process to the next; packages that were fetched lie elsewhere.
      XDG_CACHE_HOME: join(tmpdir(), 'k3s-test-cache'),
      K3S_CONFIG_FILE: join(directory, 'config.yaml'),
      ...options.environment,
    },
    cwd: directory,
    ...options.spawn,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const text = { output: '', errors: '' };
  const waiting: { text: string; resolve: () => void; reject: (error: Error) => void }[] = [];
  const check = (): void => {
    for (const wait of waiting) if (`${text.output}${text.errors}`.includes(wait.text)) wait.resolve();
  };
  for (const [stream, name] of [[child.stdout!, 'output'] as const, [child.stderr!, 'errors'] as const]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      text[name] += chunk;
      check();
    });
  }
  const outcome = once(child, 'close').then(([code]: unknown[]) => {
    for (const wait of waiting) wait.reject(new Error(`ended without "${wait.text}": ${text.output}${text.errors}`));
    return { code: code as number | null, ...text };
  });
  const printed = (wanted: string): Promise<void> =>
    new Promise((resolve, reject) => {
      waiting.push({ text: wanted, resolve, reject });
      check();
    });
  return { child, outcome, printed };
}
