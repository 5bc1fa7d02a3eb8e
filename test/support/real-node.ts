import type { ChildProcess } from 'node:child_process';
import { execFile, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { nodeEnvironment, nodeFlags } from '../../core/cli/node-flags.js';
import { boxArchive, fetchTestPackages } from './box-image.js';
import { addNamespace, removeNamespace } from './containerd-node.js';
import { makeClusterPaths } from '../../core/cluster/paths.js';
import type { ClusterPaths } from '../../core/contracts/cluster-paths.js';
import type { Tool } from './kubectl.js';
import { realTool } from './kubectl.js';

const run = promisify(execFile);
const askScript = `
  const [url, host] = process.argv.slice(1);
  const request = require('node:http').get(url, { headers: host ? { host } : {}, agent: false, timeout: 5000 }, response => {
    response.pipe(process.stdout);
    response.on('end', () => (process.exitCode = response.statusCode === 200 ? 0 : 22));
  });
  request.on('timeout', () => request.destroy(new Error('no answer in time')));
`;

const main = fileURLToPath(new URL('../../core/cli/main.js', import.meta.url));
export const nodeAddress = '192.0.2.10';
export const nodeAddress6 = '2001:db8::10';

/** A server with a real node, in a network namespace of its own. Needs root. */
export class RealNode {
  readonly directory: string;
  readonly image = 'k3s.local/box:1';
  readonly #mark: string;
  readonly #namespace: string;
  readonly dataDirectory: string;
  readonly #arguments: readonly string[];
  readonly #addresses: readonly string[];
  #server: ChildProcess | undefined;
  /** From the last start of the server until kubectl saw the Node ready; kubectl takes some of it. */
  launchMs = 0;
  #kubectl: Tool | undefined;

  /**
   * `mark` is in the names of all that is made; `serverArguments` are further flags of the server. `addresses` are those of `--node-ip`,
   * out of `nodeAddress` and `nodeAddress6`.
   */
  constructor(mark: string, serverArguments: readonly string[] = [], addresses: readonly string[] = [nodeAddress]) {
    this.#mark = mark;
    this.#addresses = addresses;
    this.#arguments = serverArguments;
    this.#namespace = `${mark}-${process.pid}`;
    this.directory = mkdtempSync(`/tmp/${mark}-`);
    this.dataDirectory = join(this.directory, 'data');
  }

  get kubectl(): Tool {
    if (!this.#kubectl) throw new Error('the node was not started');
    return this.#kubectl;
  }

  /** Of the server. */
  get pid(): number {
    if (this.#server?.pid === undefined) throw new Error('the node was not started');
    return this.#server.pid;
  }

  get kubeconfig(): string {
    return join(this.directory, 'k3s.yaml');
  }

  /** Words before a command that runs in the node's network. */
  get inside(): string[] {
    return ['nsenter', `--net=/run/netns/${this.#namespace}`, '--'];
  }

  get paths(): ClusterPaths {
    return makeClusterPaths({ dataDir: this.dataDirectory, registriesFile: '', ownsHost: true, homeDir: this.directory });
  }

  /** The page at a URL as a process of the node gets it, asked for once, on a connection of its own. Rejects when the status is not 200. */
  async page(url: string, host = ''): Promise<string> {
    const [program, ...words] = [...this.inside, process.execPath, '-e', askScript, url, host];
    return (await run(program!, words)).stdout;
  }

  /** Resolves when the Node is ready. `prepare` runs when the node's network is there, before the server. */
  async start(prepare?: () => Promise<void>): Promise<void> {
    await fetchTestPackages();
    await addNamespace(this.#namespace);
    const ip = (...words: string[]): Promise<unknown> => run('ip', ['-n', this.#namespace, ...words]);
    await ip('link', 'add', 'up0', 'type', 'veth', 'peer', 'name', 'up1');
    await ip('address', 'add', `${nodeAddress}/24`, 'dev', 'up0');
    await ip('link', 'set', 'up1', 'up');
    await ip('link', 'set', 'up0', 'up');
    await ip('route', 'add', 'default', 'dev', 'up0');
    if (this.#addresses.includes(nodeAddress6)) {
      await ip('address', 'add', `${nodeAddress6}/64`, 'dev', 'up0', 'nodad');
      await ip('-6', 'route', 'add', 'default', 'dev', 'up0');
    }
    mkdirSync(join(this.dataDirectory, 'agent', 'images'), { recursive: true });
    const archive = await boxArchive({ reference: this.image, layout: 'docker' });
    writeFileSync(join(this.dataDirectory, 'agent', 'images', 'box.tar'), archive);
    this.#kubectl = await realTool('kubectl', this.kubeconfig, this.directory, this.inside);
    await prepare?.();
    await this.launch();
  }

  /** Starts the server, the first time or again. Resolves when the Node is ready, or `isUp` says so. */
  async launch(moreArguments: readonly string[] = [], isUp?: () => Promise<boolean>): Promise<void> {
    const log = join(this.directory, 'server.log');
    const words = ['--data-dir', this.dataDirectory, '--write-kubeconfig', this.kubeconfig];
    words.push(
      '--node-ip',
      this.#addresses.join(','),
      '--node-name',
      this.#mark,
      '--log',
      log,
      ...this.#arguments,
      ...moreArguments,
    );
    const [program, ...before] = this.inside;
    this.#server = spawn(program!, [...before, process.execPath, ...nodeFlags, main, 'server', ...words], {
      stdio: 'ignore',
      env: { ...nodeEnvironment, ...process.env },
    });
    const beganMs = performance.now();
    const deadline = Date.now() + 30_000;
    for (;;) {
      if (await (isUp ?? this.#isReady)()) {
        this.launchMs = performance.now() - beganMs;
        return;
      }
      if (Date.now() > deadline) throw new Error(`the node is not ready after 30 s: ${readFileSync(log, 'utf8').slice(-2000)}`);
      await new Promise(resolve => setTimeout(resolve, 100));
    }
  }

  readonly #isReady = async (): Promise<boolean> => {
    const nodes = await this.kubectl(['get', 'nodes', '--no-headers']).catch(() => undefined);
    return nodes !== undefined && /\bReady\b/.test(nodes.stdout);
  };

  /** Ends the server; pods, containerd and the dataplane go on. */
  async stop(signal: NodeJS.Signals): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (!server || server.exitCode !== null || server.signalCode !== null) return;
    const ended = new Promise(resolve => server.once('exit', resolve));
    server.kill(signal);
    await ended;
  }

  /** Ends everything that was started and removes what was made; `cleanUp` runs before the node's network goes. */
  async remove(cleanUp?: () => Promise<void>, killArguments: readonly string[] = []): Promise<void> {
    await this.stop('SIGTERM');
    // A second time there is nothing left to end.
    if (!existsSync(`/run/netns/${this.#namespace}`)) return;
    const [program, ...before] = this.inside;
    await run(program!, [...before, process.execPath, main, 'killall', '--data-dir', this.dataDirectory, ...killArguments]);
    await cleanUp?.();
    await removeNamespace(this.#namespace);
    rmSync(this.directory, { recursive: true, force: true });
  }
}
