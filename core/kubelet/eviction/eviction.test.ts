import { describe, expect, it } from '@jest/globals';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FakeClock } from '../../base/fake-clock.js';
import { silentLogger } from '../../base/logger.js';
import type { Pod, PodSpec } from '../../api/generated/types.js';
import { FakeRecorder } from '../../client/testing/fake-recorder.js';
import type { ContainerRuntime, ContainerStats } from '../../contracts/container-runtime.js';
import type { KubeletSettings } from '../kubelet-context.js';
import { EvictionManager } from './eviction-manager.js';
import { HostUsage } from './node-usage.js';
import type { FilesystemUsage, NodeUsage } from './node-usage.js';
import { binaryText, crossed } from './signals.js';

const gibibyte = 1024 ** 3;
const mebibyte = 1024 ** 2;
const memoryBytes = 8 * gibibyte;
const plenty: FilesystemUsage = { availableBytes: 50 * gibibyte, capacityBytes: 100 * gibibyte, freeInodes: 900, inodes: 1000 };

class TestNode {
  readonly clock = new FakeClock();
  readonly recorder = new FakeRecorder();
  readonly ended: string[] = [];
  /** Ended, and still there. */
  readonly lingering = new Set<string>();
  readonly stats: ContainerStats[] = [];
  readonly pods: Pod[] = [];
  readonly directories = new Map<string, number>();
  memory = 4 * gibibyte;
  nodefs = plenty;
  reclaimed = 0;
  reclaim = (): void => undefined;
  discard = (): void => undefined;
  changes = 0;

  readonly #usage: NodeUsage = {
    availableMemoryBytes: () => Promise.resolve(this.memory),
    filesystem: () => Promise.resolve(this.nodefs),
    directoryBytes: path => Promise.resolve(this.directories.get(path) ?? 0),
  };

  readonly settings: { -readonly [Key in keyof KubeletSettings]?: KubeletSettings[Key] } = {
    nodeName: 'n',
    rootDir: '/k',
    podLogsDir: '/l',
  };

  readonly manager = new EvictionManager({
    context: {
      clock: this.clock,
      logger: silentLogger,
      recorder: this.recorder,
      settings: this.settings as KubeletSettings,
      runtime: {
        stats: () => Promise.resolve(this.stats),
        imageFilesystem: () => Promise.resolve({ path: '/i', usedBytes: 0, usedInodes: 0 }),
      } as unknown as ContainerRuntime,
    },
    usage: this.#usage,
    pods: () =>
      this.pods
        .filter(({ metadata }) => !this.ended.includes(metadata.name!))
        .map(pod => {
          const name = pod.metadata.name!;
          const isLingering = (): boolean => this.lingering.has(name);
          return {
            pod,
            fail: () => void this.ended.push(name),
            get finished() {
              return !isLingering();
            },
          };
        }),
    sandboxIds: uid => [`s-${uid}`],
    reclaimDisk: [
      async () => this.discard(),
      async () => {
        this.reclaimed++;
        this.reclaim();
      },
    ],
    changed: () => void this.changes++,
  });

  add(name: string, usage: { memory?: number; disk?: number }, spec: Partial<PodSpec> = {}): void {
    const containers = [{ name: 'c', image: 'i', resources: {} }];
    this.pods.push({
      metadata: { name, uid: name, namespace: 'd' },
      spec: { containers, ...spec },
      status: {},
    } as unknown as Pod);
    const { memory = 0, disk = 0 } = usage;
    const own = { sandboxId: `s-${name}`, name: 'c', memoryWorkingSetBytes: memory, writableLayerBytes: disk };
    this.stats.push(own as unknown as ContainerStats);
  }
}

const requests = (memory: string): Partial<PodSpec> => ({
  containers: [{ name: 'c', image: 'i', resources: { requests: { memory } } }],
});

