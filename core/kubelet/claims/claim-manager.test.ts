import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ResourceClaims, ResourceSlices } from '../../api/generated/resources.js';
import type { Container, Pod, PodStatus, ResourceClaim, ResourceSlice } from '../../api/generated/types.js';
import { FakeClock } from '../../base/fake-clock.js';
import { silentLogger } from '../../base/logger.js';
import { Client } from '../../client/client.js';
import { notFound } from '../../machinery/status-error.js';
import { FakeTransport } from '../../client/testing/fake-transport.js';
import { until } from '../../testing/until.js';
import type { KubeletContext } from '../kubelet-context.js';
import type { DraDevice } from '../extensions/generated/wire-tables.js';
import { ClaimManager } from './claim-manager.js';
import { FakeDraDriver } from './testing/fake-dra-driver.js';
import type { FakeDraDriverOptions } from './testing/fake-dra-driver.js';

const driverName = 'gpu.example.com';

describe('ClaimManager', () => {
  let clock: FakeClock;
  let transport: FakeTransport;
  let client: Client;
  let rootDir: string;
  let manager: ClaimManager;
  let drivers: FakeDraDriver[];
  let active: Set<string> | undefined;
  let woken: string[];

  beforeEach(async () => {
    clock = new FakeClock();
    transport = new FakeTransport(clock);
    client = new Client(transport, { name: 'system:node:a', groups: [] });
    rootDir = await mkdtemp(join(tmpdir(), 'claims-'));
    drivers = [];
    active = new Set();
    woken = [];
    await launch();
  });

  afterEach(async () => {
    await manager.stop();
    for (const driver of drivers) await driver.stop();
    await rm(rootDir, { recursive: true });
  });

  async function launch(): Promise<void> {
    const settings = { rootDir, nodeName: 'a' };
    manager = new ClaimManager({
      context: { client, clock, logger: silentLogger, settings } as unknown as KubeletContext,
      activePods: () => active,
      wake: uid => woken.push(uid),
    });
    await manager.start();
  }

  const registered = (driver: FakeDraDriver, versions = ['v1.DRAPlugin'], name = driverName) => ({
    name,
    endpoint: driver.endpoint,
    versions,
  });

  const deviceOf = (name: string, requests: string[] = []): DraDevice => ({
    poolName: 'pool',
    deviceName: name,
    requestNames: requests,
    cdiDeviceIds: [`example.com/gpu=${name}`],
  });

  async function plug(options: Partial<FakeDraDriverOptions> = {}): Promise<FakeDraDriver> {
    const devices = ({ name = '' }): DraDevice[] => [deviceOf(name)];
    const driver = new FakeDraDriver({ rootDir, name: driverName, devices, ...options });
    drivers.push(driver);
    await driver.start();
    await manager.drivers.register(registered(driver, [...(options.versions ?? ['v1.DRAPlugin'])], options.name));
    return driver;
  }

  /** An allocated claim that these pods may use. */
  async function claim(name: string, pods: readonly string[], changes: Partial<ResourceClaim> = {}): Promise<ResourceClaim> {
    const results = [{ request: 'r', driver: driverName, pool: 'pool', device: name }];
    const reservedFor = pods.map(uid => ({ resource: 'pods', name: uid, uid }));
    const claims = client.resource(ResourceClaims, 'default');
    return claims.create({
      metadata: { name, namespace: 'default' },
      spec: {},
      status: { allocation: { devices: { results } }, reservedFor },
      ...changes,
    } as ResourceClaim);
  }

  const container = (name: string, ...claims: { name: string; request?: string }[]): Container => ({
    name,
    image: 'box',
    resources: { claims },
  });

  function pod(uid: string, claims: readonly string[], containers = [container('main', ...claims.map(name => ({ name })))]): Pod {
    active?.add(uid);
    const resourceClaims = claims.map(name => ({ name, resourceClaimName: name }));
    return { metadata: { name: uid, namespace: 'default', uid }, spec: { containers, resourceClaims } } as unknown as Pod;
  }

  const offer = (name: string, driver: string, nodeName = 'a'): Promise<unknown> =>
    client.resource(ResourceSlices).create({ metadata: { name }, spec: { driver, nodeName } } as unknown as ResourceSlice);

  const offered = async (): Promise<string[]> =>
    (await client.resource(ResourceSlices).list()).entries.map(({ name }) => name).sort();

  it('makes claims ready once for all pods that use them, and gives them back with the last', async () => {
    const driver = await plug();
    await claim('one', ['p', 'q']);
    await claim('two', ['p']);
    const first = pod('p', ['one', 'two']);
    const second = pod('q', ['one']);
    await Promise.all([manager.prepare(first), manager.prepare(second)]);
    expect(driver.asked).toEqual(['prepare one', 'prepare two']);
    expect(manager.cdiDevices(first, first.spec.containers[0]!)).toEqual(['example.com/gpu=one', 'example.com/gpu=two']);
    expect(manager.cdiDevices(second, second.spec.containers[0]!)).toEqual(['example.com/gpu=one']);
    await manager.release(first);
    await manager.release(first);
    expect(driver.asked.slice(2)).toEqual(['unprepare two']);
    await manager.release(second);
    expect(driver.asked.slice(3)).toEqual(['unprepare one']);
    expect(() => manager.cdiDevices(second, second.spec.containers[0]!)).toThrow(
      'internal error: unable to get claim info for ResourceClaim one in namespace default',
    );
  });

  it('leaves the claims of others alone when a pod ends that never got them', async () => {
    const driver = await plug();
    await claim('one', ['p']);
    await manager.prepare(pod('p', ['one']));
    const other = pod('q', ['one']);
    await expect(manager.prepare(other)).rejects.toThrow(
      /^prepare dynamic resources: pod q \(q\) is not allowed to use ResourceClaim one/,
    );
    await manager.release(other);
    expect(driver.asked).toEqual(['prepare one']);
  });

  it('speaks the older service with drivers that know no other, and refuses those that know neither', async () => {
    const driver = await plug({ versions: ['v1beta1.DRAPlugin'] });
    await claim('one', ['p']);
    await manager.prepare(pod('p', ['one']));
    expect(driver.asked).toEqual(['prepare one in the old way']);
    const text =
      'none of services supported by the plugin (["v1alpha4.Node" "x"]) are supported by the kubelet (["v1.DRAPlugin" "v1beta1.DRAPlugin"])';
    expect(() => manager.drivers.validate(registered(driver, ['v1alpha4.Node', 'x']))).toThrow(text);
    expect(() => manager.drivers.validate(registered(driver, []))).toThrow('empty list of supported gRPC services');
    await expect(manager.drivers.register(registered(driver))).rejects.toThrow(/already registered for DRA driver plugin/);
  });

  it('gives containers the devices of the requests that they name', async () => {
    await plug({ devices: () => [deviceOf('a', ['x']), deviceOf('b', ['y']), deviceOf('c')] });
    await claim('one', ['p']);
    const containers = [container('all', { name: 'one' }), container('x', { name: 'one', request: 'x' }), container('none')];
    const own = pod('p', ['one'], containers);
    await manager.prepare(own);
    const names = containers.map(each =>
      manager
        .cdiDevices(own, each)
        .map(name => name.slice(-1))
        .join(''),
    );
    expect(names).toEqual(['abc', 'ac', '']);
    expect(manager.held(own, containers[0]!)).toEqual([
      {
        claimName: 'one',
        claimNamespace: 'default',
        claimResources: ['a', 'b', 'c'].map(name => ({
          cdiDevices: [{ name: `example.com/gpu=${name}` }],
          driverName,
          poolName: 'pool',
          deviceName: name,
        })),
      },
    ]);
  });

  it('knows the claims of templates, and those of extended resources', async () => {
    const driver = await plug();
    const owner = { apiVersion: 'v1', kind: 'Pod', name: 'p', uid: 'p', controller: true };
    await claim('made', ['p'], { metadata: { name: 'made', namespace: 'default', ownerReferences: [owner] } });
    await claim('extended', ['p']);
    const own = pod('p', [], [container('main', { name: 'own' }), container('side')]);
    const entry = { name: 'own', resourceClaimTemplateName: 't' };
    const asked = { ...own, spec: { ...own.spec, resourceClaims: [entry, { name: 'not', resourceClaimTemplateName: 't' }] } };
    await expect(manager.prepare(asked)).rejects.toThrow(
      'prepare dynamic resources: pod "default/p": ResourceClaim not created yet',
    );
    const requestMappings = [{ containerName: 'side', resourceName: 'example.com/gpu', requestName: 'r' }];
    const status = {
      // Of the second none is needed.
      resourceClaimStatuses: [{ name: 'own', resourceClaimName: 'made' }, { name: 'not' }],
      extendedResourceClaimStatus: { requestMappings, resourceClaimName: 'extended' },
    } as unknown as PodStatus;
    const known = { ...asked, status };
    await manager.prepare(known);
    expect(driver.asked).toEqual(['prepare made', 'prepare extended']);
    expect(known.spec.containers.map(each => manager.cdiDevices(known, each))).toEqual([
      ['example.com/gpu=made'],
      ['example.com/gpu=extended'],
    ]);
    const foreign = { ...known, metadata: { ...known.metadata, uid: 'q' } };
    await expect(manager.prepare(foreign)).rejects.toThrow(/was not created for Pod default\/p \(Pod is not owner\)/);
  });

  it.each<[string, Partial<ResourceClaim>, string]>([
    [
      'not allocated',
      { status: { reservedFor: [{ resource: 'pods', name: 'p', uid: 'p' }] } },
      'ResourceClaim one: not allocated',
    ],
    [
      'of a driver that is not here',
      {
        status: {
          reservedFor: [{ resource: 'pods', name: 'p', uid: 'p' }],
          allocation: { devices: { results: [{ request: 'r', driver: 'other', pool: 'p', device: 'd' }] } },
        },
      },
      'DRA driver other is not registered',
    ],
  ])('waits for a claim that is %s', async (_name, changes, message) => {
    const driver = await plug();
    await claim('one', ['p'], changes);
    await expect(manager.prepare(pod('p', ['one']))).rejects.toThrow(`prepare dynamic resources: ${message}`);
    expect(driver.asked).toEqual([]);
  });

  it('tells why a driver cannot, and asks again', async () => {
    let why: string | undefined = 'no more room';
    const driver = await plug({
      devices: ({ name = '' }) => {
        if (why !== undefined) throw new Error(why);
        return [deviceOf(name)];
      },
    });
    await claim('one', ['p']);
    const own = pod('p', ['one']);
    const text = 'prepare dynamic resources: NodePrepareResources failed for ResourceClaim one: no more room';
    await expect(manager.prepare(own)).rejects.toThrow(text);
    why = undefined;
    await manager.prepare(own);
    driver.refusal = 'busy';
    await expect(manager.release(own)).rejects.toThrow(
      'unprepare dynamic resources: NodeUnprepareResources failed for ResourceClaim one: busy',
    );
    driver.refusal = undefined;
    await manager.release(own);
    expect(driver.asked).toEqual(['prepare one', 'prepare one', 'unprepare one', 'unprepare one']);
  });

  it.each<[string, NonNullable<FakeDraDriverOptions['answer']>, string]>([
    ['says nothing of a claim', () => ({}), 'NodePrepareResources skipped 1 ResourceClaims'],
    ['speaks of another claim', () => ({ other: {} }), 'NodePrepareResources returned result for unknown claim UID other'],
    [
      'fails',
      () => {
        throw new Error('out of order');
      },
      'NodePrepareResources: out of order',
    ],
  ])('does not take it for ready when the driver %s', async (_name, answer, message) => {
    await plug({ answer });
    await claim('one', ['p']);
    await expect(manager.prepare(pod('p', ['one']))).rejects.toThrow(`prepare dynamic resources: ${message}`);
  });

  it('tells which claim cannot be read, and what stands in the pod in an unknown way', async () => {
    await plug();
    await expect(manager.prepare(pod('p', ['none']))).rejects.toThrow(
      /^prepare dynamic resources: fetch ResourceClaim none: .*not found/,
    );
    const own = pod('q', []);
    const odd = { ...own, spec: { ...own.spec, resourceClaims: [{ name: 'odd' }] } };
    await expect(manager.prepare(odd)).rejects.toThrow(/none of the supported fields are set/);
    await manager.release(odd);
  });

  it('does not call a driver before it is written down what it may be asked to undo', async () => {
    const driver = await plug();
    await claim('one', ['p']);
    await mkdir(join(rootDir, 'dra_manager_state'));
    await expect(manager.prepare(pod('p', ['one']))).rejects.toThrow(/prepare dynamic resources: .*dra_manager_state/);
    expect(driver.asked).toEqual([]);
  });

  it('tries again to withdraw what drivers offered, unless the server knows nothing of it', async () => {
    await offer('left', 'gone.example.com');
    const tries = (verb: string): number =>
      transport.actions.filter(own => own.verb === verb && own.resource === 'resourceslices').length;
    let failure: Error | undefined = new Error('no server');
    transport.reactors.push(({ verb }) => {
      if (failure && ['list', 'deletecollection'].includes(verb)) throw failure;
    });
    const later = (what: string, done: () => boolean): Promise<unknown> =>
      until(what, async () => {
        await clock.advance(1000);
        return done();
      });
    await later('two lists that failed', () => tries('list') === 2);
    failure = undefined;
    await later('a list', () => tries('deletecollection') === 1);
    await manager.stop();
    await offer('left', 'gone.example.com');
    await launch();
    await clock.advance(29_000);
    failure = notFound({ group: 'resource.k8s.io', resource: 'resourceslices', name: '' });
    const before = tries('list');
    await later('the last list', () => tries('list') > before);
    await clock.advance(300_000);
    expect(tries('list')).toBe(before + 1);
    expect(tries('deletecollection')).toBe(1);
  });

  it('knows after a restart what was ready, gives back what pods left, and does not take another claim for it', async () => {
    const driver = await plug();
    await claim('one', ['p']);
    await claim('two', ['q']);
    const own = pod('p', ['one']);
    await manager.prepare(own);
    await manager.prepare(pod('q', ['two']));
    await manager.stop();
    active = undefined;
    await launch();
    expect(manager.cdiDevices(own, own.spec.containers[0]!)).toEqual(['example.com/gpu=one']);
    await manager.drivers.register(registered(driver));
    await clock.advance(60_000);
    expect(driver.asked).toHaveLength(2);
    active = new Set(['p']);
    await until('the claim given back', async () => {
      await clock.advance(60_000);
      return driver.asked.length > 2;
    });
    expect(driver.asked.slice(2)).toEqual(['unprepare two']);
    await client.resource(ResourceClaims, 'default').delete('one');
    await claim('one', ['p']);
    await expect(manager.prepare(own)).rejects.toThrow(/old ResourceClaim with same name one and different UID \S+ still exists/);
  });

  it('writes what upstream reads, and starts without what cannot be relied on', async () => {
    await plug();
    const { metadata } = await claim('one', ['p']);
    const own = pod('p', ['one']);
    await manager.prepare(own);
    const file = join(rootDir, 'dra_manager_state');
    const text = await readFile(file, 'utf8');
    const written = JSON.parse(text) as { Data: string };
    expect(JSON.parse(written.Data)).toEqual({
      kind: 'DRACheckpoint',
      apiVersion: 'checkpoint.dra.kubelet.k8s.io/v1',
      ClaimInfoStateList: [
        {
          ClaimUID: metadata.uid,
          ClaimName: 'one',
          Namespace: 'default',
          PodUIDs: { p: {} },
          DriverState: {
            [driverName]: {
              Devices: [
                { PoolName: 'pool', DeviceName: 'one', ShareID: null, RequestNames: [], CDIDeviceIDs: ['example.com/gpu=one'] },
              ],
            },
          },
        },
      ],
    });
    await manager.stop();
    await writeFile(file, text.replace('gpu=one', 'gpu=two'));
    await launch();
    expect(() => manager.cdiDevices(own, own.spec.containers[0]!)).toThrow('unable to get claim info');
  });

  it('withdraws what drivers offered that have gone, not while an instance of them is there', async () => {
    await offer('elsewhere', driverName, 'b');
    await offer('of another', 'other');
    await offer('own', driverName);
    const first = await plug();
    const second = await plug({ instance: '-2' });
    await first.stop();
    // It is reached.
    await claim('one', ['p']);
    await manager.prepare(pod('p', ['one']));
    expect(second.asked).toEqual(['prepare one']);
    manager.drivers.deregister(registered(first));
    await clock.advance(40_000);
    // The other has not come back since the kubelet began.
    await until('what was left withdrawn', async () => !(await offered()).includes('of another'));
    expect(await offered()).toEqual(['elsewhere', 'own']);
    manager.drivers.deregister(registered(second));
    await clock.advance(29_000);
    expect(await offered()).toContain('own');
    await clock.advance(1000);
    await until('what it offered withdrawn', async () => !(await offered()).includes('own'));
    expect(await offered()).toEqual(['elsewhere']);
  });

  it('tells how devices are, as long as that was said lately, and wakes the pods that have them', async () => {
    const driver = await plug({ tellsHealth: true });
    await claim('one', ['p']);
    const own = pod('p', ['one']);
    await manager.prepare(own);
    const status = { containerStatuses: [{ name: 'main' }] } as unknown as PodStatus;
    const told = (): unknown => manager.decorate(own, status).containerStatuses![0]!.allocatedResourcesStatus;
    const of = (health: string, message?: string) => [
      { name: 'claim:one', resources: [{ resourceID: 'example.com/gpu=one', health, ...(message ? { message } : {}) }] },
    ];
    expect(told()).toEqual(of('Unknown'));
    await until('somebody who listens', () => driver.hasListener);
    const device = { poolName: 'pool', deviceName: 'one' };
    driver.tellHealth([{ device, health: 'UNHEALTHY', message: 'too hot', healthCheckTimeoutSeconds: 60 }]);
    await until('the pod woken', () => woken.length > 0);
    expect(woken).toEqual(['p']);
    expect(told()).toEqual(of('Unhealthy', 'too hot'));
    await clock.advance(60_001);
    expect(told()).toEqual(of('Unknown'));
    driver.tellHealth([{ device, health: 'HEALTHY' }]);
    await until('the pod woken again', () => woken.length > 1);
    expect(told()).toEqual(of('Healthy'));
    await driver.stop();
    manager.drivers.deregister(registered(driver));
    expect(told()).toEqual(of('Unknown'));
  });
});
