import type { SpawnSyncReturns } from 'node:child_process';
import { spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { BenchResult } from './bench-result.js';
import { idleCost } from './process-figures.js';
import { ServerUnderTest } from './server-under-test.js';

const settleMs = 15_000;

/** A server with the sqlite datastore and no node, as a process of its own: start, memory, and requests over TLS. */
export async function run(): Promise<BenchResult[]> {
  // The first start makes certificates and the compile cache; the next is what a user sees every day.
  const first = await ServerUnderTest.start();
  await first.stop({ keep: true });
  const server = await ServerUnderTest.start(first.directory);
  try {
    const results: BenchResult[] = [
      { name: 'start (first): API answering', value: first.startMs, unit: 'ms', budget: 1000, must: 2000 },
      { name: 'start (next): API answering', value: server.startMs, unit: 'ms', budget: 1000, must: 2000 },
    ];
    await new Promise(resolve => setTimeout(resolve, settleMs));
    const { cpuPercent, diskWritesPerSecond } = await idleCost(server.pid, settleMs / 1000);
    results.push(
      {
        name: 'idle: resident memory, no node',
        value: await server.settledResidentMb(60),
        unit: 'MB',
        budget: 150,
        must: 200,
      },
      { name: 'idle: processor, no node', value: cpuPercent, unit: '% of a core', budget: 1 },
      { name: 'idle: disk writes, no node', value: diskWritesPerSecond, unit: '1/s', budget: 1 },
    );
    const configMaps = '/api/v1/namespaces/default/configmaps';
    await server.api.create(configMaps, { metadata: { name: 'small' }, data: { text: 'x'.repeat(600) } });
    const token = await server.api.adminToken('load');
    const url = `https://127.0.0.1:${server.port}${configMaps}`;
    results.push(...getRate(`${url}/small`, token), ...(await createRate(url, token, server.directory)));
    return results;
  } finally {
    await server.stop();
  }
}

/** h2load on the other core, as a service account (it has no client certificates). Throws where h2load is missing. */
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
    if (!rate || failed > 0) throw loadFailed(output);
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
  if (!rate || !/ 20000 2xx/.test(output.stdout ?? '')) throw loadFailed(output);
  return [
    { name: 'durable create of a ConfigMap, 64 at once', value: Number(rate), unit: 'requests/s', budget: 3000, atLeast: true },
  ];
}

function loadFailed(output: SpawnSyncReturns<string>): Error {
  return new Error(
    output.error ? `h2load (package nghttp2-client): ${output.error.message}` : `h2load: ${output.stdout}${output.stderr}`,
  );
}
