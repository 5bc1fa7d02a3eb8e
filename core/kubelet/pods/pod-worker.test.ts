import { beforeEach, describe, expect, it } from '@jest/globals';
import type { Pod, PodStatus } from '../../api/generated/types.js';
import { FakeClock } from '../../base/fake-clock.js';
import { silentLogger } from '../../base/logger.js';
import { FakeRecorder } from '../../client/testing/fake-recorder.js';
import { PodWorker } from './pod-worker.js';
import type { PodWorkerServices } from './pod-worker.js';

describe('PodWorker', () => {
  const clock = new FakeClock();
  let mounted: Pod[];
  let released: number;
  let pod: Pod;
  let worker: PodWorker;

  beforeEach(async () => {
    mounted = [];
    released = 0;
    const status: PodStatus = { phase: 'Running' };
    const sandbox = { sandboxes: [{ id: 's', ips: [], ready: true, createdAtMs: 0 }], containers: [] };
    // Nothing is to be done but to look at the volumes.
    const services = {
      context: { clock, recorder: new FakeRecorder(), logger: silentLogger },
      cache: { pod: () => sandbox },
      syncer: { sync: async () => ({ acted: false }), release: () => released++ },
      probes: { sync: () => undefined, apply: () => ({}) },
      statuses: { observe: () => undefined, status: () => status, set: () => status },
      reasons: { get: () => undefined },
      volumes: { register: () => undefined, mount: async (seen: Pod) => void mounted.push(seen) },
      resizer: {
        allocate: (own: Pod) => own,
        actuate: async () => ({ acted: false }),
        note: () => undefined,
        decorate: (_own: Pod, decided: PodStatus) => decided,
      },
      facts: () => ({ hostIps: [], runtimeName: 'r', networkProblem: undefined }),
    } as unknown as PodWorkerServices;
    pod = { metadata: { name: 'web', uid: 'u', generation: 1, labels: { a: '1' } }, spec: { containers: [] } } as unknown as Pod;
    worker = new PodWorker(services, pod);
    worker.wake();
    await clock.advance(0);
    expect(mounted).toHaveLength(1);
  });

  it.each<[string, Partial<Pod['metadata']>, number]>([
    ['a label that changed', { labels: { a: '2' } }, 1],
    ['a label that is gone', { labels: {} }, 1],
    ['a new annotation', { annotations: { b: '1' } }, 1],
    ['a new spec', { generation: 2 }, 1],
    ['a new version with nothing of interest', { resourceVersion: '9', managedFields: [{ manager: 'x' }] }, 0],
  ])('looks again for %s', async (_name, metadata, times) => {
    worker.update({ ...pod, metadata: { ...pod.metadata, ...metadata } });
    await clock.advance(0);
    expect(mounted).toHaveLength(1 + times);
    expect(released).toBe(times);
    await worker.stop();
  });

  it('looks again after a while, though nothing tells it to, until it is stopped', async () => {
    await clock.advance(299_000);
    expect(mounted).toHaveLength(1);
    await clock.advance(151_000);
    expect(mounted).toHaveLength(2);
    await clock.advance(450_000);
    expect(mounted).toHaveLength(3);
    await worker.stop();
    expect(clock.pendingTimers).toBe(0);
  });
});
