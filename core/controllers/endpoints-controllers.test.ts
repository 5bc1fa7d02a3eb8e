import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { EndpointSlices, Endpoints, Nodes, Pods, Services } from '../api/generated/resources.js';
import type { EndpointSlice, Endpoints as EndpointsObject, Node, Pod, Service } from '../api/generated/types.js';
import { formatTime } from '../api/time.js';
import { repackSubsets, truncateSubsets } from './endpoint-subsets.js';
import { endpointsController } from './endpoints-controller.js';
import { endpointsliceController } from './endpointslice-controller.js';
import { endpointsliceMirroringController } from './endpointslice-mirroring-controller.js';
import { ControllerHarness } from './testing/harness.js';

describe('endpoints', () => {
  let harness: ControllerHarness;
  const createService = async (spec: object = {}, metadata: object = {}) => {
    await harness.resource(Services).create({
      metadata: { name: 'web', ...metadata },
      spec: {
        selector: { app: 'web' },
        clusterIP: '10.43.0.9',
        ipFamilies: ['IPv4'],
        ports: [{ name: 'http', port: 80, protocol: 'TCP', targetPort: 'main' }],
        ...spec,
      },
    } as unknown as Service);
    await harness.settle();
  };
  const createPod = async (name: string, ips: string[], extra: { ready?: boolean; spec?: object; metadata?: object } = {}) => {
    const { ready = true, spec = {}, metadata = {} } = extra;
    await harness.resource(Pods).create({
      metadata: { name, labels: { app: 'web' }, ...metadata },
      spec: {
        nodeName: 'node',
        containers: [{ name: 'main', ports: [{ name: 'main', containerPort: 8080, protocol: 'TCP' }] }],
        ...spec,
      },
      status: { phase: 'Running', ...status(ips, ready) },
    } as unknown as Pod);
    await harness.settle();
  };
  const status = (ips: string[], ready: boolean) => ({
    podIP: ips[0],
    podIPs: ips.map(ip => ({ ip })),
    conditions: [
      {
        type: 'Ready',
        status: ready ? 'True' : 'False',
        lastTransitionTime: formatTime(harness.clock.now()),
        lastProbeTime: null,
      },
    ],
  });
  const setStatus = async (name: string, change: object) => {
    await harness.resource(Pods).subresource('status').patch(name, 'merge', { status: change });
    await harness.settle();
  };
  const slices = async (family?: string) =>
    (await harness.resource(EndpointSlices).objects()).filter(slice => !family || slice.addressType === family);
  const addressesOf = (all: EndpointSlice[]) =>
    all.flatMap(slice => (slice.endpoints ?? []).flatMap(endpoint => endpoint.addresses)).sort();
  const onlySlice = async () => {
    const all = await slices();
    expect(all).toHaveLength(1);
    return all[0]!;
  };
  const endpoints = () => harness.resource(Endpoints).get('web');

  beforeEach(async () => {
    harness = new ControllerHarness();
    const labels = { 'topology.kubernetes.io/zone': 'east' };
    await harness.resource(Nodes).create({ metadata: { name: 'node', labels } } as unknown as Node);
    await harness.start(endpointsController.create, endpointsliceController.create, endpointsliceMirroringController.create);
  });
  afterEach(() => harness.stop());

  it('show ready pods of a Service, with ports, zone, owner and labels', async () => {
    await createPod('a', ['10.42.0.1']);
    await createPod('other', ['10.42.0.7'], { metadata: { labels: { app: 'other' } } });
    await createService({}, { labels: { tier: 'front' } });
    const slice = await onlySlice();
    expect(slice.metadata).toMatchObject({
      generateName: 'web-',
      labels: {
        tier: 'front',
        'kubernetes.io/service-name': 'web',
        'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
      },
      annotations: { 'endpoints.kubernetes.io/last-change-trigger-time': '2026-01-01T00:00:00Z' },
      ownerReferences: [{ kind: 'Service', name: 'web', controller: true, blockOwnerDeletion: true }],
    });
    expect(slice).toMatchObject({
      addressType: 'IPv4',
      ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
      endpoints: [
        {
          addresses: ['10.42.0.1'],
          conditions: { ready: true, serving: true, terminating: false },
          nodeName: 'node',
          zone: 'east',
          targetRef: { kind: 'Pod', name: 'a', namespace: 'default' },
        },
      ],
    });
    expect(await endpoints()).toMatchObject({
      metadata: { labels: { tier: 'front', 'endpoints.kubernetes.io/managed-by': 'endpoint-controller' } },
      subsets: [{ addresses: [{ ip: '10.42.0.1', nodeName: 'node' }], ports: [{ name: 'http', port: 8080, protocol: 'TCP' }] }],
    });
  });

  it('follow readiness, termination and the end of pods', async () => {
    await createService();
    await createPod('a', ['10.42.0.1'], { ready: false });
    const conditions = async () => (await onlySlice()).endpoints?.[0]?.conditions;
    expect(await conditions()).toEqual({ ready: false, serving: false, terminating: false });
    expect((await endpoints()).subsets).toMatchObject([{ notReadyAddresses: [{ ip: '10.42.0.1' }] }]);
    await harness.clock.advance(5000);
    await setStatus('a', status(['10.42.0.1'], true));
    expect(await conditions()).toEqual({ ready: true, serving: true, terminating: false });
    expect((await onlySlice()).metadata.annotations).toEqual({
      'endpoints.kubernetes.io/last-change-trigger-time': '2026-01-01T00:00:05Z',
    });
    await harness.resource(Pods).delete('a');
    await harness.settle();
    expect(await conditions()).toEqual({ ready: false, serving: true, terminating: true });
    expect((await endpoints()).subsets).toBeUndefined();
    await harness.resource(Pods).delete('a', { gracePeriodSeconds: 0 });
    await harness.settle();
    expect((await onlySlice()).endpoints).toEqual([]);
  });

  it('publish pods that are not ready where the Service says so, and finished pods never', async () => {
    await createService({ publishNotReadyAddresses: true });
    await createPod('a', ['10.42.0.1'], { ready: false, spec: { nodeName: 'unknown' } });
    await createPod('b', ['10.42.0.2']);
    await setStatus('b', { phase: 'Succeeded' });
    expect((await onlySlice()).endpoints).toMatchObject([
      { addresses: ['10.42.0.1'], conditions: { ready: true, serving: false, terminating: false } },
    ]);
    expect((await endpoints()).subsets).toMatchObject([{ addresses: [{ ip: '10.42.0.1' }] }]);
  });

  it('leave out pods of unknown nodes, and try again', async () => {
    await createService();
    await createPod('a', ['10.42.0.1'], { spec: { nodeName: 'late' } });
    expect((await onlySlice()).endpoints).toEqual([]);
    expect(harness.events('FailedToUpdateEndpointSlices')[0]).toContain(
      'skipping Pod a for Service default/web: Node late Not Found',
    );
    await harness.resource(Nodes).create({ metadata: { name: 'late' } } as unknown as Node);
    await harness.advance(1100);
    expect(addressesOf(await slices())).toEqual(['10.42.0.1']);
  });

  it('have a slice for each family, and one family in Endpoints', async () => {
    await createService({ ipFamilies: ['IPv6', 'IPv4'] });
    await createPod('a', ['10.42.0.1', 'FD00::0:1']);
    expect(addressesOf(await slices('IPv4'))).toEqual(['10.42.0.1']);
    expect(addressesOf(await slices('IPv6'))).toEqual(['fd00::1']);
    expect((await endpoints()).subsets).toMatchObject([{ addresses: [{ ip: 'fd00::1' }] }]);
    await harness.resource(Services).patch('web', 'merge', { spec: { ipFamilies: ['IPv6'] } });
    await harness.settle();
    expect((await slices()).map(slice => slice.addressType)).toEqual(['IPv6']);
  });

  it('mark headless Services, give host names, and need no ports there', async () => {
    await createService({ clusterIP: 'None', ports: undefined });
    await createPod('a', ['10.42.0.1'], { spec: { hostname: 'first', subdomain: 'web' } });
    const slice = await onlySlice();
    expect(slice.metadata.labels).toMatchObject({ 'service.kubernetes.io/headless': '' });
    expect(slice).toMatchObject({ ports: [], endpoints: [{ hostname: 'first' }] });
    expect(await endpoints()).toMatchObject({
      metadata: { labels: { 'service.kubernetes.io/headless': '' } },
      subsets: [{ addresses: [{ ip: '10.42.0.1', hostname: 'first' }] }],
    });
  });

  it('hold 100 endpoints a slice and change few slices for few pods', async () => {
    await createService();
    for (let i = 0; i < 250; i++) {
      const ip = `10.42.${i >> 7}.${(i & 127) + 1}`;
      await harness.resource(Pods).create({
        metadata: { name: `p${i}`, labels: { app: 'web' } },
        spec: {
          nodeName: 'node',
          containers: [{ name: 'main', ports: [{ name: 'main', containerPort: 8080, protocol: 'TCP' }] }],
        },
        status: { phase: 'Running', ...status([ip], true) },
      } as unknown as Pod);
    }
    await harness.settle();
    await harness.advance(100);
    expect(addressesOf(await slices())).toHaveLength(250);
    expect((await slices()).map(slice => slice.endpoints!.length).sort((a, b) => b - a)[0]).toBeLessThanOrEqual(100);
    expect((await slices()).length).toBeLessThanOrEqual(4);
    const before = new Map((await slices()).map(slice => [slice.metadata.name, slice.metadata.resourceVersion]));
    await harness.resource(Pods).delete('p3', { gracePeriodSeconds: 0 });
    await harness.advance(100);
    const changed = (await slices()).filter(slice => before.get(slice.metadata.name) !== slice.metadata.resourceVersion);
    expect(changed).toHaveLength(1);
    expect(addressesOf(await slices())).toHaveLength(249);
  });

  it('have groups of pods with other ports in slices of their own', async () => {
    await createService();
    await createPod('a', ['10.42.0.1']);
    const ports = [{ name: 'main', containerPort: 9090, protocol: 'TCP' }];
    await createPod('b', ['10.42.0.2'], { spec: { containers: [{ name: 'main', ports }] } });
    await harness.advance(100);
    expect((await slices()).map(slice => slice.ports![0]!.port).sort()).toEqual([8080, 9090]);
    expect((await endpoints()).subsets).toHaveLength(2);
  });

  it('give hints for nearby traffic, and take them back', async () => {
    await createService({ trafficDistribution: 'PreferSameNode' });
    await createPod('a', ['10.42.0.1']);
    expect((await onlySlice()).endpoints![0]!.hints).toEqual({ forZones: [{ name: 'east' }], forNodes: [{ name: 'node' }] });
    await harness.resource(Services).patch('web', 'merge', { spec: { trafficDistribution: 'PreferClose' } });
    await harness.settle();
    expect((await onlySlice()).endpoints![0]!.hints).toEqual({ forZones: [{ name: 'east' }] });
    await harness.resource(Services).patch('web', 'merge', { spec: { trafficDistribution: null } });
    await harness.settle();
    expect((await onlySlice()).endpoints![0]!.hints).toBeUndefined();
  });

  it('come back when somebody changes or deletes them', async () => {
    await createService();
    await createPod('a', ['10.42.0.1']);
    const slice = await onlySlice();
    await harness.resource(EndpointSlices).patch(slice.metadata.name, 'merge', { endpoints: [] });
    await harness.advance(1000);
    expect(addressesOf(await slices())).toEqual(['10.42.0.1']);
    await harness.resource(EndpointSlices).delete(slice.metadata.name);
    await harness.resource(Endpoints).delete('web');
    await harness.advance(1000);
    expect(addressesOf(await slices())).toEqual(['10.42.0.1']);
    expect((await endpoints()).subsets).toHaveLength(1);
  });

  it('are left to the user without a selector, and mirrored', async () => {
    await createService({ selector: undefined });
    expect(await slices()).toEqual([]);
    await harness.resource(Endpoints).create({
      metadata: {
        name: 'web',
        labels: { mine: 'yes' },
        annotations: { note: 'x', 'endpoints.kubernetes.io/last-change-trigger-time': 'y' },
      },
      subsets: [
        {
          addresses: [{ ip: '192.0.2.1' }, { ip: 'fd00::7' }, { ip: 'nonsense' }],
          ports: [{ name: 'http', port: 80, protocol: 'TCP' }],
        },
      ],
    } as unknown as EndpointsObject);
    await harness.settle();
    expect(addressesOf(await slices())).toEqual(['192.0.2.1', 'fd00::7']);
    const [slice] = await slices('IPv4');
    expect(slice).toMatchObject({
      metadata: {
        labels: {
          mine: 'yes',
          'kubernetes.io/service-name': 'web',
          'endpointslice.kubernetes.io/managed-by': 'endpointslicemirroring-controller.k8s.io',
        },
        annotations: { note: 'x' },
        ownerReferences: [{ kind: 'Endpoints', name: 'web' }],
      },
      ports: [{ name: 'http', port: 80, protocol: 'TCP' }],
      endpoints: [{ addresses: ['192.0.2.1'], conditions: { ready: true } }],
    });
    expect(harness.events('InvalidIPAddress')).toEqual([
      'InvalidIPAddress Skipped 1 invalid IP addresses when mirroring to EndpointSlices',
    ]);
    await harness.resource(Endpoints).patch('web', 'merge', { subsets: [{ notReadyAddresses: [{ ip: '192.0.2.2' }] }] });
    await harness.advance(100);
    expect(await slices()).toMatchObject([{ endpoints: [{ addresses: ['192.0.2.2'], conditions: { ready: false } }] }]);
    await harness
      .resource(Endpoints)
      .patch('web', 'merge', { metadata: { labels: { 'endpointslice.kubernetes.io/skip-mirror': 'true' } } });
    await harness.settle();
    expect(await slices()).toEqual([]);
  });

  it('go with their Service', async () => {
    await createService();
    await harness.resource(Services).delete('web');
    await harness.settle();
    expect(await harness.resource(Endpoints).objects()).toEqual([]);
  });
});

