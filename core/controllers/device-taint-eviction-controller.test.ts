import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Pods, ResourceClaims, ResourceSlices } from '../api/generated/resources.js';
import type { Pod, ResourceClaim, ResourceSlice } from '../api/generated/types.js';
import { formatTime } from '../machinery/time.js';
import { deviceTaintEvictionController } from './device-taint-eviction-controller.js';
import { ControllerHarness } from './testing/harness.js';

describe('pods on tainted devices', () => {
  let harness: ControllerHarness;
  beforeEach(async () => {
    harness = new ControllerHarness();
    await harness.start(deviceTaintEvictionController);
  });
  afterEach(() => harness.stop());

  async function use(tolerations: readonly object[]): Promise<void> {
    const spec = { nodeName: 'n', containers: [{ name: 'c' }], resourceClaims: [{ name: 'gpu', resourceClaimName: 'card' }] };
    const { metadata } = await harness.resource(Pods).create({ metadata: { name: 'web' }, spec, status: {} } as unknown as Pod);
    const results = [{ request: 'one', driver: 'd', pool: 'p', device: 'x', tolerations }];
    const status = { allocation: { devices: { results } }, reservedFor: [{ resource: 'pods', name: 'web', uid: metadata.uid }] };
    const claim = { metadata: { name: 'card' }, spec: { devices: {} }, status };
    const created = await harness.resource(ResourceClaims).create(claim as unknown as ResourceClaim);
    await harness.resource(ResourceClaims).updateStatus('card', { ...created, status } as unknown as ResourceClaim);
    await harness.settle();
  }
  async function publish(generation: number, ...effects: string[]): Promise<void> {
    const taints = effects.map(effect => ({ key: 'broken', effect, timeAdded: formatTime(harness.clock.now()) }));
    const pool = { name: 'p', generation, resourceSliceCount: 1 };
    const spec = { driver: 'd', nodeName: 'n', pool, devices: [{ name: 'x', taints }] };
    const slice = { metadata: { name: `s${generation}` }, spec } as unknown as ResourceSlice;
    await harness.resource(ResourceSlices).create(slice);
    await harness.settle();
  }
  const isThere = async (): Promise<boolean> => !(await harness.resource(Pods).get('web')).metadata.deletionTimestamp;
  const toleration = (seconds?: number) => ({
    operator: 'Exists',
    effect: 'NoExecute',
    ...(seconds === undefined ? {} : { tolerationSeconds: seconds }),
  });

  it('go at once without a toleration, and only for NoExecute', async () => {
    await use([]);
    await publish(1, 'NoSchedule', 'None');
    expect(await isThere()).toBe(true);
    await publish(2, 'NoExecute');
    expect(await isThere()).toBe(false);
    expect(harness.events('DeviceTaintManagerEviction')[0]).toContain('Marking for deletion');
  });

  it('go when the shortest toleration has run out', async () => {
    await use([toleration(100), toleration(30)]);
    await publish(1, 'NoExecute');
    await harness.advance(25_000);
    expect(await isThere()).toBe(true);
    await harness.advance(10_000);
    expect(await isThere()).toBe(false);
  });

  it('stay where they tolerate it for ever', async () => {
    await use([toleration(1), toleration()]);
    await publish(1, 'NoExecute');
    await harness.advance(3_600_000);
    expect(await isThere()).toBe(true);
  });

  it('stay when the taint goes in time', async () => {
    await use([toleration(30)]);
    await publish(1, 'NoExecute');
    await publish(2);
    expect(harness.events('DeviceTaintManagerEviction')[0]).toContain('Cancelling deletion');
    await harness.advance(3_600_000);
    expect(await isThere()).toBe(true);
  });
});
