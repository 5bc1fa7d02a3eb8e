import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { RequestOptions } from 'node:https';
import { Agent, request } from 'node:https';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BenchResult } from './bench-result.js';

const main = fileURLToPath(new URL('../../core/cli/main.js', import.meta.url));
const settleMs = 15_000;

/** A server with the sqlite datastore and no node, as a process of its own: start, memory, and requests over TLS. */
export async function run(): Promise<BenchResult[]> {
  const directory = await mkdtemp(join(tmpdir(), 'k3s-bench-'));
  const port = await freePort();
  const kubeconfig = join(directory, 'k3s.yaml');
  const results: BenchResult[] = [];
  let server: ChildProcess | undefined;
  try {
    // The first start makes certificates and the compile cache; the second is what a user sees every day.
    for (const name of ['first', 'next'] as const) {
      const beganMs = performance.now();
      server = startServer(directory, port, kubeconfig);
      await answering(port);
      results.push({
        name: `start (${name}): API answering`,
        value: performance.now() - beganMs,
        unit: 'ms',
        budget: 1000,
        must: 2000,
      });
      if (name === 'first') await stop(server);
    }
    const running = server!;
    await new Promise(resolve => setTimeout(resolve, settleMs));
    const cpuBefore = cpuMs(running.pid!);
    const writesBefore = writtenBytes(running.pid!);
    await new Promise(resolve => setTimeout(resolve, settleMs));
    results.push({ name: 'idle: resident memory, no node', value: residentMb(running.pid!), unit: 'MB', budget: 150, must: 200 });
    results.push({
      name: 'idle: processor',
      value: ((cpuMs(running.pid!) - cpuBefore) / settleMs) * 100,
      unit: '% of a core',
      budget: 1,
    });
    results.push({
      name: 'idle: written',
      value: (writtenBytes(running.pid!) - writesBefore) / (settleMs / 1000),
      unit: 'bytes/s',
    });
    const client = await Api.open(kubeconfig, directory);
    await client.create('/api/v1/namespaces/default/configmaps', {
      metadata: { name: 'small' },
      data: { text: 'x'.repeat(600) },
    });
    const token = await client.token();
    results.push(...getRate(`https://127.0.0.1:${port}/api/v1/namespaces/default/configmaps/small`, token));
    results.push(...(await createRate(`https://127.0.0.1:${port}/api/v1/namespaces/default/configmaps`, token, directory)));
    client.close();
    return results;
  } finally {
    if (server) await stop(server);
    await rm(directory, { recursive: true, force: true });
  }
}

function startServer(directory: string, port: number, kubeconfig: string): ChildProcess {
  return spawn(
    process.execPath,
    [
      main,
      'server',
      '--data-dir',
      directory,
      '--https-listen-port',
      String(port),
      '--write-kubeconfig',
      kubeconfig,
      '--disable-agent',
    ],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  );
}

async function stop(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null) return;
  const ended = new Promise(resolve => server.once('exit', resolve));
  server.kill('SIGTERM');
  await ended;
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

/** Requests with the admin's certificate. */
class Api {
  readonly certFile: string;
  readonly keyFile: string;
  readonly #agent: Agent;
  readonly #port: number;

  private constructor(files: { certFile: string; keyFile: string }, agent: Agent, port: number) {
    this.certFile = files.certFile;
    this.keyFile = files.keyFile;
    this.#agent = agent;
    this.#port = port;
  }

  static async open(kubeconfig: string, directory: string): Promise<Api> {
    const text = readFileSync(kubeconfig, 'utf8');
    const field = (name: string): string => Buffer.from(new RegExp(`${name}: (\\S+)`).exec(text)![1]!, 'base64').toString();
    const files = { certFile: join(directory, 'admin.crt'), keyFile: join(directory, 'admin.key') };
    const cert = field('client-certificate-data');
    const key = field('client-key-data');
    await writeFile(files.certFile, cert);
    await writeFile(files.keyFile, key, { mode: 0o600 });
    const agent = new Agent({ keepAlive: true, maxSockets: 64, cert, key, rejectUnauthorized: false });
    return new Api(files, agent, Number(/server: \S+:(\d+)/.exec(text)![1]));
  }

  async create(path: string, object: object): Promise<string> {
    const answer = await call(
      { port: this.#port, path, method: 'POST', agent: this.#agent, headers: { 'Content-Type': 'application/json' } },
      JSON.stringify(object),
    );
    if (answer.status !== 201) throw new Error(`${path}: ${answer.status} ${answer.text}`);
    return answer.text;
  }

  /** A token of a service account that may do everything: h2load has no client certificates. */
  async token(): Promise<string> {
    await this.create('/api/v1/namespaces/default/serviceaccounts', { metadata: { name: 'reader' } });
    await this.create('/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', {
      metadata: { name: 'reader' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
      subjects: [{ kind: 'ServiceAccount', name: 'reader', namespace: 'default' }],
    });
    const answer = await this.create('/api/v1/namespaces/default/serviceaccounts/reader/token', { spec: { audiences: [] } });
    return (JSON.parse(answer) as { status: { token: string } }).status.token;
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** h2load on the other core, as a service account (it has no client certificates). Without h2load nothing is claimed. */
function getRate(url: string, token: string): BenchResult[] {
  const common = ['-D', '5', '--warm-up-time=2', '--header', `Authorization: Bearer ${token}`];
  const loads: [string, string[]][] = [
    ['HTTP/1.1, 16 connections', ['--h1', '-c', '16', '-t', '1']],
    ['HTTP/2, 4 connections of 8 streams', ['-c', '4', '-m', '8', '-t', '1']],
  ];
  return loads.flatMap(([name, flags]) => {
    const output = spawnSync('h2load', [...flags, ...common, url], { encoding: 'utf8' });
    const rate = /finished in [^,]+, ([\d.]+) req\/s/.exec(output.stdout ?? '')?.[1];
    const failed = Number(/(\d+) 4xx/.exec(output.stdout ?? '')?.[1] ?? 0);
    if (!rate || failed > 0) return [];
    return [{ name: `GET of one object, ${name}`, value: Number(rate), unit: 'requests/s', budget: 10_000, atLeast: true }];
  });
}

/** Creates with generated names, so that one body will do. */
async function createRate(url: string, token: string, directory: string): Promise<BenchResult[]> {
  const body = join(directory, 'configmap.json');
  await writeFile(body, JSON.stringify({ metadata: { generateName: 'bench-' }, data: { text: 'x'.repeat(800) } }));
  const headers = [`Authorization: Bearer ${token}`, 'Content-Type: application/json'].flatMap(header => ['--header', header]);
  const output = spawnSync('h2load', ['--h1', '-c', '64', '-t', '1', '-n', '20000', '-d', body, ...headers, url], {
    encoding: 'utf8',
  });
  const rate = /finished in [^,]+, ([\d.]+) req\/s/.exec(output.stdout ?? '')?.[1];
  if (!rate || !/ 20000 2xx/.test(output.stdout ?? '')) return [];
  return [
    { name: 'durable create of a ConfigMap, 64 at once', value: Number(rate), unit: 'requests/s', budget: 3000, atLeast: true },
  ];
}

function residentMb(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024;
}

function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

function writtenBytes(pid: number): number {
  const file = `/proc/${pid}/io`;
  return existsSync(file) ? Number(/write_bytes: (\d+)/.exec(readFileSync(file, 'utf8'))![1]) : 0;
}
