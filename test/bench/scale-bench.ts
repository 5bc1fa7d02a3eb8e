import { fork, spawn } from 'node:child_process';
import type { ClientHttp2Session } from 'node:http2';
import { connect } from 'node:http2';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BenchResult } from './bench-result.js';
import type { Credentials } from './server-under-test.js';
import { ServerUnderTest } from './server-under-test.js';

const podCount = 10_000;
const listed = 5_000;
const watcherCount = 1_000;
const connections = 4;

/** What 10,000 pods cost, how fast half of them are listed, how fast one event reaches 1,000 watchers, and how others fare in a flood. */
export async function run(): Promise<BenchResult[]> {
  const server = await ServerUnderTest.start();
  try {
    const { api } = server;
    for (const namespace of ['one', 'two']) await api.create('/api/v1/namespaces', { metadata: { name: namespace } });
    // The default service accounts, without which no pod is admitted.
    await new Promise(resolve => setTimeout(resolve, 1000));
    // Long enough that what the start has left behind was given back, as it will be after the load.
    const before = await server.settledResidentMb(60);
    let next = 0;
    const create = async (): Promise<void> => {
      for (let at = next++; at < podCount; at = next++)
        await api.create(`/api/v1/namespaces/${at % 2 ? 'one' : 'two'}/pods`, pod(at));
    };
    await Promise.all(Array.from({ length: 64 }, create));
    const after = await server.settledResidentMb(120);
    const bytes = (await api.get('/api/v1/namespaces/one/pods/pod-1')).length;
    const results: BenchResult[] = [
      {
        name: `10,000 pods of ${(bytes / 1000).toFixed(1)} KB: more resident memory`,
        value: after - before,
        unit: 'MB',
        budget: 150,
      },
    ];
    const times: number[] = [];
    for (let round = 0; round < 7; round++) {
      const beganMs = performance.now();
      const text = await api.get('/api/v1/namespaces/one/pods');
      times.push(performance.now() - beganMs);
      if (round === 0 && (JSON.parse(text) as { items: unknown[] }).items.length !== listed)
        throw new Error('the list is not whole');
    }
    results.push({ name: 'LIST of 5,000 pods over TLS, median', value: median(times), unit: 'ms', budget: 150 });
    results.push(...(await fanOut(server)));
    results.push(await underFlood(server));
    return results;
  } finally {
    await server.stop();
  }
}

/** About 5 KB as stored. */
function pod(at: number): object {
  const env = Array.from({ length: 18 }, (_, index) => ({ name: `SETTING_${index}`, value: `value-${index}-${'x'.repeat(60)}` }));
  return {
    metadata: { name: `pod-${at}`, labels: { app: 'bench' } },
    spec: { containers: [{ name: 'web', image: 'example.com/web:1', env }] },
  };
}

interface Publisher {
  readonly port: number;
  readonly credentials?: Credentials;
  /** Where the readers read. */
  readonly path: string;
  /** Sends the event once more; the first time it is new. */
  publish(round: number): Promise<unknown>;
}

/** From the write on until the last of 1,000 readers has the event; against what a bare server of Node needs for as many bytes. */
async function fanOut(server: ServerUnderTest): Promise<BenchResult[]> {
  const configMaps = '/api/v1/namespaces/default/configmaps';
  const text = 'x'.repeat(1000);
  const ours = await fanOutMs({
    port: server.port,
    credentials: server.credentials,
    path: `${configMaps}?watch=true&resourceVersion=0`,
    publish: round =>
      round === 0
        ? server.api.create(configMaps, { metadata: { name: 'fan-out' }, data: { text } })
        : server.api.patch(`${configMaps}/fan-out`, { data: { round: String(round) } }),
  });
  const eventBytes = (await server.api.get(`${configMaps}/fan-out`)).length + 40;
  const bare = await bareFanOutMs(join(server.directory, 'server', 'tls'), eventBytes);
  return [
    { name: 'one event to 1,000 watchers on 4 connections, median', value: ours, unit: 'ms' },
    { name: "the same from a bare server of Node's", value: bare, unit: 'ms' },
    { name: 'one event to 1,000 watchers, against the bare server', value: ours / bare, unit: 'times', budget: 1.5 },
  ];
}

