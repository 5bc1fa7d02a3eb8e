import { beforeEach, describe, expect, it } from '@jest/globals';
import type { Pod, PodStatus } from '../../api/generated/types.js';
import { FakeClock } from '../../base/fake-clock.js';
import { silentLogger } from '../../base/logger.js';
import { FakeRecorder } from '../../client/testing/fake-recorder.js';
import type { KubeletContext } from '../kubelet-context.js';
import { ContainerKiller } from '../runtime/container-killer.js';
import type { LifecycleHooks } from '../runtime/lifecycle-hooks.js';
import type { RuntimeCache } from '../runtime/runtime-cache.js';
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

describe('the timer of a pod', () => {
  /** `retry`: what the first look says of the next one. */
  const make = async (retry: (clock: FakeClock) => number) => {
    const clock = new FakeClock();
    const status: PodStatus = { phase: 'Running' };
    let looks = 0;
    const services = {
      context: { clock, recorder: new FakeRecorder(), logger: silentLogger },
      cache: { pod: () => ({ sandboxes: [{ id: 's', ips: [], ready: true, createdAtMs: 0 }], containers: [] }) },
      syncer: { sync: async () => ({ acted: false, retryAtMs: ++looks === 1 ? retry(clock) : undefined }) },
      probes: { sync: () => undefined, apply: () => ({}) },
      statuses: { observe: () => undefined, status: () => status, set: () => status },
      reasons: { get: () => undefined },
      volumes: { register: () => undefined, mount: async () => undefined },
      resizer: {
        allocate: (own: Pod) => own,
        actuate: async () => ({ acted: false }),
        note: () => undefined,
        decorate: (_own: Pod, decided: PodStatus) => decided,
      },
      facts: () => ({ hostIps: [], runtimeName: 'r', networkProblem: undefined }),
    } as unknown as PodWorkerServices;
    const pod = { metadata: { name: 'web', uid: 'u' }, spec: { containers: [] } } as unknown as Pod;
    const worker = new PodWorker(services, pod);
    worker.wake();
    await clock.advance(0);
    return { clock, worker, looks: () => looks };
  };

  it('is kept when it is due already, and what is due in minutes does not take its place', async () => {
    const { clock, looks, worker } = await make(own => own.now());
    await clock.advance(0);
    expect(looks()).toBe(2);
    await worker.stop();
  });
});

describe('a finished pod under disk pressure', () => {
  const clock = new FakeClock();
  const container = { id: 'c', name: 'web', state: 'exited', sandboxId: 's', labels: {}, annotations: {}, createdAtMs: 0 };
  const sandbox = { id: 's', ips: [], ready: false, createdAtMs: 0 };

  const make = (phase: string) => {
    const done: string[] = [];
    let state = { sandboxes: [sandbox], containers: [container] };
    let failure: Error | undefined;
    const note =
      (what: string) =>
      async (id: string): Promise<void> => {
        if (failure) throw failure;
        done.push(`${what} ${id}`);
        if (what === 'remove sandbox') state = { sandboxes: [], containers: [] };
      };
    const cache = { pod: () => state, refresh: async () => undefined } as unknown as RuntimeCache;
    const runtime = {
      removeContainer: note('remove container'),
      stopSandbox: note('stop sandbox'),
      removeSandbox: note('remove sandbox'),
    };
    const context = { clock, recorder: new FakeRecorder(), logger: silentLogger, runtime } as unknown as KubeletContext;
    const status: PodStatus = { phase };
    const services = {
      context,
      cache,
      killer: new ContainerKiller(context, cache, {} as LifecycleHooks, () => ''),
      syncer: { sync: async () => ({ acted: false }), forget: () => undefined },
      probes: { sync: () => undefined, apply: () => ({}), stopLivenessAndStartup: () => undefined, remove: () => undefined },
      statuses: { status: () => status, set: () => status, finish: () => undefined, remove: () => done.push('forget') },
      reasons: { get: () => undefined },
      volumes: { register: () => undefined, mount: async () => undefined, unmount: async () => undefined },
      resizer: {
        allocate: (own: Pod) => own,
        actuate: async () => ({ acted: false }),
        note: () => undefined,
        forget: () => undefined,
        decorate: (_own: Pod, decided: PodStatus) => decided,
      },
      facts: () => ({ hostIps: [], runtimeName: 'r', networkProblem: undefined }),
      removeLogs: async ({ metadata }: Pod) => void done.push(`remove logs of ${metadata.name}`),
      gone: () => void done.push('gone'),
    } as unknown as PodWorkerServices;
    const pod = { metadata: { name: 'web', uid: 'u' }, spec: { containers: [] } } as unknown as Pod;
    const worker = new PodWorker(services, pod);
    const fail = (error: Error | undefined): void => void (failure = error);
    return { worker, done, fail, pod };
  };
  const everything = ['remove container c', 'stop sandbox s', 'remove sandbox s', 'remove logs of web'];

  it('takes no place from others, also before this kubelet has looked at it', async () => {
    const finished = make('Succeeded').worker;
    const running = make('Running').worker;
    expect([finished.active, finished.holdsPlace]).toEqual([true, false]);
    expect([running.active, running.holdsPlace]).toEqual([true, true]);
    await finished.stop();
    await running.stop();
  });

  it('loses its containers, its sandbox and their logs, and may be deleted as ever', async () => {
    const { worker, done, pod } = make('Succeeded');
    worker.wake();
    await clock.advance(0);
    expect(worker.finished).toBe(true);
    expect(done).toEqual([]);
    await worker.discard();
    expect(done).toEqual(everything);
    worker.delete(pod);
    await clock.advance(0);
    expect(done.slice(everything.length)).toEqual(['forget', 'gone']);
    await worker.discard();
    expect(done.slice(everything.length)).toEqual(['forget', 'gone']);
    await worker.stop();
  });

  it('keeps what it ran when that cannot be removed, until the next time', async () => {
    const { worker, done, fail } = make('Failed');
    worker.wake();
    await clock.advance(0);
    fail(new Error('device or resource busy'));
    await worker.discard();
    expect(done).toEqual([]);
    fail(undefined);
    await worker.discard();
    expect(done).toEqual(everything);
    await worker.stop();
  });

  it.each(['Running', 'Pending'])('is not meant while it is %s', async phase => {
    const { worker, done } = make(phase);
    worker.wake();
    await worker.discard();
    await clock.advance(0);
    await worker.discard();
    expect(done).toEqual([]);
    await worker.stop();
  });
});
