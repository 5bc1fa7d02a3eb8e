import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createServer } from 'node:net';
import { ask } from '../../plugins/cluster-dns/coredns/dataplane/testing/dns-client.js';
import { startCluster } from '../../core/testing/index.js';
import type { TestCluster } from '../../core/testing/index.js';
import { SystemClock } from '../../core/base/clock.js';
import { NodeEndpoints, Resources, serviceAccountIdentity, silentLogger } from '../../core/plugin-api/index.js';
import type { Node, Service } from '../../core/plugin-api/index.js';
import { writeFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

let cluster: TestCluster;
let port: number;
let directory: string;

beforeAll(async () => {
  const probe = createServer();
  await new Promise<void>(resolve => probe.listen(0, '127.0.0.1', resolve));
  ({ port } = probe.address() as { port: number });
  await new Promise(resolve => probe.close(resolve));
  directory = await mkdtemp(join(tmpdir(), 'cluster-dns-'));
  const file = join(directory, 'config.yaml');
  const options = { coredns: { port, metricsPort: 0, listenAddresses: ['127.0.0.1'] }, dataplane: { mode: 'in-process' } };
  await writeFile(file, JSON.stringify({ 'plugin-options': options }));
  cluster = await startCluster({ arguments: ['--config', file, '--slot', 'cluster-dns=coredns'] });
}, 30_000);
afterAll(async () => {
  await cluster.stop();
  await rm(directory, { recursive: true });
});

async function until<T>(attempt: () => Promise<T | undefined>): Promise<T> {
  for (let tries = 0; tries < 500; tries++) {
    const found = await attempt().catch(() => undefined);
    if (found !== undefined) return found;
    await new Promise(resolve => setTimeout(resolve, 10));
  }
  throw new Error('not in time');
}

describe('cluster DNS in a cluster', () => {
  it('has the objects that K3s users know, and an endpoint on this node', async () => {
    const service = await cluster.client.resource(Resources.Services, 'kube-system').get('kube-dns');
    expect(service.spec).toMatchObject({ clusterIP: '10.43.0.10', clusterIPs: ['10.43.0.10'] });
    expect(service.spec.selector).toBeUndefined();
    const map = await until(async () => {
      const found = await cluster.client.resource(Resources.ConfigMaps, 'kube-system').get('coredns');
      return found.data?.['NodeHosts'] ? found : undefined;
    });
    expect(map.data!['Corefile']).toContain('kubernetes cluster.local in-addr.arpa');
    const slices = cluster.client.resource(Resources.EndpointSlices, 'kube-system');
    const { client } = cluster;
    const [node] = await until(async () => (await client.resource(Resources.Nodes).objects()) as (Node | undefined)[]);
    const endpoints = new NodeEndpoints({
      client: cluster.clientAs(serviceAccountIdentity('kube-system', 'coredns')),
      clock: new SystemClock(),
      logger: silentLogger,
      nodeName: node!.metadata.name!,
      service: { namespace: 'kube-system', name: 'kube-dns' },
      manager: 'test',
    });
    const ports = [{ name: 'dns', protocol: 'UDP', port: 10_053 }] as const;
    endpoints.publish({ nodeUid: node!.metadata.uid!, addresses: ['192.0.2.7', '127.0.0.1'], ports });
    const selection = { labelSelector: 'kubernetes.io/service-name=kube-dns' };
    const slice = await until(async () => (await slices.objects(selection))[0]);
    expect(slice).toMatchObject({
      addressType: 'IPv4',
      endpoints: [{ addresses: ['192.0.2.7'], conditions: { ready: true } }],
      ports,
    });
    endpoints.publish({ nodeUid: node!.metadata.uid!, addresses: [], ports });
    await until(async () => ((await slices.objects(selection)).length === 0 ? true : undefined));
    await endpoints.stop();
    const [line] = map.data!['NodeHosts']!.split('\n');
    const [address, name] = line!.split(' ');
    expect((await until(() => ask(port, name!))).answers).toMatchObject([{ data: address }]);
  });

  it('follows Services and coredns-custom, with the rights of its own account', async () => {
    expect((await ask(port, 'kubernetes.default.svc.cluster.local')).answers).toMatchObject([{ data: '10.43.0.1' }]);
    const services = cluster.client.resource(Resources.Services, 'default');
    const spec = { ports: [{ port: 80 }], clusterIP: '10.43.7.7' };
    await services.create({ apiVersion: 'v1', kind: 'Service', metadata: { name: 'web' }, spec } as Service);
    const answered = async (name: string): Promise<unknown> => (await ask(port, name)).answers[0]?.data;
    expect(await until(() => answered('web.default.svc.cluster.local'))).toBe('10.43.7.7');
    await services.delete('web');
    await until(async () => ((await ask(port, 'web.default.svc.cluster.local')).rcode === 'NXDOMAIN' ? true : undefined));

    const maps = cluster.client.resource(Resources.ConfigMaps, 'kube-system');
    const data = { 'my.override': 'hosts {\n 10.9.8.7 mine.test\n}\nrewrite name a b' };
    await maps.create({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'coredns-custom' }, data });
    expect(await until(() => answered('mine.test'))).toBe('10.9.8.7');
    const events = cluster.client.resource(Resources.Events, 'kube-system');
    const event = await until(async () => (await events.objects()).find(({ reason }) => reason === 'CorefileNotSupported'));
    expect(event.message).toContain('"rewrite" is not built');
    await maps.delete('coredns-custom');
  });
});
