import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { HostCommands } from '../commands.js';
import { IpCommand } from '../links.js';
import type { LinkChange } from '../links.js';
import type { AgentRequest } from './namespace-agent.js';

let count = 0;

export interface AskOptions {
  readonly protocol?: 'tcp' | 'udp';
  readonly timeoutMs?: number;
  readonly localPort?: number;
}

/** Whether this process may make network namespaces: tests of the real thing need it. */
export function mayUseNamespaces(): boolean {
  return process.platform === 'linux' && process.getuid?.() === 0;
}

/** A network namespace of one test, with a process inside that listens and connects. Needs root. */
export class NetworkNamespace {
  readonly name: string;
  readonly path: string;
  readonly commands: HostCommands;
  readonly links: IpCommand;
  #agent: ChildProcess | undefined;
  #asked = 0;
  readonly #waiting = new Map<number, (answer: string) => void>();

  private constructor(name: string) {
    this.name = name;
    this.path = `/run/netns/${name}`;
    this.commands = new HostCommands({ networkNamespace: this.path });
    this.links = new IpCommand(this.commands);
  }

  static async create(label: string): Promise<NetworkNamespace> {
    const namespace = new NetworkNamespace(`k3st-${process.pid}-${++count}-${label}`);
    await new IpCommand(new HostCommands()).apply([['netns', 'add', namespace.name]]);
    await namespace.ip(['link', 'set', 'lo', 'up']);
    return namespace;
  }

  ip(...changes: readonly LinkChange[]): Promise<void> {
    return this.links.apply(changes);
  }

  /** A pair of links between two namespaces: `near` here, `far` there. */
  async connect(near: string, other: NetworkNamespace, far: string): Promise<void> {
    await this.ip(['link', 'add', near, 'type', 'veth', 'peer', 'name', far, 'netns', other.name]);
  }

  /** A server that answers everybody with `NAME CLIENT_ADDRESS`. */
  async listen(port: number, name: string, options: { protocol?: 'tcp' | 'udp'; address?: string } = {}): Promise<void> {
    const answer = await this.#request({ kind: 'listen', port, name, protocol: 'tcp', ...options });
    if (answer !== 'listening') throw new Error(`${this.name}: port ${port}: ${answer}`);
  }

  /** What a server answers, or `error CODE`. */
  ask(address: string, port: number, options: AskOptions = {}): Promise<string> {
    return this.#request({ kind: 'ask', address, port, protocol: 'tcp', timeoutMs: 1000, ...options });
  }

  /** Ends what runs inside and removes the namespace with its links. */
  async dispose(): Promise<void> {
    const agent = this.#agent;
    this.#agent = undefined;
    if (agent && agent.exitCode === null) {
      const ended = new Promise(resolve => agent.once('exit', resolve));
      agent.disconnect();
      await ended;
    }
    await new IpCommand(new HostCommands()).apply([['netns', 'delete', this.name]]);
  }

  async #request(request: AgentRequest): Promise<string> {
    const agent = await this.#startAgent();
    const id = ++this.#asked;
    const answer = new Promise<string>(resolve => this.#waiting.set(id, resolve));
    agent.send({ id, request });
    return answer;
  }

  async #startAgent(): Promise<ChildProcess> {
    if (this.#agent) return this.#agent;
    const script = fileURLToPath(new URL('./namespace-agent.js', import.meta.url));
    const agent = spawn('nsenter', [`--net=${this.path}`, '--', process.execPath, script], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.#agent = agent;
    const ready = new Promise<string>(resolve => this.#waiting.set(0, resolve));
    agent.on('message', ({ id, answer }: { id: number; answer: string }) => {
      this.#waiting.get(id)?.(answer);
      this.#waiting.delete(id);
    });
    agent.on('error', error => this.#fail(String(error)));
    agent.on('exit', () => this.#fail('error AGENT_GONE'));
    await ready;
    return agent;
  }

  #fail(answer: string): void {
    for (const resolve of this.#waiting.values()) resolve(answer);
    this.#waiting.clear();
  }
}
