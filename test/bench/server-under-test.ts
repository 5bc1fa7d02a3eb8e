import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import type { RequestOptions } from 'node:https';
import { Agent, request } from 'node:https';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nodeEnvironment, nodeFlags } from '../../core/cli/node-flags.js';
import { residentMb } from './process-figures.js';

const main = fileURLToPath(new URL('../../core/cli/main.js', import.meta.url));

export interface Credentials {
  readonly cert: string;
  readonly key: string;
}

/** A server with the sqlite datastore and no node, in a process of its own. */
export class ServerUnderTest {
  readonly port: number;
  readonly credentials: Credentials;
  readonly api: BenchApi;
  readonly #process: ChildProcess;
  readonly directory: string;
  /** From exec to ready. */
  readonly startMs: number;

  private constructor(options: {
    port: number;
    credentials: Credentials;
    process: ChildProcess;
    directory: string;
    startMs: number;
  }) {
    this.port = options.port;
    this.credentials = options.credentials;
    this.api = new BenchApi(options.port, options.credentials);
    this.#process = options.process;
    this.directory = options.directory;
    this.startMs = options.startMs;
  }

  /** In a directory of its own, or in that of a server that was stopped. Resolves when it is ready. */
  static async start(directory?: string): Promise<ServerUnderTest> {
    directory ??= await mkdtemp(join(tmpdir(), 'k3s-bench-'));
    const port = await freePort();
    const kubeconfig = join(directory, 'k3s.yaml');
    const words = [
      '--data-dir',
      directory,
      '--https-listen-port',
      String(port),
      '--write-kubeconfig',
      kubeconfig,
      '--disable-agent',
    ];
    const child = spawn(process.execPath, [...nodeFlags, main, 'server', ...words], {
      stdio: 'ignore',
      env: { ...nodeEnvironment, ...process.env },
    });
    const beganMs = performance.now();
    await answering(port);
    const startMs = performance.now() - beganMs;
    // It is written once the port is open.
    while (!existsSync(kubeconfig)) await new Promise(resolve => setTimeout(resolve, 10));
    const text = readFileSync(kubeconfig, 'utf8');
    const field = (name: string): string => Buffer.from(new RegExp(`${name}: (\\S+)`).exec(text)![1]!, 'base64').toString();
    const credentials = { cert: field('client-certificate-data'), key: field('client-key-data') };
    return new ServerUnderTest({ port, credentials, process: child, directory, startMs });
  }

  /** Resident memory at rest: the lowest within that time. What a load left behind is given back half a minute after it. */
  async settledResidentMb(seconds: number): Promise<number> {
    let lowest = Infinity;
    for (let at = 0; at < seconds * 2; at++) {
      await new Promise(resolve => setTimeout(resolve, 500));
      lowest = Math.min(lowest, residentMb(this.pid));
    }
    return lowest;
  }

  get pid(): number {
    return this.#process.pid!;
  }

  /** `keep`: the directory, for another start. */
  async stop(options: { keep?: boolean } = {}): Promise<void> {
    this.api.close();
    const ended = new Promise(resolve => this.#process.once('exit', resolve));
    if (this.#process.exitCode === null) {
      this.#process.kill('SIGTERM');
      await ended;
    }
    if (options.keep) return;
    // The dataplane and its rules outlive a server.
    const killAll = spawn(process.execPath, [main, 'killall', '--data-dir', this.directory], { stdio: 'ignore' });
    await new Promise(resolve => killAll.once('exit', resolve));
    await rm(this.directory, { recursive: true, force: true });
  }
}

/** Requests with the administrator's certificate on connections that are kept. */
export class BenchApi {
  readonly #agent: Agent;
  readonly #port: number;

  constructor(port: number, credentials: Credentials) {
    this.#port = port;
    this.#agent = new Agent({ keepAlive: true, maxSockets: 64, ...credentials, rejectUnauthorized: false });
  }

  async get(path: string): Promise<string> {
    return this.#expect(200, await this.#send('GET', path));
  }

  async create(path: string, object: object): Promise<string> {
    return this.#expect(201, await this.#send('POST', path, 'application/json', object));
  }

  async patch(path: string, patch: object): Promise<string> {
    return this.#expect(200, await this.#send('PATCH', path, 'application/merge-patch+json', patch));
  }

  /** The token of a service account that may do everything, for load tools without client certificates. */
  async adminToken(name: string): Promise<string> {
    await this.create('/api/v1/namespaces/default/serviceaccounts', { metadata: { name } });
    await this.create('/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', {
      metadata: { name },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
      subjects: [{ kind: 'ServiceAccount', name, namespace: 'default' }],
    });
    const answer = await this.create(`/api/v1/namespaces/default/serviceaccounts/${name}/token`, { spec: { audiences: [] } });
    return (JSON.parse(answer) as { status: { token: string } }).status.token;
  }

  close(): void {
    this.#agent.destroy();
  }

  #send(method: string, path: string, contentType?: string, object?: object): Promise<{ status: number; text: string }> {
    const headers = contentType ? { 'Content-Type': contentType } : {};
    return call({ port: this.#port, path, method, agent: this.#agent, headers }, object && JSON.stringify(object));
  }

  #expect(status: number, answer: { status: number; text: string }): string {
    if (answer.status !== status) throw new Error(`${answer.status} ${answer.text.slice(0, 300)}`);
    return answer.text;
  }
}

function freePort(): Promise<number> {
  return new Promise(resolve => {
    const probe = createServer();
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as AddressInfo;
      probe.close(() => resolve(port));
    });
  });
}

/** Resolves when the server says that it is ready. */
async function answering(port: number): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (performance.now() < deadline) {
    const status = await call({ port, path: '/readyz', rejectUnauthorized: false }).then(
      answer => answer.status,
      () => 0,
    );
    if (status === 200) return;
    await new Promise(resolve => setTimeout(resolve, 10));
  }
  throw new Error('the server did not answer within 20 s');
}

function call(options: RequestOptions, body?: string): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', ...options }, response => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }));
    });
    sent.on('error', reject);
    sent.end(body);
  });
}
