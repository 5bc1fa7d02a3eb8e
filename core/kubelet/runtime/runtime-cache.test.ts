import { describe, expect, it } from '@jest/globals';
import { deferred } from '../../base/deferred.js';
import { CodedError } from '../../base/errors.js';
import { FakeClock } from '../../base/fake-clock.js';
import { silentLogger } from '../../base/logger.js';
import type { ContainerRuntime, ContainerState, RuntimeEvent, SandboxState } from '../../contracts/container-runtime.js';
import { RuntimeCache } from './runtime-cache.js';

const sandbox = (id: string, more: Partial<SandboxState> = {}): SandboxState => ({
  id,
  podUid: 'pod',
  podName: 'web',
  podNamespace: 'default',
  attempt: 0,
  ready: true,
  createdAtMs: 0,
  ips: [],
  labels: {},
  annotations: {},
  runtimeHandler: '',
  ...more,
});

const container = (id: string, state: ContainerState['state']): ContainerState => ({
  id,
  sandboxId: 's',
  name: 'web',
  attempt: 0,
  state,
  createdAtMs: 0,
  imageId: '',
  imageReference: '',
  labels: {},
  annotations: {},
  logPath: '',
});

class Fake {
  readonly sandboxes = new Map<string, SandboxState>();
  readonly containers = new Map<string, ContainerState>();
  listener: Parameters<ContainerRuntime['watch']>[0] | undefined;
  /** Answers of `container`, when a test wants to hold them back. */
  readonly held: { state: ContainerState; release: () => void }[] = [];
  hold = false;
  lists = 0;

  readonly runtime = {
    listSandboxes: async () => {
      this.lists++;
      return [...this.sandboxes.values()];
    },
    listContainers: async () => [...this.containers.values()],
    sandbox: async (id: string) => found(this.sandboxes.get(id)),
    container: async (id: string) => {
      const state = found(this.containers.get(id));
      if (!this.hold) return state;
      const gate = deferred();
      this.held.push({ state, release: () => gate.resolve() });
      await gate.promise;
      return state;
    },
    watch: (listener: Parameters<ContainerRuntime['watch']>[0]) => {
      this.listener = listener;
      return { dispose: () => (this.listener = undefined) };
    },
  } as unknown as ContainerRuntime;

  event(event: RuntimeEvent): void {
    this.listener?.event(event);
  }
}

function found<T>(value: T | undefined): T {
  if (value === undefined) throw new CodedError('RUNTIME_NOT_FOUND', 'not found');
  return value;
}

