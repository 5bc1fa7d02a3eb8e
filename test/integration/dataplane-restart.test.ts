import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, get } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { HttpTransport } from '../../core/client/http-transport.js';
import { readKubeconfig } from '../../core/client/kubeconfig.js';
import { killDataplane } from '../../core/dataplane/child-process.js';
import { readRecord } from '../../core/dataplane/child-record.js';
import { Client, Resources } from '../../core/plugin-api/index.js';
import type { EndpointSlice, Ingress, Service } from '../../core/plugin-api/index.js';
import { ask } from '../../plugins/cluster-dns/coredns/dataplane/testing/dns-client.js';

/** Endpoints may not be on loopback; packets to an address of this machine do not leave it either. */
const ownAddress = Object.values(networkInterfaces())
  .flat()
  .find(one => one && !one.internal && one.family === 'IPv4')?.address;

const main = fileURLToPath(new URL('../../core/cli/main.js', import.meta.url));
let directory: string;
let server: ChildProcess | undefined;
const ports = { dns: 0, web: 0, websecure: 0 };

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'restart-'));
  for (const name of Object.keys(ports) as (keyof typeof ports)[]) ports[name] = await freePort();
  const pluginOptions = {
    coredns: { port: ports.dns, metricsPort: 0, listenAddresses: ['127.0.0.1'] },
    traefik: { webPort: ports.web, websecurePort: ports.websecure, listenAddresses: ['127.0.0.1'] },
  };
  await writeFile(join(directory, 'config.yaml'), JSON.stringify({ 'plugin-options': pluginOptions }));
});
afterEach(async () => {
  await endServer('SIGKILL');
  await killDataplane(join(directory, 'data/run/dataplane'));
  await rm(directory, { recursive: true });
});

async function freePort(): Promise<number> {
  const probe = createTcpServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}

async function until<T>(what: string, attempt: () => Promise<T | undefined>): Promise<T> {
  let last: unknown;
  for (let tries = 0; tries < 400; tries++) {
    try {
      const found = await attempt();
      if (found !== undefined) return found;
    } catch (error) {
      last = error;
    }
    await new Promise(resolve => setTimeout(resolve, 50));
  }
  throw new Error(`not in time: ${what}`, { cause: last });
}

/** A server in a process of its own. Resolves when its API answers. */
async function startServer(): Promise<Client> {
  const kubeconfig = join(directory, 'k3s.yaml');
  const slots = ['datastore=sqlite', 'cluster-dns=coredns', 'ingress=traefik'].flatMap(slot => ['--slot', slot]);
  const flags = ['--preset', 'sandbox', '--data-dir', join(directory, 'data'), '--write-kubeconfig', kubeconfig];
  const options = ['--config', join(directory, 'config.yaml'), ...flags, ...slots];
  await rm(kubeconfig, { force: true });
  const child = spawn(process.execPath, ['--no-warnings', main, 'server', ...options], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  server = child;
  return until('the API', async () => {
    if (child.exitCode !== null) throw new Error(`the server ended with ${child.exitCode}`);
    const transport = new HttpTransport({ credentials: await readKubeconfig(kubeconfig) });
    const client = new Client(transport, { name: 'admin', groups: [] });
    await client.resource(Resources.Namespaces).get('kube-system');
    return client;
  });
}

async function endServer(signal: NodeJS.Signals): Promise<void> {
  const child = server;
  server = undefined;
  if (!child || child.exitCode !== null || child.signalCode !== null) return;
  child.kill(signal);
  await once(child, 'exit');
}

async function httpStatus(host: string): Promise<string> {
  const outgoing = get({ host: '127.0.0.1', port: ports.web, headers: { host }, agent: false });
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
  let text = '';
  for await (const chunk of response) text += String(chunk);
  return `${response.statusCode} ${text.trim()}`;
}

function ingress(host: string): Ingress {
  const backend = { service: { name: 'web', port: { number: 80 } } };
  const rules = [{ host, http: { paths: [{ path: '/', pathType: 'Prefix', backend }] } }];
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: { name: 'web' },
    spec: { rules },
  } as unknown as Ingress;
}