describe('thresholds', () => {
  it("are K3s's and upstream's, in order of memory, disk and inodes", () => {
    const low = { availableBytes: 4 * gibibyte, capacityBytes: 100 * gibibyte, freeInodes: 49, inodes: 1000 };
    const found = crossed({ availableMemoryBytes: 99 * mebibyte, memoryBytes, nodefs: low, imagefs: low });
    expect(found.map(({ signal }) => signal)).toEqual([
      'memory.available',
      'nodefs.available',
      'imagefs.available',
      'nodefs.inodesFree',
      'imagefs.inodesFree',
    ]);
    const fifth = { ...plenty, availableBytes: 5 * gibibyte };
    expect(crossed({ availableMemoryBytes: 100 * mebibyte, memoryBytes, nodefs: fifth, imagefs: fifth })).toEqual([]);
    expect(
      crossed({ availableMemoryBytes: gibibyte, memoryBytes, nodefs: { ...plenty, inodes: 0, freeInodes: 0 }, imagefs: plenty }),
    ).toEqual([]);
  });

  it('of memory hold until their minimum is free, which may be a part of it', () => {
    const memory = {
      signal: 'memory.available',
      condition: 'MemoryPressure',
      resource: 'memory',
      limit: { bytes: gibibyte },
    } as const;
    const low = (availableMemoryBytes: number, minimumReclaim?: number): boolean => {
      const limits = [{ ...memory, ...(minimumReclaim === undefined ? {} : { minimumReclaim }) }];
      return crossed({ availableMemoryBytes, memoryBytes, nodefs: plenty, imagefs: plenty }, () => true, limits).length > 0;
    };
    expect([low(gibibyte - 1), low(gibibyte)]).toEqual([true, false]);
    expect([low(1.9 * gibibyte, 0.125), low(2 * gibibyte, 0.125)]).toEqual([true, false]);
  });

  it('are printed as quantities', () => {
    expect([0, 100 * mebibyte, 1536, 1025].map(binaryText)).toEqual(['0', '100Mi', '1536', '1025']);
  });
});

describe('memory pressure', () => {
  it('ends the pod that is over its request, one at a time, and tells why', async () => {
    const node = new TestNode();
    node.add('within', { memory: 300 * mebibyte }, requests('1Gi'));
    node.add('over', { memory: 200 * mebibyte }, requests('100Mi'));
    node.add('important', { memory: 500 * mebibyte }, { priority: 1000 });
    node.add('critical', { memory: 900 * mebibyte }, { priority: 2_000_000_000 });
    node.memory = 50 * mebibyte;
    await node.manager.look();
    expect(node.ended).toEqual(['over']);
    expect(node.recorder.lines()).toEqual([
      'EvictionThresholdMet Attempting to reclaim memory',
      'Evicted The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi. ' +
        'Container c was using 200Mi, request is 100Mi, has larger consumption of memory. ',
    ]);
    await node.manager.look();
    expect(node.ended).toEqual(['over', 'important']);
    for (let round = 0; round < 3; round++) await node.manager.look();
    expect(node.ended).toEqual(['over', 'important', 'within']);
    expect(node.reclaimed).toBe(0);
  });

  it('waits for what an ended pod frees before it ends another', async () => {
    const node = new TestNode();
    node.add('slow', { memory: 300 * mebibyte });
    node.add('next', { memory: 200 * mebibyte });
    node.add('last', { memory: 100 * mebibyte });
    node.lingering.add('slow').add('next');
    node.memory = 50 * mebibyte;
    node.manager.start();
    await node.clock.advance(10_000);
    expect(node.ended).toEqual(['slow']);
    await node.clock.advance(20_000);
    expect(node.ended).toEqual(['slow']);
    node.lingering.delete('slow');
    await node.clock.advance(1000);
    expect(node.ended).toEqual(['slow', 'next']);
    // One that cannot be cleaned up does not hold the node up for ever.
    await node.clock.advance(29_000);
    expect(node.ended).toEqual(['slow', 'next']);
    await node.clock.advance(1000);
    expect(node.ended).toEqual(['slow', 'next', 'last']);
    await node.manager.stop();
  });

  it('begins and ends where the user wants', async () => {
    const node = new TestNode();
    const memory = { signal: 'memory.available', condition: 'MemoryPressure', resource: 'memory' } as const;
    node.settings.tuning = { evictionThresholds: [{ ...memory, limit: { bytes: 20 * mebibyte } }], evictionTransitionMs: 5000 };
    node.memory = 50 * mebibyte;
    node.nodefs = { ...plenty, availableBytes: 0 };
    await node.manager.look();
    expect([...node.manager.conditions]).toEqual([]);
    node.memory = 19 * mebibyte;
    await node.manager.look();
    expect([...node.manager.conditions]).toEqual(['MemoryPressure']);
    node.memory = gibibyte;
    await node.clock.advance(5000);
    await node.manager.look();
    expect([...node.manager.conditions]).toEqual([]);
  });

  it('is told for five minutes more, and keeps best-effort pods away meanwhile', async () => {
    const node = new TestNode();
    node.memory = 50 * mebibyte;
    await node.manager.look();
    node.memory = gibibyte;
    await node.clock.advance(299_000);
    await node.manager.look();
    expect([...node.manager.conditions]).toEqual(['MemoryPressure']);
    node.add('best-effort', {});
    node.add('burstable', {}, requests('1Mi'));
    const refusal = { reason: 'Evicted', message: 'The node had condition: [MemoryPressure]. ' };
    expect(node.pods.map(pod => node.manager.refusal(pod))).toEqual([refusal, undefined]);
    await node.clock.advance(1000);
    await node.manager.look();
    expect([...node.manager.conditions]).toEqual([]);
    expect(node.changes).toBe(2);
    expect(node.manager.refusal(node.pods[0]!)).toBeUndefined();
  });
});

