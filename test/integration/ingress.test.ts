import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readdir, stat, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { get } from 'node:https';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { ClusterPaths, Resources } from '../../core/plugin-api/index.js';
import type { Ingress, Secret, Service } from '../../core/plugin-api/index.js';
import { createAuthority } from '../../core/pki/certificate-authority.js';
import { generatePrivateKeyPem } from '../../core/pki/private-key.js';
import { startCluster } from '../../core/testing/index.js';
import type { TestCluster } from '../../core/testing/index.js';

let cluster: TestCluster;
let directory: string;
const ports: number[] = [];

beforeAll(async () => {
  for (let index = 0; index < 2; index++) {
    const probe = createServer().listen(0, '127.0.0.1');
    await once(probe, 'listening');
    ports.push((probe.address() as AddressInfo).port);
    probe.close();
    await once(probe, 'close');
  }
  directory = await mkdtemp(join(tmpdir(), 'ingress-'));
  const file = join(directory, 'config.yaml');
  const traefik = { webPort: ports[0], websecurePort: ports[1], listenAddresses: ['127.0.0.1'] };
  await writeFile(file, JSON.stringify({ 'plugin-options': { traefik, dataplane: { mode: 'in-process' } } }));
  cluster = await startCluster({ arguments: ['--config', file, '--slot', 'ingress=traefik'] });
});
afterAll(async () => {
  await cluster.stop();
  await rm(directory, { recursive: true });
});

async function until<T>(what: string, attempt: () => Promise<T | undefined>): Promise<T> {
  for (let tries = 0; tries < 500; tries++) {
    const found = await attempt().catch(() => undefined);
    if (found !== undefined) return found;
    await new Promise(resolve => setTimeout(resolve, 10));
  }
  throw new Error(`not in time: ${what}`);
}

async function ask(host: string): Promise<{ status: number; certificate: string }> {
  const options = {
    host: '127.0.0.1',
    port: ports[1],
    servername: host,
    rejectUnauthorized: false,
    agent: false,
    headers: { host },
  };
  const [response] = (await once(get(options), 'response')) as [IncomingMessage];
  response.resume();
  return { status: response.statusCode!, certificate: String((response.socket as TLSSocket).getPeerCertificate().subject.CN) };
}

function ingress(name: string, more: object = {}, annotations: Record<string, string> = {}): Ingress {
  const backend = { service: { name: 'web', port: { number: 80 } } };
  const rules = [{ host: `${name}.test`, http: { paths: [{ path: '/', pathType: 'Prefix', backend }] } }];
  const spec = { rules, ...more };
  return { apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', metadata: { name, annotations }, spec } as unknown as Ingress;
}

describe('Ingress in a cluster', () => {
  it('has its Service, and its class is the default', async () => {
    const service = await cluster.client.resource(Resources.Services, 'kube-system').get('traefik');
    expect(service.spec).toMatchObject({ type: 'LoadBalancer', ports: [{ port: 80 }, { port: 443 }] });
    const ingresses = cluster.client.resource(Resources.Ingresses, 'default');
    await ingresses.create(ingress('a'));
    expect((await ingresses.get('a')).spec.ingressClassName).toBe('traefik');
    // The route is there; its Service is not.
    await until('the route', async () => ((await ask('a.test')).status === 503 ? true : undefined));
    expect(await ask('b.test')).toEqual({ status: 404, certificate: 'TRAEFIK DEFAULT CERT' });
  });

  it('serves certificates of secrets, follows them, and keeps keys to itself', async () => {
    const secrets = cluster.client.resource(Resources.Secrets, 'default');
    const pair = async (commonName: string): Promise<Record<string, string>> => {
      const key = generatePrivateKeyPem();
      const authority = await createAuthority('test');
      const chain = await authority.issue(key, { commonName, subjectAltNames: ['tls.test'], usages: ['server'] });
      return { 'tls.crt': Buffer.from(chain).toString('base64'), 'tls.key': Buffer.from(key).toString('base64') };
    };
    const ingresses = cluster.client.resource(Resources.Ingresses, 'default');
    await ingresses.create(ingress('tls', { tls: [{ hosts: ['tls.test'], secretName: 'cert' }] }));
    const events = cluster.client.resource(Resources.Events, 'default');
    const event = await until('the event', async () =>
      (await events.objects()).find(({ reason }) => reason === 'IngressNotSupported'),
    );
    expect(event.message).toBe('the secret cert does not exist');
    const secret = {
      apiVersion: 'v1',
      kind: 'Secret',
      type: 'kubernetes.io/tls',
      metadata: { name: 'cert' },
      data: await pair('first'),
    };
    await secrets.create(secret as Secret);
    await until('the first', async () => ((await ask('tls.test')).certificate === 'first' ? true : undefined));
    await secrets.patch('cert', 'merge', { data: await pair('second') });
    await until('the second', async () => ((await ask('tls.test')).certificate === 'second' ? true : undefined));
    const files = join(cluster.get<ClusterPaths>(ClusterPaths).agent.etcDir, 'traefik');
    await until('one file', async () => ((await readdir(files)).length === 2 ? true : undefined));
    for (const name of await readdir(files)) expect((await stat(join(files, name))).mode & 0o777).toBe(0o600);
  });

  it('looks after its class only, says what is not built, and where its Ingresses are reached', async () => {
    const ingresses = cluster.client.resource(Resources.Ingresses, 'default');
    await ingresses.create(ingress('other', { ingressClassName: 'nginx' }));
    const annotation = 'traefik.ingress.kubernetes.io/router.middlewares';
    await ingresses.create(ingress('odd', {}, { [annotation]: 'default-auth@kubernetescrd' }));
    await until('the odd route', async () => ((await ask('odd.test')).status === 503 ? true : undefined));
    expect((await ask('other.test')).status).toBe(404);
    const events = cluster.client.resource(Resources.Events, 'default');
    await until('the event', async () =>
      (await events.objects()).find(({ message }) => message?.includes(`${annotation} is not built`)),
    );
    const transport = 'traefik.ingress.kubernetes.io/service.serverstransport';
    const web = { metadata: { name: 'web', annotations: { [transport]: 'x' } }, spec: { ports: [{ port: 80 }] } };
    await cluster.client.resource(Resources.Services, 'default').create(web as unknown as Service);
    const told = await until('the event of the Service', async () =>
      (await events.objects()).find(({ message }) => message?.includes(`${transport} is not built`)),
    );
    expect(told.involvedObject).toMatchObject({ kind: 'Service', name: 'web', namespace: 'default' });
    const services = cluster.client.resource(Resources.Services, 'kube-system');
    await services
      .subresource<Service>('status')
      .patch('traefik', 'merge', { status: { loadBalancer: { ingress: [{ ip: '192.0.2.7' }] } } });
    await until('the status', async () => {
      const { status } = await ingresses.get('odd');
      return status.loadBalancer.ingress?.[0]?.ip === '192.0.2.7' ? true : undefined;
    });
    expect((await ingresses.get('other')).status.loadBalancer).toEqual({});
    await ingresses.delete('odd');
    await until('the end of the route', async () => ((await ask('odd.test')).status === 404 ? true : undefined));
  });
});