describe('subsets', () => {
  it('join ports with the same addresses, and trust the worse report', () => {
    const [a, b] = [{ ip: '10.0.0.1' }, { ip: '10.0.0.2' }];
    const [http, https] = [{ port: 80 }, { port: 443 }];
    expect(
      repackSubsets([
        { addresses: [b], ports: [http] },
        { addresses: [a, b], ports: [https] },
        { addresses: [a], ports: [http] },
        { notReadyAddresses: [b], ports: [http, https] },
      ]),
    ).toEqual([{ addresses: [a], notReadyAddresses: [b], ports: [https, http] }]);
  });

  it('are cut in proportion, ready addresses last', () => {
    const many = (count: number, prefix: string) => Array.from({ length: count }, (_, i) => ({ ip: `${prefix}.${i}` }));
    const cut = truncateSubsets([
      { addresses: many(400, 'a'), notReadyAddresses: many(400, 'b') },
      { addresses: many(400, 'c'), notReadyAddresses: many(400, 'd') },
    ])!;
    expect(cut.map(subset => [subset.addresses?.length, subset.notReadyAddresses?.length])).toEqual([
      [400, 100],
      [400, 100],
    ]);
    expect(truncateSubsets([{ addresses: many(3000, 'a'), notReadyAddresses: many(1, 'b') }])).toEqual([
      { addresses: many(1000, 'a') },
    ]);
    expect(truncateSubsets([{ addresses: many(1000, 'a') }])).toBeUndefined();
  });
});
