import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Pods, ResourceClaims, ResourceClaimTemplates } from '../api/generated/resources.js';
import type { Pod, ResourceClaim, ResourceClaimTemplate } from '../api/generated/types.js';
import { serviceUnavailable } from '../machinery/status-error.js';
import { resourceclaimController } from './resourceclaim-controller.js';
import { ControllerHarness } from './testing/harness.js';

const finalizer = 'resource.kubernetes.io/delete-protection';
const allocation = { devices: { results: [{ request: 'one', driver: 'd', pool: 'p', device: 'x' }] } };

describe('claims of pods', () => {
  let harness: ControllerHarness;
  beforeEach(async () => {
    harness = new ControllerHarness();
    await harness.start(resourceclaimController);
  });
  afterEach(() => harness.stop());

  const claims = () => harness.resource(ResourceClaims);
  const pods = () => harness.resource(Pods);
  const template = () => {
    const spec = { metadata: { labels: { a: 'b' } }, spec: { devices: { requests: [{ name: 'one' }] } } };
    return harness.resource(ResourceClaimTemplates).create({ metadata: { name: 't' }, spec } as unknown as ResourceClaimTemplate);
  };
  async function createPod(name: string, entry: object, more: object = {}): Promise<Pod> {
    const spec = { containers: [{ name: 'c' }], resourceClaims: [{ name: 'gpu', ...entry }], ...more };
    const pod = await pods().create({ metadata: { name }, spec, status: {} } as unknown as Pod);
    await harness.settle();
    return pod;
  }
  async function createClaim(name: string, status: object, metadata: object = {}): Promise<ResourceClaim> {
    const claim = { metadata: { name, finalizers: [finalizer], ...metadata }, spec: { devices: {} }, status };
    const created = await claims().create(claim as unknown as ResourceClaim);
    return claims().updateStatus(name, { ...created, status } as ResourceClaim);
  }
  const madeName = async (): Promise<string | undefined> =>
    (await pods().get('web')).status.resourceClaimStatuses?.[0]?.resourceClaimName;

  it('are made once there is a template, and told to the pod', async () => {
    await createPod('web', { resourceClaimTemplateName: 't' });
    expect(harness.events('FailedResourceClaimCreation')[0]).toContain(
      'PodResourceClaim gpu: resource claim template "t": resourceclaimtemplate.resource.k8s.io "t" not found',
    );
    await template();
    await harness.settle();
    const [claim] = await claims().objects();
    expect(claim!.metadata).toMatchObject({
      generateName: 'web-gpu-',
      labels: { a: 'b' },
      annotations: { 'resource.kubernetes.io/pod-claim-name': 'gpu' },
      ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name: 'web', controller: true }],
    });
    expect(await madeName()).toBe(claim!.metadata.name);
  });

  it('are not made a second time when the pod could not be told', async () => {
    await template();
    let failures = 0;
    harness.transport.reactors.push(({ verb, resource }) => {
      if (verb === 'patch' && resource === 'pods' && failures++ === 0) throw serviceUnavailable('busy');
    });
    await createPod('web', { resourceClaimTemplateName: 't' });
    await harness.advance(60_000);
    expect(failures).toBe(2);
    const made = await claims().objects();
    expect(made).toHaveLength(1);
    expect(await madeName()).toBe(made[0]!.metadata.name);
  });

  it('are made again when somebody deletes them', async () => {
    await template();
    await createPod('web', { resourceClaimTemplateName: 't' });
    const before = await madeName();
    await claims().delete(before!);
    await harness.settle();
    const after = await madeName();
    expect(after).not.toBe(before);
    expect((await claims().objects()).map(({ metadata }) => metadata.name)).toEqual([after]);
  });

  it('keep something of both names where they are long', async () => {
    await template();
    await createPod('p'.repeat(60), { resourceClaimTemplateName: 't' });
    const [claim] = await claims().objects();
    expect(claim!.metadata.generateName).toBe(`${'p'.repeat(52)}-gp`);
  });

  it('are reserved for a pod that was bound without the scheduler', async () => {
    await createClaim('card', { allocation });
    const { metadata } = await createPod('web', { resourceClaimName: 'card' }, { nodeName: 'n' });
    expect((await claims().get('card')).status.reservedFor).toEqual([{ resource: 'pods', name: 'web', uid: metadata.uid }]);
  });

  it('are freed when the last pod is gone, but not those of other kinds of users', async () => {
    const { metadata } = await createPod('web', { resourceClaimName: 'card' }, { nodeName: 'n' });
    const other = { apiGroup: 'example.com', resource: 'things', name: 'x', uid: 'y' };
    const gone = { resource: 'pods', name: 'never', uid: 'there' };
    await createClaim('card', { allocation, reservedFor: [{ resource: 'pods', name: 'web', uid: metadata.uid }, gone] });
    await createClaim('kept', { allocation, reservedFor: [gone, other] });
    await harness.settle();
    expect((await claims().get('card')).status.reservedFor).toHaveLength(1);
    expect((await claims().get('kept')).status).toEqual({ allocation, reservedFor: [other] });
    await pods().delete('web', { gracePeriodSeconds: 0 });
    await harness.settle();
    const freed = await claims().get('card');
    expect(freed.status).toEqual({});
    expect(freed.metadata.finalizers ?? []).toEqual([]);
  });

  it('are deleted when their pod is done', async () => {
    await template();
    await createPod('web', { resourceClaimTemplateName: 't' });
    const current = await pods().get('web');
    await pods().updateStatus('web', { ...current, status: { ...current.status, phase: 'Succeeded' } } as Pod);
    await harness.settle();
    expect(await claims().objects()).toEqual([]);
  });

  it('let go of a claim that was deleted while it was allocated', async () => {
    await createClaim('card', { allocation });
    await claims().delete('card');
    await harness.settle();
    expect(await claims().objects()).toEqual([]);
  });
});
