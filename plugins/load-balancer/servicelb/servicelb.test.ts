import { afterEach, describe, expect, it } from '@jest/globals';
import { FakeClock } from '../../../core/base/fake-clock.js';
import { FakeRecorder } from '../../../core/client/testing/fake-recorder.js';
import { FakeTransport } from '../../../core/client/testing/fake-transport.js';
import { settle } from '../../../core/client/testing/settle.js';
import type { ClusterSettings } from '../../../core/contracts/cluster-settings.js';
import { Client, produce, Resources, silentLogger } from '../../../core/plugin-api/index.js';
import type { EndpointSlice, Node, Service, ServiceSpec } from '../../../core/plugin-api/index.js';
import { enableLabel, poolLabel, poolLabelPrefix } from './load-balancer-plan.js';
import { ServiceLb } from './servicelb.js';
import { tolerationsAnnotation } from './tolerations.js';

interface NodeInput {
  readonly internal?: string;
  readonly external?: string;
  readonly ready?: boolean;
  readonly labels?: Record<string, string>;
  readonly taint?: string;
}

function node(name: string, input: NodeInput = {}): Node {
  const { internal, external, ready = true, labels = {}, taint } = input;
  const addresses = [
    ...(internal ? [{ type: 'InternalIP', address: internal }] : []),
    ...(external ? [{ type: 'ExternalIP', address: external }] : []),
    { type: 'Hostname', address: name },
  ];
  const conditions = [{ type: 'Ready', status: ready ? 'True' : 'False' }];
  const spec = taint ? { taints: [{ key: taint, effect: 'NoSchedule' }] } : {};
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, labels },
    spec,
    status: { addresses, conditions },
  } as unknown as Node;
}

function service(name: string, spec: Partial<ServiceSpec> = {}, metadata: Partial<Service['metadata']> = {}): Service {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'default', ...metadata },
    spec: { type: 'LoadBalancer', ipFamilies: ['IPv4'], ports: [{ port: 80, targetPort: 8080 }], ...spec },
    status: {},
  } as Service;
}

