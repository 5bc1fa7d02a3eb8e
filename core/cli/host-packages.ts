import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { CodedError, errorText } from '../base/errors.js';
import type { PreparedCluster } from '../cluster/prepare-cluster.js';

const packageRoot = fileURLToPath(new URL('../../../', import.meta.url));

export interface PreparationScript {
  /** Below the package's directory. */
  readonly file: string;
  readonly arguments: readonly string[];
  /** A file; the script is done when it is there. */
  readonly makes?: string;
  /** What goes on without it when it fails; absent: nothing does. */
  readonly optionalBecause?: string;
}

/** What has to be fetched before this cluster can run here. */
export function packageScripts({ selection, settings, ownsHost }: PreparedCluster): readonly PreparationScript[] {
  const containerd = selection.plugins.find(plugin => plugin.id === 'containerd');
  if (!ownsHost || !settings.nodeEnabled || containerd?.options?.['binaries'] === 'path') return [];
  return containerd ? [{ file: 'scripts/runtime/fetch.mjs', arguments: [] }] : [];
}

/** The image of `examples/`, imported by the running node. Built once. */
export function exampleScripts({ selection, settings, ownsHost, paths }: PreparedCluster): readonly PreparationScript[] {
  if (!ownsHost || !settings.nodeEnabled || !selection.plugins.some(plugin => plugin.id === 'containerd')) return [];
  const script = {
    file: 'scripts/example-image.mjs',
    arguments: ['--data-dir', paths.dataDir],
    makes: join(paths.agent.imagesDir, 'example-web.tar'),
    optionalBecause: 'the cluster runs without the image of examples/',
  };
  return [script];
}

/**
 * Runs the scripts that are there, one after the other. What they print on standard error goes to `print` line by line. Throws
 * `PREPARATION_FAILED` with the script's own `error:` line.
 */
export async function runPreparation(
  scripts: readonly PreparationScript[],
  print: (line: string) => void,
  options: { readonly root?: string; readonly signal?: AbortSignal } = {},
): Promise<void> {
  const { root = packageRoot, signal } = options;
  for (const script of scripts) {
    const file = join(root, script.file);
    if (!existsSync(file) || (script.makes !== undefined && existsSync(script.makes))) continue;
    try {
      await runScript(file, script.arguments, print, signal);
    } catch (error) {
      if (script.optionalBecause === undefined) throw error;
      if (signal?.aborted) return;
      print(`warning: ${errorText(error)}; ${script.optionalBecause}`);
    }
  }
}

function runScript(
  file: string,
  argumentList: readonly string[],
  print: (line: string) => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [file, ...argumentList], { stdio: ['ignore', 'ignore', 'pipe'], signal });
    let failure: string | undefined;
    let last = '';
    createInterface({ input: child.stderr }).on('line', line => {
      last = line;
      if (line.startsWith('error: ')) failure = line.slice('error: '.length);
      else print(line);
    });
    child.on('error', error => reject(preparationFailed(`${file} cannot be run: ${errorText(error)}`, error)));
    child.on('close', code => {
      if (code === 0) return resolve();
      reject(preparationFailed(failure ?? `${file} ended with ${code ?? 'a signal'}: ${last}`));
    });
  });
}

function preparationFailed(text: string, cause?: unknown): CodedError {
  return new CodedError('PREPARATION_FAILED', text, { cause });
}
