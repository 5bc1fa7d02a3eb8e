import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  DeviceClasses,
  Nodes,
  Pods,
  ResourceClaims,
  ResourceClaimTemplates,
  ResourceSlices,
} from '../../core/api/generated/resources.js';
import type { DeviceClass, Node, Pod, ResourceClaim, ResourceClaimTemplate } from '../../core/api/generated/types.js';
import type { Client } from '../../core/client/client.js';
import { startCluster, until } from '../../core/testing/index.js';
import type { TestCluster } from '../../core/testing/index.js';

const namespace = 'default';
const apiVersion = 'resource.k8s.io/v1';
const driver = 'gpu.example.com';
const finalizer = 'resource.kubernetes.io/delete-protection';

/** Drivers publish, users claim: through a whole cluster, whose nodes with devices are objects alone, without a kubelet. */
describe('devices in a whole cluster', () => {
  let cluster: TestCluster;
  let client: Client;

  beforeAll(async () => {
    cluster = await startCluster();
    ({ client } = cluster);
    await createNode('n1');
    await createNode('n2');
    await publish('n1', [device('small', 8)]);
    await publish('n2', [device('large', 32)]);
    const selectors = [{ cel: { expression: `device.driver == "${driver}"` } }];
    await client.resource(DeviceClasses).create({ metadata: { name: 'gpu' }, spec: { selectors } } as unknown as DeviceClass);
  });
  afterAll(() => cluster.stop());

  async function createNode(name: string): Promise<void> {
    const nodes = client.resource(Nodes);
    const time = new Date().toISOString().replace(/\.\d+/, '');
    const ready = {
      type: 'Ready',
      status: 'True',
      reason: 'Test',
      message: '',
      lastHeartbeatTime: time,
      lastTransitionTime: time,
    };
    const room = { cpu: '8', memory: '8Gi', pods: '100' };
    await nodes.create({ metadata: { name }, spec: {}, status: {} } as unknown as Node);
    await nodes
      .subresource('status')
      .patch(name, 'merge', { status: { capacity: room, allocatable: room, conditions: [ready] } });
    await until(`${name} takes pods`, async () => ((await nodes.get(name)).spec.taints?.length ? undefined : true));
  }

  const device = (name: string, gigabytes: number, more: object = {}) => ({
    name,
    attributes: { model: { string: name } },
    capacity: { memory: { value: `${gigabytes}Gi` } },
    ...more,
  });

  async function publish(nodeName: string, devices: readonly object[], generation = 1): Promise<void> {
    const slices = client.resource(ResourceSlices);
    const spec = { driver, nodeName, pool: { name: nodeName, generation, resourceSliceCount: 1 }, devices };
    const slice = { apiVersion, kind: 'ResourceSlice', metadata: { name: `${nodeName}-gpu` }, spec };
    await slices.patch(`${nodeName}-gpu`, 'apply', slice, { fieldManager: 'driver', force: true });
  }

  async function template(name: string, expression: string): Promise<void> {
    const exactly = { deviceClassName: 'gpu', selectors: [{ cel: { expression } }] };
    const spec = { metadata: { labels: { made: 'from-template' } }, spec: { devices: { requests: [{ name: 'one', exactly }] } } };
    const templates = client.resource(ResourceClaimTemplates, namespace);
    await templates.create({ metadata: { name }, spec } as unknown as ResourceClaimTemplate);
  }

  async function createPod(name: string, entry: object | undefined, limits?: object): Promise<void> {
    const claims = entry ? [{ name: 'gpu' }] : undefined;
    const containers = [{ name: 'main', image: 'busybox', resources: { claims, limits } }];
    const resourceClaims = entry ? [{ name: 'gpu', ...entry }] : undefined;
    await client.resource(Pods, namespace).create({ metadata: { name }, spec: { containers, resourceClaims } } as unknown as Pod);
  }

  const pod = (name: string): Promise<Pod> => client.resource(Pods, namespace).get(name);
  const claims = () => client.resource(ResourceClaims, namespace);
  const bound = (name: string): Promise<string> =>
    until(`${name} is bound`, async () => (await pod(name)).spec.nodeName || undefined);
  const remove = (name: string) => client.resource(Pods, namespace).delete(name, { gracePeriodSeconds: 0 });
  const noClaims = () => until('all claims are gone', async () => ((await claims().objects()).length === 0 ? true : undefined));

  it('makes a claim from a template, schedules to the node with the device, and lets the next pod wait until it is free', async () => {
    await template('large', `device.capacity["${driver}"].memory.compareTo(quantity("16Gi")) >= 0`);
    await createPod('first', { resourceClaimTemplateName: 'large' });
    expect(await bound('first')).toBe('n2');
    const { status } = await pod('first');
    const name = status.resourceClaimStatuses![0]!.resourceClaimName!;
    expect(name).toMatch(/^first-gpu-[a-z0-9]{5}$/);
    const claim = await claims().get(name);
    expect(claim.metadata).toMatchObject({
      annotations: { 'resource.kubernetes.io/pod-claim-name': 'gpu' },
      labels: { made: 'from-template' },
      finalizers: [finalizer],
      ownerReferences: [{ kind: 'Pod', name: 'first', controller: true }],
    });
    expect(claim.status).toEqual({
      allocation: {
        allocationTimestamp: expect.any(String),
        devices: { results: [{ request: 'one', driver, pool: 'n2', device: 'large' }] },
        nodeSelector: { nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['n2'] }] }] },
      },
      reservedFor: [{ resource: 'pods', name: 'first', uid: (await pod('first')).metadata.uid }],
    });

    await createPod('second', { resourceClaimTemplateName: 'large' });
    const condition = await until('the second waits', async () =>
      (await pod('second')).status.conditions?.find(({ type, message }) => type === 'PodScheduled' && message),
    );
    expect(condition.message).toContain('cannot allocate all claims');
    await remove('first');
    expect(await bound('second')).toBe('n2');
    await remove('second');
    await noClaims();
  });

  it('shares a claim between pods, and frees it when the last of them ends', async () => {
    const requests = [
      {
        name: 'one',
        exactly: {
          deviceClassName: 'gpu',
          selectors: [{ cel: { expression: 'device.attributes["gpu.example.com"].model == "small"' } }],
        },
      },
    ];
    await claims().create({ metadata: { name: 'shared' }, spec: { devices: { requests } } } as unknown as ResourceClaim);
    await createPod('a', { resourceClaimName: 'shared' });
    await createPod('b', { resourceClaimName: 'shared' });
    expect([await bound('a'), await bound('b')]).toEqual(['n1', 'n1']);
    expect((await claims().get('shared')).status.reservedFor).toHaveLength(2);
    await claims().delete('shared');
    await remove('a');
    await until('one is left', async () => ((await claims().get('shared')).status.reservedFor?.length === 1 ? true : undefined));
    await client
      .resource(Pods, namespace)
      .subresource('status')
      .patch('b', 'merge', { status: { phase: 'Succeeded' } });
    await noClaims();
    await remove('b');
  });

  it('stands in for extended resources', async () => {
    await client.resource(DeviceClasses).patch('gpu', 'merge', { spec: { extendedResourceName: 'example.com/gpu' } });
    await createPod('counted', undefined, { 'example.com/gpu': '1' });
    await bound('counted');
    const { status } = await pod('counted');
    expect(status.extendedResourceClaimStatus).toEqual({
      resourceClaimName: expect.stringMatching(/^counted-extended-resources-/),
      requestMappings: [{ containerName: 'main', resourceName: 'example.com/gpu', requestName: 'container-0-request-0' }],
    });
    await remove('counted');
    await noClaims();
  });

  it('sends pods away from a device that gets a taint which they do not tolerate', async () => {
    await createPod('tainted', { resourceClaimTemplateName: 'large' });
    await bound('tainted');
    await publish('n2', [device('large', 32, { taints: [{ key: 'broken', effect: 'NoExecute' }] })], 2);
    const gone = await until('the pod is to go', async () => {
      const current = await pod('tainted');
      return current.metadata.deletionTimestamp ? current : undefined;
    });
    expect(gone.status.conditions).toContainEqual(
      expect.objectContaining({ type: 'DisruptionTarget', reason: 'DeletionByDeviceTaintManager' }),
    );
    await remove('tainted');
    await noClaims();
    await publish('n2', [device('large', 32)], 3);
  });
});
