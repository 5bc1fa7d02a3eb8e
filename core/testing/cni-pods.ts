import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { access, readdir, readFile } from 'node:fs/promises';
import { once } from 'node:events';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { CodedError } from '../plugin-api/index.js';
import type { CniPaths } from '../plugin-api/index.js';

let ownNetwork: boolean | undefined;

/**
 * Whether tests may change the network that this process is in: it is root, and nothing but loopback had an address when this was
 * first asked, as after `unshare --net`.
 */
export function hasOwnNetwork(): boolean {
  ownNetwork ??=
    process.platform === 'linux' &&
    process.getuid?.() === 0 &&
    Object.values(networkInterfaces()).every(addresses => addresses?.every(({ internal }) => internal));
  return ownNetwork;
}

export interface CniConfiguration {
  readonly cniVersion: string;
  readonly name: string;
  readonly plugins: readonly { readonly type: string }[];
}

export interface CniResult {
  readonly ips?: readonly { readonly address: string; readonly gateway?: string }[];
}

/** What the runtime would use: the first configuration by name. Undefined while there is none. */
export async function readConfiguration({ configurationDirectory }: CniPaths): Promise<CniConfiguration | undefined> {
  const files = await readdir(configurationDirectory).catch(() => []);
  const [first] = files.filter(file => /\.(conflist|conf|json)$/.test(file)).sort();
  if (first === undefined) return undefined;
  const content = JSON.parse(await readFile(join(configurationDirectory, first), 'utf8')) as CniConfiguration & { type: string };
  // A file of a single plugin is a list of one.
  return first.endsWith('.conflist') ? content : { ...content, plugins: [content] };
}

/** Where the runtime would find a CNI plugin. */
export async function findPlugin({ binaryDirectories }: CniPaths, type: string): Promise<string> {
  for (const directory of binaryDirectories) {
    const file = join(directory, type);
    const found = await access(file, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return file;
  }
  throw new assert.AssertionError({ message: `no program "${type}" in ${binaryDirectories.join(', ')}` });
}

export interface PluginWish {
  readonly command: 'ADD' | 'DEL' | 'VERSION';
  readonly containerId?: string;
  readonly namespace?: string;
}

/** Runs one CNI plugin as the runtime would. Rejects CodedError `CNI_<code>` with what the plugin says. */
export async function callPlugin(
  paths: CniPaths,
  file: string,
  wish: PluginWish,
  input: object,
): Promise<Record<string, unknown>> {
  const { command, containerId = '', namespace = '' } = wish;
  const child = spawn(file, [], {
    env: {
      PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`,
      CNI_COMMAND: command,
      CNI_CONTAINERID: containerId,
      CNI_NETNS: namespace,
      CNI_IFNAME: 'eth0',
      CNI_ARGS: `IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=pod-${containerId}`,
      CNI_PATH: paths.binaryDirectories.join(':'),
    },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  child.stdin.on('error', () => undefined);
  child.stdin.end(JSON.stringify(input));
  const ended = once(child, 'close') as Promise<[number | null]>;
  const [output, errors, [code]] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  const answer = (output.trim() === '' ? {} : JSON.parse(output)) as Record<string, unknown>;
  if (code === 0) return answer;
  throw new CodedError(`CNI_${answer['code'] ?? 'NONE'}`, String(answer['msg'] ?? errors));
}

/** A network namespace like a pod's. It ends with this process, whatever happens. */
export class PodNamespace {
  readonly containerId = randomBytes(16).toString('hex');
  readonly path: string;
  readonly #holder: ChildProcess;
  readonly #listeners: ChildProcess[] = [];

  private constructor(holder: ChildProcess) {
    this.#holder = holder;
    this.path = `/proc/${holder.pid}/ns/net`;
  }

  static async make(): Promise<PodNamespace> {
    const holder = spawn('unshare', ['--net', 'cat'], { stdio: ['pipe', 'pipe', 'ignore'] });
    // What comes back comes from inside.
    holder.stdin.write('.');
    await once(holder.stdout, 'data');
    return new PodNamespace(holder);
  }

  /** What a tool of the host prints in the pod's network. */
  run(program: string, ...words: readonly string[]): Promise<string> {
    return runTool('nsenter', `--net=${this.path}`, program, ...words);
  }

  /** A TCP server that tells everybody who they are. */
  async listen(port: number): Promise<void> {
    const script = `require('net').createServer(s => s.end(s.remoteAddress)).listen(${port}, '0.0.0.0', () => console.log('up'))`;
    const server = spawn('nsenter', [`--net=${this.path}`, process.execPath, '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#listeners.push(server);
    await once(server.stdout, 'data');
  }

  /** What a server at the address says to this pod, or the error's code. */
  ask(address: string, port: number): Promise<string> {
    return this.run(process.execPath, '-e', askScript(address, port));
  }

  async dispose(): Promise<void> {
    for (const child of [...this.#listeners, this.#holder]) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    }
  }
}

/** The same from the node. */
export function askFromNode(address: string, port: number): Promise<string> {
  return runTool(process.execPath, '-e', askScript(address, port));
}

export async function runTool(program: string, ...words: readonly string[]): Promise<string> {
  const child = spawn(program, words, { stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = once(child, 'close') as Promise<[number | null]>;
  const [output, errors, [code]] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  if (code !== 0) throw new CodedError('TOOL_FAILED', `${program} ${words.join(' ')}: ${errors.trim()}`);
  return output;
}

function askScript(address: string, port: number): string {
  return `const s = require('net').connect({ host: '${address}', port: ${port}, timeout: 2000 });
    s.on('data', d => process.stdout.write(String(d).replace('::ffff:', '')));
    s.on('error', e => process.stdout.write(e.code)); s.on('timeout', () => { process.stdout.write('TIMEOUT'); s.destroy(); })`;
}