function slice(serviceName: string, ...nodeNames: string[]): EndpointSlice {
  const endpoints = nodeNames.map(nodeName => ({ addresses: ['10.42.0.9'], nodeName, conditions: { ready: true } }));
  const labels = { 'kubernetes.io/service-name': serviceName };
  const metadata = { name: `${serviceName}-1`, namespace: 'default', labels };
  return { apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', metadata, addressType: 'IPv4', endpoints, ports: [] };
}

describe('servicelb', () => {
  const running: ServiceLb[] = [];
  afterEach(async () => {
    for (const part of running.splice(0)) await part.stop();
  });

  async function start(nodes: readonly Node[], ...services: readonly Service[]) {
    const clock = new FakeClock();
    const transport = new FakeTransport(clock);
    const api = new Client(transport, { name: 'tester', groups: [] });
    const recorder = Object.assign(new FakeRecorder(), { stop: async () => undefined });
    const settings = { httpsListenPort: 6443 } as unknown as ClusterSettings;
    const part = new ServiceLb({ transport, settings, clock, logger: silentLogger, newRecorder: () => recorder });
    for (const each of nodes) await api.resource(Resources.Nodes).create(each);
    const target = api.resource(Resources.Services, 'default');
    for (const each of services) {
      await target.create(each);
      await clock.advance(1000);
    }
    running.push(part);
    await part.start(new AbortController().signal);
    await settle();
    const addresses = async (name: string): Promise<(string | undefined)[]> =>
      ((await target.get(name)).status?.loadBalancer?.ingress ?? []).map(({ ip }) => ip);
    return { api, transport, target, recorder, addresses, nodes: api.resource(Resources.Nodes) };
  }

  it('gives the internal addresses of ready nodes, and says so', async () => {
    const { addresses, recorder, transport, target } = await start(
      [
        node('b', { internal: '192.0.2.2' }),
        node('a', { internal: '192.0.2.1' }),
        node('c', { internal: '192.0.2.3', ready: false }),
      ],
      service('web'),
    );
    expect(await addresses('web')).toEqual(['192.0.2.1', '192.0.2.2']);
    expect((await target.get('web')).status?.loadBalancer?.ingress?.[0]).toEqual({ ip: '192.0.2.1', ipMode: 'VIP' });
    expect(recorder.lines()).toEqual(['UpdatedIngressIP LoadBalancer Ingress IP addresses updated: 192.0.2.1, 192.0.2.2']);
    expect(transport.writes().filter(line => line.startsWith('patch'))).toEqual(['patch services/status']);
  });

  it('prefers external addresses where the cluster has any', async () => {
    const { addresses } = await start(
      [node('a', { internal: '192.0.2.1', external: '203.0.113.1' }), node('b', { internal: '192.0.2.2' })],
      service('web'),
    );
    expect(await addresses('web')).toEqual(['203.0.113.1']);
  });

  it('follows nodes that come, go and change', async () => {
    const { addresses, nodes } = await start([node('a', { internal: '192.0.2.1' })], service('web'));
    await nodes.create(node('b', { internal: '192.0.2.2' }));
    await settle();
    expect(await addresses('web')).toEqual(['192.0.2.1', '192.0.2.2']);
    await nodes.updateStatus('a', node('a', { internal: '192.0.2.1', ready: false }));
    await settle();
    expect(await addresses('web')).toEqual(['192.0.2.2']);
    await nodes.delete('b');
    await settle();
    expect(await addresses('web')).toEqual([]);
  });

  it.each<[string, Record<string, string>, Record<string, string>, string[]]>([
    ['only nodes that are enabled, when any is', {}, { [enableLabel]: 'true' }, ['192.0.2.2']],
    ['the pool of the Service', { [poolLabel]: 'x' }, { [enableLabel]: 'true', [poolLabel]: 'x' }, ['192.0.2.2']],
    ['nobody of another pool', { [poolLabel]: 'x' }, { [enableLabel]: 'true', [poolLabel]: 'y' }, []],
    ['all, where none is enabled, whatever their pools', { [poolLabel]: 'x' }, { [poolLabel]: 'y' }, ['192.0.2.1', '192.0.2.2']],
    ['the pool, also where none is enabled', { [poolLabel]: 'x' }, { [poolLabel]: 'x' }, ['192.0.2.2']],
    [
      'one of several pools of a node',
      { [poolLabel]: 'x' },
      { [poolLabelPrefix + 'x']: 'true', [poolLabelPrefix + 'y']: 'true' },
      ['192.0.2.2'],
    ],
    [
      'nobody whose other pool is switched off',
      { [poolLabel]: 'x' },
      { [enableLabel]: 'true', [poolLabelPrefix + 'x']: 'false' },
      [],
    ],
    ['nobody, where the only label excludes', {}, { [enableLabel]: 'false' }, []],
  ])('chooses by labels: %s', async (_name, serviceLabels, nodeLabels, expected) => {
    const nodes = [node('a', { internal: '192.0.2.1' }), node('b', { internal: '192.0.2.2', labels: nodeLabels })];
    const { addresses } = await start(nodes, service('web', {}, { labels: serviceLabels }));
    expect(await addresses('web')).toEqual(expected);
  });

  it('leaves out nodes that are tainted or excluded, but not control planes', async () => {
    const { addresses } = await start(
      [
        node('a', { internal: '192.0.2.1', taint: 'node-role.kubernetes.io/control-plane' }),
        node('b', { internal: '192.0.2.2', taint: 'dedicated' }),
        node('c', { internal: '192.0.2.3', labels: { 'node.kubernetes.io/exclude-from-external-load-balancers': '' } }),
      ],
      service('web'),
    );
    expect(await addresses('web')).toEqual(['192.0.2.1']);
  });

  it.each<[string, string, string[]]>([
    ['JSON', '[{"key":"dedicated","operator":"Exists"}]', ['192.0.2.1', '192.0.2.2']],
    ['YAML', '- {key: dedicated, value: "", effect: NoSchedule}', ['192.0.2.1', '192.0.2.2']],
    ['one for another effect', '[{"key":"dedicated","operator":"Exists","effect":"NoExecute"}]', ['192.0.2.1']],
  ])('goes to nodes that the Service tolerates: %s', async (_name, tolerations, expected) => {
    const nodes = [node('a', { internal: '192.0.2.1' }), node('b', { internal: '192.0.2.2', taint: 'dedicated' })];
    const { addresses, recorder } = await start(
      nodes,
      service('web', {}, { annotations: { [tolerationsAnnotation]: tolerations } }),
    );
    expect(await addresses('web')).toEqual(expected);
    expect(recorder.lines('SyncLoadBalancerFailed')).toEqual([]);
  });

  it.each([
    ['[{', /failed to parse tolerations from annotation svccontroller.k3s.cattle.io\/tolerations: /],
    ['{"key":"a"}', /it is not a list/],
    ['[{"key":7}]', /entry 0 is not a toleration/],
    ['[[]]', /entry 0 is not a toleration/],
    ['[{"value":"x"}]', /validation failed for toleration 0: toleration with empty key must have operator 'Exists'/],
    ['[{"key":"a","operator":"Exists","value":"x"}]', /operator 'Exists' must have an empty value/],
  ])('says once what is wrong with the tolerations %s, and serves all the same', async (text, problem) => {
    const web = service('web', {}, { annotations: { [tolerationsAnnotation]: text } });
    const { addresses, recorder, nodes } = await start([node('a', { internal: '192.0.2.1' })], web);
    await nodes.create(node('b', { internal: '192.0.2.2' }));
    await settle();
    expect(await addresses('web')).toEqual(['192.0.2.1', '192.0.2.2']);
    expect(recorder.lines('SyncLoadBalancerFailed')).toEqual([expect.stringMatching(problem)]);
  });

  it('names only nodes with endpoints by externalTrafficPolicy Local', async () => {
    const nodes = [node('a', { internal: '192.0.2.1' }), node('b', { internal: '192.0.2.2' })];
    const { addresses, api } = await start(nodes, service('web', { externalTrafficPolicy: 'Local' }));
    expect(await addresses('web')).toEqual([]);
    const slices = api.resource(Resources.EndpointSlices, 'default');
    await slices.create(slice('web', 'b'));
    await settle();
    expect(await addresses('web')).toEqual(['192.0.2.2']);
    await slices.update('web-1', slice('web', 'a', 'b'));
    await settle();
    expect(await addresses('web')).toEqual(['192.0.2.1', '192.0.2.2']);
  });

  it('gives a port to the oldest Service that asks for it, and to the next when it goes', async () => {
    const { addresses, recorder, target } = await start(
      [node('a', { internal: '192.0.2.1' })],
      service('first'),
      service('second', {
        ports: [
          { port: 443, targetPort: 1 },
          { port: 80, targetPort: 1 },
        ],
      }),
      service('other', { ports: [{ port: 80, targetPort: 1, protocol: 'UDP' }] }),
    );
    expect(await addresses('first')).toEqual(['192.0.2.1']);
    expect(await addresses('second')).toEqual([]);
    expect(await addresses('other')).toEqual(['192.0.2.1']);
    expect(recorder.lines('LoadBalancerPortConflict')).toEqual([
      'LoadBalancerPortConflict port 80/TCP is taken by service default/first on a',
    ]);
    await target.delete('first');
    await settle();
    expect(await addresses('second')).toEqual(['192.0.2.1']);
  });

  it('does not take the API server from the node', async () => {
    const { addresses, recorder } = await start(
      [node('a', { internal: '192.0.2.1' })],
      service('web', { ports: [{ port: 6443, targetPort: 1 }] }),
    );
    expect(await addresses('web')).toEqual([]);
    expect(recorder.lines()).toEqual(['LoadBalancerPortConflict port 6443/TCP is used by the node itself on a']);
  });

  it("leaves other classes' Services alone, and clears what is no load balancer any more", async () => {
    const ingress = [{ ip: '198.51.100.1' }];
    const foreign = {
      ...service('foreign', { loadBalancerClass: 'example.com/lb' }),
      status: { loadBalancer: { ingress } },
    } as Service;
    const { addresses, target } = await start([node('a', { internal: '192.0.2.1' })], service('web'), foreign);
    expect(await addresses('foreign')).toEqual(['198.51.100.1']);
    await target.update(
      'web',
      produce(await target.get('web'), draft => {
        draft.spec.type = 'ClusterIP';
      }),
    );
    await settle();
    expect(await addresses('web')).toEqual([]);
  });
});
