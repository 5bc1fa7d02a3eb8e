import { describe, expect, it } from '@jest/globals';
import type { ResourceQuota } from '../../api/generated/types.js';
import { FakeClock } from '../../base/fake-clock.js';
import { ObjectLookup } from './object-lookup.js';
import { ResourceQuotaAdmission } from './resource-quota.js';
import { FakeStores, admit, attributesOf, object } from './testing/admission-fixture.js';

const quota = (name: string, hard: object, used: object, spec: object = {}): object =>
  object('ResourceQuota', name, { spec: { hard, ...spec }, status: { hard, used } });
const pod = (name: string, requests: object = { cpu: '1' }, spec: object = {}): ReturnType<typeof attributesOf> =>
  attributesOf({
    resource: 'pods',
    object: object('Pod', name, { spec: { containers: [{ name: 'c', resources: { requests } }], ...spec } }),
  });

function setUp(...quotas: object[]): { stores: FakeStores; plugin: ResourceQuotaAdmission; used: (name: string) => unknown } {
  const stores = new FakeStores({ '/resourcequotas': quotas });
  const plugin = new ResourceQuotaAdmission(new ObjectLookup(stores), stores, new FakeClock());
  const used = (name: string): unknown => (stores.find('/resourcequotas', name) as unknown as ResourceQuota).status.used;
  return { stores, plugin, used };
}