async function bareFanOutMs(certificates: string, eventBytes: number): Promise<number> {
  const file = join(certificates, 'serving-kube-apiserver');
  const child = fork(fileURLToPath(new URL('./bare-fan-out.js', import.meta.url)), [`${file}.crt`, `${file}.key`]);
  try {
    const port = await new Promise<number>((resolve, reject) => {
      child.once('message', resolve);
      child.once('error', reject);
      child.once('exit', () => reject(new Error('the bare server has ended')));
    });
    const session = connect(`https://127.0.0.1:${port}`, { rejectUnauthorized: false });
    const body = '"fan-out"'.padEnd(eventBytes, 'x');
    const publish = (): Promise<void> =>
      new Promise((resolve, reject) => {
        const stream = session.request({ ':method': 'POST', ':path': '/' });
        stream.on('error', reject);
        stream.on('end', resolve);
        stream.resume();
        stream.end(body);
      });
    const medianMs = await fanOutMs({ port, path: '/', publish });
    session.destroy();
    return medianMs;
  } finally {
    child.kill();
  }
}

async function fanOutMs(publisher: Publisher): Promise<number> {
  const { port, credentials = {}, path, publish } = publisher;
  const sessions: ClientHttp2Session[] = [];
  let received = 0;
  let wake: (() => void) | undefined;
  for (let at = 0; at < connections; at++) {
    sessions.push(connect(`https://127.0.0.1:${port}`, { ...credentials, rejectUnauthorized: false }));
  }
  const opened = Array.from({ length: watcherCount }, (_, at) => {
    const stream = sessions[at % connections]!.request({ ':path': path });
    stream.setEncoding('utf8');
    stream.on('error', () => undefined);
    stream.on('data', (chunk: string) => {
      if (!chunk.includes('"fan-out"')) return;
      received++;
      if (received % watcherCount === 0) wake?.();
    });
    return new Promise(resolve => stream.once('response', resolve));
  });
  await Promise.all(opened);
  await new Promise(resolve => setTimeout(resolve, 500));
  const times: number[] = [];
  for (let round = 0; round < 12; round++) {
    const all = new Promise<void>(resolve => (wake = resolve));
    const beganMs = performance.now();
    await publish(round);
    await all;
    times.push(performance.now() - beganMs);
  }
  for (const session of sessions) session.destroy();
  return median(times.slice(2));
}

/** GETs of one user while another one's 64 connections ask for one object as fast as they can. */
async function underFlood(server: ServerUnderTest): Promise<BenchResult> {
  const token = await server.api.adminToken('flood');
  const url = `https://127.0.0.1:${server.port}/api/v1/namespaces/default/configmaps/fan-out`;
  const flood = spawn('h2load', ['--h1', '-c', '64', '-t', '1', '-D', '8', '--header', `Authorization: Bearer ${token}`, url], {
    stdio: 'ignore',
  });
  const failed = new Promise<never>((_, reject) => flood.once('error', reject));
  const times: number[] = [];
  const ask = async (): Promise<void> => {
    await new Promise(resolve => setTimeout(resolve, 1000));
    for (let at = 0; at < 300; at++) {
      const beganMs = performance.now();
      await server.api.get('/api/v1/namespaces/one/pods/pod-1');
      times.push(performance.now() - beganMs);
    }
  };
  await Promise.race([ask(), failed]);
  flood.kill('SIGTERM');
  times.sort((a, b) => a - b);
  return {
    name: "another user's GET while one floods, p99",
    value: times[Math.floor(times.length * 0.99)]!,
    unit: 'ms',
    budget: 200,
  };
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
}