describe('RuntimeCache', () => {
  const make = async () => {
    const clock = new FakeClock();
    const fake = new Fake();
    fake.sandboxes.set('s', sandbox('s'));
    fake.containers.set('c', container('c', 'created'));
    const changes: string[] = [];
    let recoveries = 0;
    const cache = new RuntimeCache({
      runtime: fake.runtime,
      clock,
      logger: silentLogger,
      changed: uid => void changes.push(uid),
      recovered: () => void recoveries++,
    });
    await cache.start();
    changes.length = 0;
    return { cache, changes, clock, fake, recovered: () => recoveries };
  };

  it('follows events, and tells only of changes', async () => {
    const { cache, changes, clock, fake } = await make();
    expect(cache.pod('pod').containers.map(({ state }) => state)).toEqual(['created']);
    fake.event({ type: 'created', kind: 'container', id: 'c' });
    await clock.advance(0);
    expect(changes).toEqual([]);
    fake.containers.set('c', container('c', 'running'));
    fake.event({ type: 'started', kind: 'container', id: 'c' });
    await clock.advance(0);
    expect(changes).toEqual(['pod']);
    fake.containers.delete('c');
    fake.event({ type: 'removed', kind: 'container', id: 'c' });
    fake.sandboxes.delete('s');
    fake.event({ type: 'removed', kind: 'sandbox', id: 's' });
    await clock.advance(0);
    expect(cache.podUids()).toEqual([]);
    cache.stop();
  });

  it('drops an answer that a later one has overtaken', async () => {
    const { cache, clock, fake } = await make();
    fake.hold = true;
    fake.containers.set('c', container('c', 'running'));
    const early = cache.refresh('container', 'c');
    await clock.advance(0);
    fake.containers.set('c', container('c', 'exited'));
    const late = cache.refresh('container', 'c');
    await clock.advance(0);
    fake.held[1]!.release();
    await late;
    fake.held[0]!.release();
    await early;
    expect(cache.pod('pod').containers[0]?.state).toBe('exited');
    cache.stop();
  });

  it.each([
    [false, ['10.42.0.2', 'fd00:42::2']],
    [true, ['fd00:42::2', '10.42.0.2']],
  ])("tells addresses in the order of the node's families (IPv6 first: %s)", async (ipv6First, ips) => {
    const fake = new Fake();
    fake.sandboxes.set('s', sandbox('s', { ips: ['10.42.0.2', 'fd00:42::2', '10.42.0.9'] }));
    fake.sandboxes.set('v6', sandbox('v6', { podUid: 'only', ips: ['fd00:42::3'] }));
    const options = { runtime: fake.runtime, clock: new FakeClock(), logger: silentLogger, changed: () => undefined };
    const cache = new RuntimeCache({ ...options, ipv6First });
    await cache.start();
    expect(cache.pod('pod').sandboxes[0]?.ips).toEqual(ips);
    expect(cache.pod('only').sandboxes[0]?.ips).toEqual(['fd00:42::3']);
    cache.stop();
  });

  it('reads last words once, and learns later that it was for want of memory', async () => {
    const clock = new FakeClock();
    const fake = new Fake();
    fake.sandboxes.set('s', sandbox('s'));
    const ended: ContainerState = { ...container('c', 'exited'), exitCode: 137, reason: 'Error' };
    fake.containers.set('c', ended);
    const changes: string[] = [];
    let reads = 0;
    const complete = async (state: ContainerState): Promise<ContainerState> => ({ ...state, message: `read ${++reads}` });
    const options = { runtime: fake.runtime, clock, logger: silentLogger, changed: (uid: string) => void changes.push(uid) };
    const cache = new RuntimeCache({ ...options, complete });
    await cache.start();
    changes.length = 0;
    fake.containers.set('c', { ...ended, reason: 'OOMKilled' });
    fake.event({ type: 'oom', kind: 'container', id: 'c' });
    await clock.advance(0);
    expect(cache.pod('pod').containers).toMatchObject([{ reason: 'OOMKilled', message: 'read 1' }]);
    expect(changes).toEqual(['pod']);
    await cache.relist();
    expect(changes).toEqual(['pod']);
    cache.stop();
  });

  it('does not bring back what is gone for an answer from before', async () => {
    const { cache, clock, fake } = await make();
    fake.hold = true;
    fake.containers.set('c', container('c', 'running'));
    const early = cache.refresh('container', 'c');
    await clock.advance(0);
    fake.containers.delete('c');
    await cache.refresh('container', 'c');
    expect(cache.pod('pod').containers).toEqual([]);
    fake.held[0]!.release();
    await early;
    expect(cache.pod('pod').containers).toEqual([]);
    cache.stop();
  });

  it('lists again once a minute and after a gap, and learns what events did not tell', async () => {
    const { cache, changes, clock, fake } = await make();
    fake.containers.delete('c');
    await clock.advance(60_000);
    expect(cache.pod('pod').containers).toEqual([]);
    expect(changes).toEqual(['pod']);
    expect(fake.lists).toBe(2);
    fake.containers.set('d', container('d', 'running'));
    fake.listener?.lost();
    await clock.advance(0);
    expect(cache.pod('pod').containers.map(({ id }) => id)).toEqual(['d']);
    cache.stop();
    expect(clock.pendingTimers).toBe(0);
  });

  it('lists once more after a gap that comes during a list, which may have looked before', async () => {
    const { cache, clock, fake } = await make();
    const gate = deferred();
    const { listSandboxes } = fake.runtime;
    fake.runtime.listSandboxes = async () => {
      const found = await listSandboxes();
      await gate.promise;
      return found;
    };
    const early = cache.relist();
    await clock.advance(0);
    fake.runtime.listSandboxes = listSandboxes;
    fake.containers.set('d', container('d', 'running'));
    fake.listener?.lost();
    fake.listener?.lost();
    gate.resolve();
    await early;
    await clock.advance(0);
    expect(cache.pod('pod').containers.map(({ id }) => id)).toContain('d');
    expect(fake.lists).toBe(3);
    cache.stop();
  });

  it('lists again soon after a read that failed, ever later while it goes on failing, and says when all is well', async () => {
    const { cache, clock, fake, recovered } = await make();
    const { container: read, listContainers } = fake.runtime;
    fake.runtime.container = async () => Promise.reject(new CodedError('RUNTIME_TIMEOUT', 'late'));
    fake.containers.set('c', container('c', 'running'));
    fake.event({ type: 'started', kind: 'container', id: 'c' });
    await clock.advance(0);
    fake.runtime.container = read;
    fake.runtime.listContainers = async () => Promise.reject(new CodedError('RUNTIME_UNAVAILABLE', 'gone'));
    await clock.advance(1000);
    await clock.advance(2000);
    expect(fake.lists).toBe(3);
    fake.runtime.listContainers = listContainers;
    await clock.advance(3999);
    expect([fake.lists, recovered()]).toEqual([3, 0]);
    await clock.advance(1);
    expect([fake.lists, recovered()]).toEqual([4, 1]);
    expect(cache.pod('pod').containers[0]?.state).toBe('running');
    await clock.advance(60_000);
    expect([fake.lists, recovered()]).toEqual([5, 1]);
    cache.stop();
    expect(clock.pendingTimers).toBe(0);
  });
});
