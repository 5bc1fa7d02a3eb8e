import { describe, expect, it } from '@jest/globals';
import { FakeClock } from '../../base/fake-clock.js';
import { silentLogger } from '../../base/logger.js';
import { FakeRecorder } from '../../client/testing/fake-recorder.js';
import type { ContainerRuntime, ContainerState, ImageState, SandboxState } from '../../contracts/container-runtime.js';
import type { KubeletSettings } from '../kubelet-context.js';
import type { KubeletTuning } from '../kubelet-tuning.js';
import { GarbageCollector } from './garbage-collector.js';

const image = (id: string, more: Partial<ImageState> = {}): ImageState => ({
  id,
  tags: [`${id}:1`],
  digests: [],
  sizeBytes: 10,
  pinned: false,
  ...more,
});

function make(images: ImageState[], tuning: KubeletTuning = {}) {
  const clock = new FakeClock();
  const recorder = new FakeRecorder();
  const removed: string[] = [];
  const pruned: string[][] = [];
  const volumeImages: string[] = [];
  const containers: Partial<ContainerState>[] = [];
  const sandboxes: Partial<SandboxState>[] = [];
  const disk = { availableBytes: 100, capacityBytes: 1000, freeInodes: 1, inodes: 1 };
  const runtime = {
    listImages: async () => images.filter(({ id }) => !removed.includes(id)),
    listContainers: async () => containers,
    removeImage: async (id: string) => void removed.push(id),
    imageFilesystem: async () => ({ path: '/i', usedBytes: 0, usedInodes: 0 }),
    stopSandbox: async () => undefined,
    removeSandbox: async (id: string) => void removed.push(id),
  } as unknown as ContainerRuntime;
  const collector = new GarbageCollector({
    context: { clock, logger: silentLogger, recorder, runtime, settings: { nodeName: 'n', tuning } as KubeletSettings },
    cache: {
      pod: () => ({ sandboxes: sandboxes as SandboxState[], containers: containers as ContainerState[] }),
      podUids: () => ['p'],
      refresh: async () => undefined,
    },
    usage: { filesystem: async () => disk },
    imagesOfVolumes: async () => volumeImages,
    pulls: { prune: async known => void pruned.push([...known]) },
  });
  return { clock, recorder, removed, volumeImages, containers, sandboxes, disk, collector };
}

describe('image garbage collection', () => {
  it('leaves images alone below 85 %', async () => {
    const { clock, collector, disk, removed } = make([image('a')]);
    disk.availableBytes = 160;
    await collector.collectImages();
    await clock.advance(200_000);
    await collector.collectImages();
    expect(removed).toEqual([]);
  });

  it('keeps to other percentages and another age', async () => {
    const tuning = { imageHighPercent: 50, imageLowPercent: 50, imageMinimumAgeMs: 10_000 };
    const { clock, collector, disk, removed } = make([image('a'), image('b')], tuning);
    disk.availableBytes = 499;
    await collector.collectImages();
    expect(removed).toEqual([]);
    await clock.advance(10_000);
    await collector.collectImages();
    expect(removed).toHaveLength(1);
  });

  it('goes down to 80 %, the longest unused first, without those in use, pinned or young', async () => {
    const images = [image('recent'), image('old', { sizeBytes: 90 }), image('used'), image('pause', { pinned: true })];
    const { clock, collector, containers, removed } = make(images);
    containers.push({ imageId: 'recent' }, { imageId: 'x', imageReference: 'used:1' });
    await collector.collectImages();
    expect(removed).toEqual([]);
    await clock.advance(130_000);
    containers.shift();
    images.push(image('young'));
    await collector.collectImages();
    expect(removed).toEqual(['old', 'recent']);
  });

  it('leaves those that volumes are made of', async () => {
    const { collector, removed, volumeImages } = make([image('data'), image('other')]);
    volumeImages.push('data');
    await collector.removeUnused();
    expect(removed).toEqual(['other']);
  });

  it('stops when enough is free, and says when there was not enough', async () => {
    const { clock, collector, disk, recorder, removed } = make([image('a', { sizeBytes: 100 }), image('b')]);
    await collector.collectImages();
    await clock.advance(130_000);
    recorder.events.length = 0;
    await collector.collectImages();
    expect(removed).toEqual(['a']);
    expect(recorder.lines()).toEqual([]);
    disk.availableBytes = 0;
    await collector.collectImages();
    expect(recorder.lines()).toEqual([
      'FreeDiskSpaceFailed Failed to garbage collect required amount of images. Attempted to free 200 bytes, but only found 10 bytes eligible to free.',
    ]);
  });

  it('takes young ones too under pressure', async () => {
    const { collector, removed } = make([image('a'), image('pause', { pinned: true })]);
    await collector.removeUnused();
    expect(removed).toEqual(['a']);
  });
});

describe('old sandboxes', () => {
  it('go when no container of theirs is kept, every minute; the newest stays', async () => {
    const { clock, collector, containers, removed, sandboxes } = make([]);
    sandboxes.push(
      { id: 'newest', ready: false },
      { id: 'kept', ready: false },
      { id: 'running', ready: true },
      { id: 'gone', ready: false },
    );
    containers.push({ sandboxId: 'kept' });
    collector.start();
    await clock.advance(60_000);
    await collector.stop();
    expect(removed).toEqual(['gone']);
    expect(clock.pendingTimers).toBe(0);
  });
});