interface Load {
  readonly asked: { dns: number; http: number };
  readonly failures: string[];
  stop(): Promise<void>;
}

/** Names and pages, 100 a second each, every one on a socket of its own and asked once. */
function startLoad(): Load {
  const asked = { dns: 0, http: 0 };
  const failures: string[] = [];
  const pending = new Set<Promise<void>>();
  const track = (promise: Promise<void>): void => {
    pending.add(promise);
    void promise.finally(() => pending.delete(promise));
  };
  const timer = setInterval(() => {
    asked.dns += 1;
    asked.http += 1;
    track(
      ask(ports.dns, 'web.default.svc.cluster.local', { timeoutMs: 2000 }).then(
        ({ answers }) => void (answers[0]?.data === '10.43.7.7' || failures.push(`DNS: ${JSON.stringify(answers)}`)),
        error => void failures.push(`DNS: ${String(error)}`),
      ),
    );
    track(
      httpStatus('web.test').then(
        status => void (status === '200 page' || failures.push(`HTTP: ${status}`)),
        error => void failures.push(`HTTP: ${String(error)}`),
      ),
    );
  }, 10);
  return {
    asked,
    failures,
    async stop() {
      clearInterval(timer);
      await Promise.all(pending);
    },
  };
}

(ownAddress === undefined ? describe.skip : describe)('names and routes while the server restarts', () => {
  it('go on through kill -9, an orderly restart and a change of an Ingress, with nothing lost', async () => {
    const page = createServer((_request, answer) => answer.end('page')).listen(0, ownAddress);
    await once(page, 'listening');
    let client = await startServer();
    const spec = { ports: [{ name: 'http', port: 80 }], clusterIP: '10.43.7.7' };
    const service = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'web' }, spec } as unknown as Service;
    await client.resource(Resources.Services, 'default').create(service);
    const slice = {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: 'web', labels: { 'kubernetes.io/service-name': 'web' } },
      addressType: 'IPv4',
      endpoints: [{ addresses: [ownAddress!], conditions: { ready: true } }],
      ports: [{ name: 'http', port: (page.address() as AddressInfo).port, protocol: 'TCP' }],
    } as unknown as EndpointSlice;
    await client.resource(Resources.EndpointSlices, 'default').create(slice);
    await client.resource(Resources.Ingresses, 'default').create(ingress('web.test'));
    await until('the route', async () => ((await httpStatus('web.test')) === '200 page' ? true : undefined));
    await until('the name', async () => (await ask(ports.dns, 'web.default.svc.cluster.local')).answers[0]);
    const record = (await readRecord(join(directory, 'data/run/dataplane')))!;

    const load = startLoad();
    await endServer('SIGKILL');
    client = await startServer();
    const rules = [...ingress('web.test').spec.rules!, ...ingress('new.test').spec.rules!];
    await client.resource(Resources.Ingresses, 'default').patch('web', 'merge', { spec: { rules } });
    await until('the new route', async () => ((await httpStatus('new.test')) === '200 page' ? true : undefined));
    await endServer('SIGTERM');
    client = await startServer();
    await client
      .resource(Resources.Ingresses, 'default')
      .patch('web', 'merge', { spec: { rules: ingress('web.test').spec.rules } });
    await until('the end of the new route', async () => ((await httpStatus('new.test')).startsWith('404') ? true : undefined));
    await load.stop();
    page.close();

    const status = await readFile(`/proc/${record.pid}/status`, 'utf8');
    const residentMb = Number(/VmRSS:\s+(\d+)/.exec(status)![1]) / 1024;
    process.stdout.write(
      `restarts: ${load.asked.dns} names and ${load.asked.http} pages asked, ${load.failures.length} failed; dataplane ${residentMb.toFixed(1)} MB resident\n`,
    );
    expect(load.failures).toEqual([]);
    expect(load.asked.dns).toBeGreaterThan(50);
    // The same process all the time.
    expect(await readRecord(join(directory, 'data/run/dataplane'))).toEqual(record);
  }, 90_000);
});
