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
import { answerIn, ask, askIn } from './network-talk.js';
import type { Question } from './network-talk.js';

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
  readonly #servers: (() => Promise<void>)[] = [];

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
    this.#servers.push(await answerIn(this.path, '', '0.0.0.0', port, 'TCP'));
  }

  /** What a server at the address says to this pod, or the error. */
  async ask(address: string, port: number): Promise<string> {
    const [said = ''] = await askIn(this.path, questionOf(address, port));
    return said.trim();
  }

  async dispose(): Promise<void> {
    for (const end of this.#servers.splice(0)) await end();
    if (this.#holder.exitCode !== null || this.#holder.signalCode !== null) return;
    const ended = once(this.#holder, 'exit');
    this.#holder.kill('SIGKILL');
    await ended;
  }
}

/** The same from the node. */
export async function askFromNode(address: string, port: number): Promise<string> {
  const [said = ''] = await ask(questionOf(address, port));
  return said.trim();
}

function questionOf(address: string, port: number): Question {
  return { address, port, protocol: 'TCP', times: 1, localPort: 0, timeoutMs: 2000 };
}

export async function runTool(program: string, ...words: readonly string[]): Promise<string> {
  const child = spawn(program, words, { stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = once(child, 'close') as Promise<[number | null]>;
  const [output, errors, [code]] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  if (code !== 0) throw new CodedError('TOOL_FAILED', `${program} ${words.join(' ')}: ${errors.trim()}`);
  return output;
}
