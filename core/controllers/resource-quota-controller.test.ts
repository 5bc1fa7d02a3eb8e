import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ConfigMaps, Deployments, PersistentVolumeClaims, Pods, ResourceQuotas, Services } from '../api/generated/resources.js';
import type { ConfigMap, Deployment, PersistentVolumeClaim, Pod, ResourceQuota, Service } from '../api/generated/types.js';
import { resourceQuotaController } from './resource-quota-controller.js';
import { fakeCatalogue, fakeEnvironment } from './testing/environment.js';
import { ControllerHarness } from './testing/harness.js';

describe('resource quota controller', () => {
  let harness: ControllerHarness;
  const quotas = () => harness.resource(ResourceQuotas);
  const status = async (name = 'quota') => (await quotas().get(name)).status;
  const createQuota = async (spec: object, name = 'quota') => {
    await quotas().create({ metadata: { name }, spec } as unknown as ResourceQuota);
    await harness.settle();
  };
  const createPod = async (name: string, cpu: string, extra: object = {}, namespace = 'default') => {
    const containers = [{ name: 'main', resources: { requests: { cpu, memory: '64Mi' }, limits: { cpu: '2' } } }];
    await harness.resource(Pods, namespace).create({ metadata: { name }, spec: { containers, ...extra } } as unknown as Pod);
    await harness.settle();
  };

  beforeEach(async () => {
    harness = new ControllerHarness();
    harness.environment = fakeEnvironment(
      fakeCatalogue([ConfigMaps, Deployments, PersistentVolumeClaims, Pods, ResourceQuotas, Services]),
    );
    await harness.start(resourceQuotaController.create);
  });
  afterEach(() => harness.stop());

  it('counts pods, Services, claims and objects of any kind', async () => {
    const hard = {
      pods: '10',
      'requests.cpu': '4',
      'requests.memory': '1Gi',
      'limits.cpu': '8',
      services: '5',
      'services.nodeports': '3',
      'requests.storage': '10Gi',
      configmaps: '10',
      'count/deployments.apps': '2',
      'unknown.example.com/thing': '1',
    };
    await createQuota({ hard });
    expect(await status()).toEqual({
      hard,
      used: {
        pods: '0',
        'requests.cpu': '0',
        'requests.memory': '0',
        'limits.cpu': '0',
        services: '0',
        'services.nodeports': '0',
        'requests.storage': '0',
        configmaps: '0',
        'count/deployments.apps': '0',
      },
    });
    await createPod('a', '500m');
    await createPod('b', '1');
    await createPod('elsewhere', '1', {}, 'other');
    await harness.resource(ConfigMaps).create({ metadata: { name: 'one' } } as unknown as ConfigMap);
    await harness.resource(Deployments).create({ metadata: { name: 'one' } } as unknown as Deployment);
    await harness.resource(Services).create({
      metadata: { name: 'one' },
      spec: { type: 'NodePort', ports: [{ port: 80 }, { port: 81 }] },
    } as unknown as Service);
    await harness.resource(PersistentVolumeClaims).create({
      metadata: { name: 'one' },
      spec: { resources: { requests: { storage: '2Gi' } } },
    } as unknown as PersistentVolumeClaim);
    await harness.settle();
    expect((await status()).used).toEqual({
      pods: '2',
      'requests.cpu': '1500m',
      'requests.memory': '128Mi',
      'limits.cpu': '4',
      services: '1',
      'services.nodeports': '2',
      'requests.storage': '2Gi',
      configmaps: '1',
      'count/deployments.apps': '1',
    });
  });

  it('gives back what pods used when they finish or go', async () => {
    await createQuota({ hard: { pods: '10', 'count/pods': '10', 'requests.cpu': '4' } });
    await createPod('a', '500m');
    await createPod('b', '1');
    await harness
      .resource(Pods)
      .subresource('status')
      .patch('a', 'merge', { status: { phase: 'Succeeded' } });
    await harness.settle();
    expect((await status()).used).toEqual({ pods: '1', 'count/pods': '2', 'requests.cpu': '1' });
    await harness.resource(Pods).delete('b');
    await harness.settle();
    expect((await status()).used).toEqual({ pods: '0', 'count/pods': '1', 'requests.cpu': '0' });
    const writes = harness.transport.writes().length;
    await harness.advance(310_000);
    expect(harness.transport.writes()).toHaveLength(writes);
  });

  it('keeps to the scopes of each quota and follows a changed limit', async () => {
    await createQuota({ hard: { pods: '10' }, scopes: ['Terminating'] }, 'ending');
    await createQuota({ hard: { pods: '10' }, scopes: ['NotTerminating'] }, 'lasting');
    await createPod('a', '1', { activeDeadlineSeconds: 60 });
    await createPod('b', '1');
    await createPod('c', '1');
    expect((await status('ending')).used).toEqual({ pods: '1' });
    expect((await status('lasting')).used).toEqual({ pods: '2' });
    await quotas().patch('lasting', 'merge', { spec: { hard: { pods: '20', secrets: '1' } } });
    await harness.settle();
    expect(await status('lasting')).toEqual({ hard: { pods: '20', secrets: '1' }, used: { pods: '2' } });
  });

  it('puts right what somebody else wrote', async () => {
    await createQuota({ hard: { pods: '10' } });
    await createPod('a', '1');
    await quotas()
      .subresource('status')
      .patch('quota', 'merge', { status: { used: { pods: '7' } } });
    await harness.advance(300_000);
    expect((await status()).used).toEqual({ pods: '1' });
  });
});
