import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ConfigMaps, Namespaces, Pods, Secrets, ServiceAccounts } from '../api/generated/resources.js';
import type { ConfigMap, Namespace, Pod, Secret } from '../api/generated/types.js';
import { StatusError } from '../machinery/status-error.js';
import { namespaceController } from './namespace-controller.js';
import { rootCaPublisherController } from './root-ca-publisher-controller.js';
import { serviceAccountController } from './service-account-controller.js';
import { fakeCatalogue, fakeEnvironment } from './testing/environment.js';
import { ControllerHarness } from './testing/harness.js';

describe('namespaces', () => {
  let harness: ControllerHarness;
  const namespaces = () => harness.resource(Namespaces);
  const create = async (name: string) => {
    await namespaces().create({ metadata: { name } } as Namespace);
    await harness.settle();
  };
  const gone = async (name: string) => (await namespaces().objects()).every(known => known.metadata.name !== name);
  const condition = async (name: string, type: string) =>
    (await namespaces().get(name)).status?.conditions?.find(known => known.type === type);
  const fill = async (finalizers: string[] = []) => {
    const metadata = { name: 'one', finalizers };
    await harness.resource(ConfigMaps, 'work').create({ metadata } as unknown as ConfigMap);
    await harness.resource(Secrets, 'work').create({ metadata: { name: 'one' } } as unknown as Secret);
  };

  beforeEach(() => {
    harness = new ControllerHarness();
    harness.environment = fakeEnvironment(fakeCatalogue([ConfigMaps, Secrets, Pods, ServiceAccounts, Namespaces]));
  });
  afterEach(() => harness.stop());

  it('get a service account and the CA bundle, again when these are deleted or changed', async () => {
    await harness.start(serviceAccountController.create, rootCaPublisherController.create);
    await create('work');
    const accounts = harness.resource(ServiceAccounts, 'work');
    const configMaps = harness.resource(ConfigMaps, 'work');
    const first = await accounts.get('default');
    expect((await configMaps.get('kube-root-ca.crt')).data).toEqual({ 'ca.crt': 'CA' });
    expect((await configMaps.get('kube-root-ca.crt')).metadata.annotations?.['kubernetes.io/description']).toContain('CA bundle');
    await accounts.delete('default');
    await configMaps.patch('kube-root-ca.crt', 'merge', { data: { 'ca.crt': 'other', more: 'x' } });
    await harness.settle();
    expect((await accounts.get('default')).metadata.uid).not.toBe(first.metadata.uid);
    expect((await configMaps.get('kube-root-ca.crt')).data).toEqual({ 'ca.crt': 'CA' });
    await configMaps.delete('kube-root-ca.crt');
    await harness.settle();
    expect((await configMaps.get('kube-root-ca.crt')).data).toEqual({ 'ca.crt': 'CA' });
  });

  it('are emptied and finalized when they are deleted', async () => {
    await harness.start(namespaceController.create);
    await create('work');
    await create('other');
    await fill();
    await harness.resource(ConfigMaps, 'other').create({ metadata: { name: 'one' } } as unknown as ConfigMap);
    await namespaces().delete('work');
    await harness.settle();
    expect(await gone('work')).toBe(false);
    await harness.advance(1000);
    expect(await gone('work')).toBe(true);
    expect(await harness.resource(Secrets, 'work').objects()).toEqual([]);
    expect(await harness.resource(ConfigMaps, 'other').objects()).toHaveLength(1);
    expect(harness.transport.writes()).toContain('update namespaces/finalize');
  });

  it('wait for versions whose server does not tell what it has', async () => {
    const extensions = [
      { group: 'b.example.com', version: 'v1', isCurrent: false },
      { group: 'a.example.com', version: 'v2', isCurrent: false },
      { group: 'c.example.com', version: 'v1', isCurrent: true },
    ];
    const { catalogue } = harness.environment;
    harness.environment = { ...harness.environment, catalogue: { ...catalogue, extensions: () => extensions } };
    await harness.start(namespaceController.create);
    await create('work');
    await fill();
    await namespaces().delete('work');
    await harness.advance(1000);
    expect(await condition('work', 'NamespaceDeletionDiscoveryFailure')).toMatchObject({
      status: 'True',
      reason: 'DiscoveryFailed',
      message:
        'Discovery failed for some groups, 2 failing: unable to retrieve the complete list of server APIs: ' +
        'a.example.com/v2: stale GroupVersion discovery: a.example.com/v2, b.example.com/v1: stale GroupVersion discovery: b.example.com/v1',
    });
    expect(await harness.resource(Secrets, 'work').objects()).toEqual([]);
    extensions.length = 0;
    await harness.advance(60_000);
    expect(await gone('work')).toBe(true);
  });

  it('wait for their pods before anything else goes, then go at once', async () => {
    await harness.start(namespaceController.create);
    await create('work');
    await fill();
    const pods = harness.resource(Pods, 'work');
    const spec = { nodeName: 'node', containers: [], terminationGracePeriodSeconds: 30 };
    await pods.create({ metadata: { name: 'web' }, spec } as unknown as Pod);
    await namespaces().delete('work');
    await harness.advance(1000);
    expect((await pods.get('web')).metadata.deletionTimestamp).toBeDefined();
    expect(await harness.resource(Secrets, 'work').objects()).toHaveLength(1);
    await pods.delete('web', { gracePeriodSeconds: 0 });
    await harness.settle();
    expect(await gone('work')).toBe(true);
  });

  it('tell in conditions what remains, and look again', async () => {
    await harness.start(namespaceController.create);
    await create('work');
    await fill(['example.com/slow']);
    await namespaces().delete('work');
    await harness.advance(1000);
    expect(await condition('work', 'NamespaceContentRemaining')).toMatchObject({
      status: 'True',
      reason: 'SomeResourcesRemain',
      message: 'Some resources are remaining: configmaps. has 1 resource instances',
    });
    expect(await condition('work', 'NamespaceFinalizersRemaining')).toMatchObject({
      message: 'Some content in the namespace has finalizers remaining: example.com/slow in 1 resource instances',
    });
    expect(await condition('work', 'NamespaceDeletionContentFailure')).toMatchObject({
      status: 'False',
      reason: 'ContentDeleted',
    });
    await harness.resource(ConfigMaps, 'work').patch('one', 'merge', { metadata: { finalizers: null } });
    await harness.advance(8000);
    expect(await gone('work')).toBe(true);
  });

  it('keep what cannot be deleted, and say why', async () => {
    await harness.start(namespaceController.create);
    await create('work');
    await fill();
    let broken = true;
    harness.transport.reactors.push(action => {
      if (broken && action.verb === 'deletecollection' && action.resource === 'secrets') {
        throw new StatusError(500, 'InternalError', 'no secrets today');
      }
    });
    await namespaces().delete('work');
    await harness.advance(1000);
    expect(await condition('work', 'NamespaceDeletionContentFailure')).toMatchObject({
      status: 'True',
      reason: 'ContentDeletionFailed',
      message: 'Failed to delete all resource types, 1 remaining: no secrets today',
    });
    expect(await harness.resource(ConfigMaps, 'work').objects()).toEqual([]);
    broken = false;
    await harness.advance(61_000);
    expect(await gone('work')).toBe(true);
  });
});