describe('disk pressure', () => {
  it('ends no pod when what nobody needs was enough', async () => {
    const node = new TestNode();
    node.add('a', { disk: gibibyte });
    node.nodefs = { ...plenty, availableBytes: 4 * gibibyte };
    node.reclaim = () => void (node.nodefs = plenty);
    await node.manager.look();
    expect([node.ended, node.reclaimed]).toEqual([[], 1]);
    await node.manager.look();
    expect(node.reclaimed).toBe(1);
  });

  it('ends a pod though what nobody needs cannot be removed', async () => {
    const node = new TestNode();
    node.add('a', { disk: gibibyte });
    node.nodefs = { ...plenty, availableBytes: 4 * gibibyte };
    node.discard = () => {
      throw new Error('device or resource busy');
    };
    await node.manager.look();
    expect([node.ended, node.reclaimed]).toEqual([['a'], 1]);
    expect(node.manager.refusal(node.pods[0]!)?.message).toBe('The node had condition: [DiskPressure]. ');
  });

  it('else ends the pod with the most files: layers, logs and empty directories', async () => {
    const node = new TestNode();
    node.add('layer', { disk: 2 * gibibyte });
    node.add('volume', { disk: 0 }, { volumes: [{ name: 'v', emptyDir: {} }] });
    node.directories.set('/k/pods/volume/volumes/kubernetes.io~empty-dir/v', 2 * gibibyte);
    node.directories.set('/l/d_volume_volume/c', gibibyte);
    node.nodefs = { ...plenty, availableBytes: 4 * gibibyte };
    await node.manager.look();
    expect(node.ended).toEqual(['volume']);
  });

  it('goes on until a tenth more than the threshold is free', async () => {
    const node = new TestNode();
    for (const name of ['a', 'b', 'c']) node.add(name, { disk: gibibyte });
    const free = async (availableGibibytes: number): Promise<number> => {
      node.nodefs = { ...plenty, availableBytes: availableGibibytes * gibibyte };
      await node.manager.look();
      return node.ended.length;
    };
    expect(await free(6)).toBe(0);
    expect(await free(4)).toBe(1);
    expect(await free(14)).toBe(2);
    expect(await free(15)).toBe(2);
    expect(await free(14)).toBe(2);
  });
});

describe('limits of local storage', () => {
  it('hold every ten seconds, of volumes, containers and pods', async () => {
    const node = new TestNode();
    const limited = (limit: string) => [{ name: 'c', image: 'i', resources: { limits: { 'ephemeral-storage': limit } } }];
    node.add('volume', {}, { volumes: [{ name: 'v', emptyDir: { sizeLimit: '1Mi' } }] });
    node.add('fits', {}, { volumes: [{ name: 'v', emptyDir: { sizeLimit: '3Mi' } }] });
    node.add('container', { disk: 3 * mebibyte }, { containers: limited('2Mi') });
    for (const name of ['volume', 'fits']) {
      node.directories.set(`/k/pods/${name}/volumes/kubernetes.io~empty-dir/v`, 2 * mebibyte);
    }
    node.manager.start();
    await node.clock.advance(10_000);
    await node.manager.stop();
    expect(node.ended).toEqual(['volume', 'container']);
    expect(node.recorder.lines('Evicted')).toEqual([
      'Evicted Usage of EmptyDir volume "v" exceeds the limit "1Mi". ',
      'Evicted Pod ephemeral local storage usage exceeds the total limit of containers 2Mi. ',
    ]);
    expect(node.clock.pendingTimers).toBe(0);
  });

  it('count blocks on disk, a file with two names once', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'usage-'));
    try {
      const usage = new HostUsage();
      await mkdir(join(folder, 'a/b'), { recursive: true });
      const before = await usage.directoryBytes(folder);
      await writeFile(join(folder, 'a/b/file'), Buffer.alloc(mebibyte, 1));
      const after = await usage.directoryBytes(folder);
      expect(after - before).toBeGreaterThanOrEqual(mebibyte);
      expect(after - before).toBeLessThan(2 * mebibyte);
      expect(await usage.directoryBytes(join(folder, 'none'))).toBe(0);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
