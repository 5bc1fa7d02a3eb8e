import { spawn, spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SystemClock } from '../../core/base/clock.js';
import { silentLogger } from '../../core/base/logger.js';
import { killDataplane } from '../../core/dataplane/child-process.js';
import { DataplaneHost } from '../../core/dataplane/dataplane-host.js';
import { createAuthority } from '../../core/pki/certificate-authority.js';
import { generatePrivateKeyPem } from '../../core/pki/private-key.js';
import { coredns } from '../../plugins/cluster-dns/coredns/index.js';
import type { DnsEntry, DnsReport } from '../../plugins/cluster-dns/coredns/dataplane/state.js';
import { encodeQuestion } from '../../plugins/cluster-dns/coredns/dataplane/testing/dns-client.js';
import { traefik } from '../../plugins/ingress/traefik/index.js';
import type { IngressEntry, IngressReport } from '../../plugins/ingress/traefik/dataplane/state.js';
import type { BenchResult } from './bench-result.js';

const settleMs = 3000;
const loadSeconds = 5;
const loopback = [{ address: '127.0.0.1', port: 0 }];

/** The dataplane as a process of its own: memory, names over UDP, pages by h2load from an endpoint that answers two bytes. */
export async function run(): Promise<BenchResult[]> {
  const directory = await mkdtemp(join(tmpdir(), 'k3s-bench-'));
  const modules = new Map([coredns, traefik].map(({ id, dataplane }) => [id, dataplane!]));
  const host = new DataplaneHost({ directory, modules, mode: 'child', clock: new SystemClock(), logger: silentLogger });
  const page = createServer((_request, answer) => answer.writeHead(200, { 'content-length': 2 }).end('ok')).listen(
    0,
    '127.0.0.1',
  );
  const results: BenchResult[] = [];
  try {
    await once(page, 'listening');
    await host.start();
    await host.ready();
    const dns = Promise.withResolvers<DnsReport>();
    const web = Promise.withResolvers<IngressReport>();
    const names = host.channel({
      name: 'coredns',
      snapshot: () => dnsState(),
      onReport: report => dns.resolve(report as DnsReport),
    });
    const certificate = join(directory, 'default.pem');
    const key = generatePrivateKeyPem();
    const authority = await createAuthority('bench');
    await writeFile(certificate, key + (await authority.issue(key, { commonName: 'bench', usages: ['server'] })), {
      mode: 0o600,
    });
    const routes = host.channel({
      name: 'traefik',
      snapshot: () => ingressState((page.address() as AddressInfo).port, certificate),
      onReport: report => web.resolve(report as IngressReport),
    });
    await Promise.all([names.settled(5000), routes.settled(5000)]);
    const { pid } = host.status!;
    await new Promise(resolve => setTimeout(resolve, settleMs));
    results.push({ name: 'dataplane, idle: resident memory', value: residentMb(pid), unit: 'MB', budget: 75 });
    const dnsPort = (await dns.promise).listening[0]!.port;
    results.push({ name: 'DNS: answers over UDP, 32 outstanding', value: await askNames(dnsPort), unit: '1/s', atLeast: true });
    const report = await web.promise;
    const plain = `http://127.0.0.1:${report.web[0]!.port}/`;
    const secure = `https://127.0.0.1:${report.websecure[0]!.port}/`;
    if (spawnSync('h2load', ['--version']).status === 0) {
      const load = async (name: string, options: readonly string[]): Promise<void> => {
        results.push({ name, value: await h2load(options), unit: '1/s', atLeast: true });
      };
      await load('endpoint itself, HTTP/1.1, 16 connections', [
        '--h1',
        '-c16',
        `http://127.0.0.1:${(page.address() as AddressInfo).port}/`,
      ]);
      await load('Ingress: HTTP/1.1, 16 connections', ['--h1', '-c16', plain]);
      await load('Ingress: HTTP/1.1 over TLS, 16 connections', ['--h1', '-c16', secure]);
      await load('Ingress: HTTP/2 over TLS, 4 connections x 8', ['-c4', '-m8', secure]);
    } else console.log('h2load is not installed: requests through Ingress are not measured');
    results.push({ name: 'dataplane, after load: resident memory', value: residentMb(pid), unit: 'MB' });
  } finally {
    await host.stop();
    await killDataplane(directory);
    page.close();
    page.closeAllConnections();
    await rm(directory, { recursive: true });
  }
  return results;
}

function dnsState(): [string, DnsEntry][] {
  const ports = [{ name: 'http', protocol: 'TCP', port: 80 }];
  const services = Array.from({ length: 1000 }, (_, index): [string, DnsEntry] => {
    const name = `web-${index}`;
    const clusterIps = [`10.43.${index >> 8}.${index & 255}`];
    return [`service/default/${name}`, { kind: 'service', namespace: 'default', name, clusterIps, headless: false, ports }];
  });
  const base = { kind: 'config', listen: loopback, metrics: [], allowed: [], domain: 'cluster.local' } as const;
  return [
    ['config', { ...base, dnsAddresses: ['10.43.0.10'], ttlSeconds: 5, resolvConf: '/etc/resolv.conf' }],
    ['namespace/default', { kind: 'namespace', name: 'default' }],
    ...services,
  ];
}

function ingressState(port: number, certificate: string): [string, IngressEntry][] {
  const backend = { service: 'web', port: 80 };
  const paths = [{ path: '/', type: 'Prefix', backend }] as const;
  const routes = Array.from({ length: 100 }, (_, index): [string, IngressEntry] => {
    const rules = [{ host: index === 0 ? '' : `host-${index}.test`, paths }];
    return [
      `ingress/default/web-${index}`,
      { kind: 'ingress', namespace: 'default', name: `web-${index}`, tlsOnly: false, created: '', rules },
    ];
  });
  const defaultCertificate = { path: certificate, id: 'bench' };
  return [
    ['config', { kind: 'config', web: loopback, websecure: loopback, defaultCertificate }],
    [
      'service/default/web',
      { kind: 'service', namespace: 'default', name: 'web', ports: [{ name: '', port: 80, scheme: 'http' }] },
    ],
    ['slice/default/web', { kind: 'slice', namespace: 'default', service: 'web', addresses: ['127.0.0.1'], ports: { '': port } }],
    ...routes,
  ];
}

async function askNames(port: number): Promise<number> {
  const client = createSocket('udp4');
  const questions = Array.from({ length: 100 }, (_, index) =>
    encodeQuestion(`web-${index}.default.svc.cluster.local`, {}, index),
  );
  let answered = 0;
  let sent = 0;
  const send = (): void => client.send(questions[sent++ % questions.length]!);
  client.on('message', () => {
    answered += 1;
    send();
  });
  client.connect(port, '127.0.0.1');
  await once(client, 'connect');
  const beganMs = performance.now();
  for (let outstanding = 0; outstanding < 32; outstanding++) send();
  await new Promise(resolve => setTimeout(resolve, loadSeconds * 1000));
  const perSecond = answered / ((performance.now() - beganMs) / 1000);
  client.close();
  return perSecond;
}

async function h2load(options: readonly string[]): Promise<number> {
  const child = spawn('h2load', [`-D${loadSeconds}`, '-t1', ...options], { stdio: ['ignore', 'pipe', 'ignore'] });
  let text = '';
  for await (const chunk of child.stdout) text += String(chunk);
  const match = /, ([\d.]+) req\/s/.exec(text);
  const failed = /(\d+) failed/.exec(text);
  if (!match || failed?.[1] !== '0') throw new Error(`h2load: ${text}`);
  return Number(match[1]);
}

function residentMb(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024;
}