describe('ResourceQuota', () => {
  it('charges what fits', async () => {
    const { plugin, used } = setUp(quota('q', { pods: '2', cpu: '3' }, { pods: '0', cpu: '500m' }));
    expect(await admit(plugin, pod('a'))).toBeUndefined();
    expect(used('q')).toEqual({ cpu: '1500m', pods: '1' });
  });

  it('refuses what does not, and charges nothing', async () => {
    const { plugin, used, stores } = setUp(
      quota('wide', { pods: '9' }, { pods: '0' }),
      quota('tight', { pods: '5', cpu: '1' }, { pods: '0', cpu: '500m' }),
    );
    expect(await admit(plugin, pod('a'))).toBe(
      'pods "a" is forbidden: exceeded quota: tight, requested: cpu=1, used: cpu=500m, limited: cpu=1',
    );
    expect(used('wide')).toEqual({ pods: '0' });
    expect(stores.updates).toBe(0);
  });

  it('judges requests that arrive together one by one, in one write a round', async () => {
    const { plugin, used, stores } = setUp(quota('q', { pods: '4' }, { pods: '0' }));
    const answers = await Promise.all(['a', 'b', 'c', 'd', 'e', 'f'].map(name => admit(plugin, pod(name))));
    expect(answers.filter(answer => answer === undefined)).toHaveLength(4);
    expect(answers[5]).toBe('pods "f" is forbidden: exceeded quota: q, requested: pods=1, used: pods=4, limited: pods=4');
    expect(used('q')).toEqual({ pods: '4' });
    expect(stores.updates).toBeLessThanOrEqual(2);
  });

  it('judges again when somebody else wrote the quota meanwhile', async () => {
    const { plugin, stores, used } = setUp(quota('q', { pods: '2' }, { pods: '0' }));
    stores.beforeUpdate.push(() => stores.put('/resourcequotas', quota('q', { pods: '2' }, { pods: '2' })));
    expect(await admit(plugin, pod('a'))).toMatch('exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2');
    expect(used('q')).toEqual({ pods: '2' });
  });

  it('a dry run is judged and not charged', async () => {
    const { plugin, stores } = setUp(quota('q', { pods: '1' }, { pods: '0' }));
    expect(await admit(plugin, { ...pod('a'), dryRun: true })).toBeUndefined();
    expect(stores.updates).toBe(0);
  });

  it.each([
    [
      'a container says nothing',
      { 'limits.cpu': '1', memory: '1' },
      {},
      'failed quota: q: must specify limits.cpu for: c; memory for: c',
    ],
    ['nobody has counted yet', { cpu: '1' }, { pods: '0' }, 'status unknown for quota: q, resources: cpu'],
  ])('refuses when %s', async (_name, hard, used, text) => {
    const { plugin } = setUp(quota('q', hard, used));
    expect(await admit(plugin, pod('a'))).toBe(`pods "a" is forbidden: ${text}`);
  });

  it.each([
    ['BestEffort', pod('a', {}), true],
    ['BestEffort', pod('a'), false],
    ['NotBestEffort', pod('a'), true],
    ['Terminating', pod('a', { cpu: '1' }, { activeDeadlineSeconds: 5 }), true],
    ['NotTerminating', pod('a', { cpu: '1' }, { activeDeadlineSeconds: 5 }), false],
  ])('scope %s', async (scope, attributes, inside) => {
    const { plugin, used } = setUp(quota('q', { pods: '1' }, { pods: '0' }, { scopes: [scope] }));
    expect(await admit(plugin, attributes)).toBeUndefined();
    expect(used('q')).toEqual({ pods: inside ? '1' : '0' });
  });

  it('scopes of priority classes', async () => {
    const scopeSelector = { matchExpressions: [{ scopeName: 'PriorityClass', operator: 'In', values: ['high'] }] };
    const { plugin, used } = setUp(quota('q', { pods: '5' }, { pods: '0' }, { scopeSelector }));
    await admit(plugin, pod('a', {}, { priorityClassName: 'low' }));
    await admit(plugin, pod('b', {}, { priorityClassName: 'high' }));
    expect(used('q')).toEqual({ pods: '1' });
  });

  it('counts objects of any kind, and services by their ports', async () => {
    const hard = { 'count/deployments.apps': '1', configmaps: '1', 'services.nodeports': '2', services: '5' };
    const { plugin, used } = setUp(
      quota('q', hard, { 'count/deployments.apps': '0', configmaps: '0', 'services.nodeports': '0', services: '0' }),
    );
    await admit(plugin, attributesOf({ group: 'apps', resource: 'deployments', object: object('Deployment', 'd') }));
    await admit(plugin, attributesOf({ resource: 'configmaps', object: object('ConfigMap', 'c') }));
    const service = (type: string): never =>
      object('Service', 's', { spec: { type, ports: [{ port: 1 }, { port: 2 }] } }) as never;
    await admit(plugin, attributesOf({ resource: 'services', object: service('ClusterIP') }));
    expect(used('q')).toEqual({ 'count/deployments.apps': '1', configmaps: '1', 'services.nodeports': '0', services: '1' });
    const change = { operation: 'UPDATE' as const, object: service('NodePort'), oldObject: service('ClusterIP') };
    await admit(plugin, attributesOf({ resource: 'services', ...change }));
    expect(used('q')).toMatchObject({ 'services.nodeports': '2', services: '1' });
    expect(await admit(plugin, attributesOf({ resource: 'configmaps', object: object('ConfigMap', 'e') }))).toMatch(
      'exceeded quota: q, requested: configmaps=1, used: configmaps=1, limited: configmaps=1',
    );
  });

  it('claims count under their class too; growing costs the difference', async () => {
    const own = 'gold.storageclass.storage.k8s.io/requests.storage';
    const { plugin, used } = setUp(
      quota('q', { 'requests.storage': '20Gi', [own]: '10Gi' }, { 'requests.storage': '0', [own]: '0' }),
    );
    const claim = (storage: string): never =>
      object('PersistentVolumeClaim', 'c', { spec: { storageClassName: 'gold', resources: { requests: { storage } } } }) as never;
    await admit(plugin, attributesOf({ resource: 'persistentvolumeclaims', object: claim('4Gi') }));
    const grow = (to: string): ReturnType<typeof attributesOf> =>
      attributesOf({ resource: 'persistentvolumeclaims', operation: 'UPDATE', object: claim(to), oldObject: claim('4Gi') });
    expect(await admit(plugin, grow('6Gi'))).toBeUndefined();
    expect(used('q')).toEqual({ 'requests.storage': '6Gi', [own]: '6Gi' });
    expect(await admit(plugin, grow('9Gi'))).toMatch(`requested: ${own}=5Gi, used: ${own}=6Gi, limited: ${own}=10Gi`);
  });

  it('events cost nothing', async () => {
    const { plugin } = setUp(quota('q', { 'count/events': '0' }, { 'count/events': '0' }));
    expect(await admit(plugin, attributesOf({ resource: 'events', object: object('Event', 'e') }))).toBeUndefined();
  });
});
