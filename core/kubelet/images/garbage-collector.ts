import type { Disposable } from '../../base/disposable.js';
import type { ImageState } from '../../contracts/container-runtime.js';
import type { NodeUsage } from '../eviction/node-usage.js';
import type { KubeletContext } from '../kubelet-context.js';
import type { PullRecords } from './pull-records.js';
import type { RuntimeCache } from '../runtime/runtime-cache.js';

export interface GarbageCollectorOptions {
  readonly context: Pick<KubeletContext, 'clock' | 'logger' | 'recorder' | 'runtime' | 'settings'>;
  readonly cache: Pick<RuntimeCache, 'pod' | 'podUids' | 'refresh'>;
  readonly usage: Pick<NodeUsage, 'filesystem'>;
  /** Images that are in use, though no container runs from them. */
  readonly imagesOfVolumes?: () => Promise<readonly string[]>;
  readonly pulls?: Pick<PullRecords, 'prune'>;
}

/** Above this part of the disk images go, until it is down to the lower one. */
const highPercent = 85;
const lowPercent = 80;
const minimumAgeMs = 120_000;
const imagePeriodMs = 300_000;
const containerPeriodMs = 60_000;

interface ImageRecord {
  readonly firstSeenMs: number;
  lastUsedMs: number;
}

/**
 * Removes images that no container uses when the disk fills, and sandboxes that were replaced.
 * Source: pkg/kubelet/images/image_gc_manager.go, kuberuntime_gc.go.
 */
export class GarbageCollector {
  readonly #options: GarbageCollectorOptions;
  readonly #images = new Map<string, ImageRecord>();
  readonly #timers = new Set<Disposable>();
  readonly #running = new Set<Promise<void>>();
  #stopped = false;

  constructor(options: GarbageCollectorOptions) {
    this.#options = options;
  }

  start(): void {
    this.#stopped = false;
    this.#arm(imagePeriodMs, () => this.collectImages());
    this.#arm(containerPeriodMs, () => this.collectSandboxes());
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    for (const timer of this.#timers) void timer.dispose();
    this.#timers.clear();
    await Promise.all(this.#running);
  }

  /** Frees disk when it is too full; the longest unused image goes first. */
  async collectImages(): Promise<void> {
    const { context, usage } = this.#options;
    const { recorder, runtime, settings } = context;
    const { path } = await runtime.imageFilesystem();
    const { availableBytes, capacityBytes } = await usage.filesystem(path);
    const unused = await this.#unused();
    if (capacityBytes === 0) return;
    const usedPercent = 100 - Math.floor((availableBytes * 100) / capacityBytes);
    const { imageHighPercent = highPercent, imageLowPercent = lowPercent } = settings.tuning ?? {};
    if (usedPercent < imageHighPercent) return;
    const wantedBytes = Math.floor((capacityBytes * (100 - imageLowPercent)) / 100) - availableBytes;
    const freedBytes = await this.#remove(unused, wantedBytes);
    if (freedBytes >= wantedBytes) return;
    const message = `Failed to garbage collect required amount of images. Attempted to free ${wantedBytes} bytes, but only found ${freedBytes} bytes eligible to free.`;
    recorder.event({ kind: 'Node', name: settings.nodeName, uid: settings.nodeName }, 'Warning', 'FreeDiskSpaceFailed', message);
  }

  /** Under pressure: every image that no container uses, however young, and old sandboxes. */
  async removeUnused(): Promise<void> {
    await this.collectSandboxes();
    await this.#remove(await this.#unused(), Infinity);
  }

  /** Of each pod the newest sandbox stays, for its logs and addresses; one before it as long as a container of it is kept. */
  async collectSandboxes(): Promise<void> {
    const { cache, context } = this.#options;
    for (const uid of cache.podUids()) {
      const { sandboxes, containers } = cache.pod(uid);
      for (const { id, ready } of sandboxes.slice(1)) {
        if (ready || containers.some(({ sandboxId }) => sandboxId === id)) continue;
        await context.runtime.stopSandbox(id);
        await context.runtime.removeSandbox(id);
        await cache.refresh('sandbox', id);
      }
    }
  }

  /** Images that may go, those unused the longest first. */
  async #unused(): Promise<ImageState[]> {
    const { clock, runtime } = this.#options.context;
    const nowMs = clock.now();
    const [images, containers] = await Promise.all([runtime.listImages(), runtime.listContainers()]);
    const used = new Set(containers.flatMap(({ imageId, imageReference, imageName }) => [imageId, imageReference, imageName]));
    for (const id of (await this.#options.imagesOfVolumes?.()) ?? []) used.add(id);
    const isUsed = ({ id, digests, tags }: ImageState): boolean => [id, ...digests, ...tags].some(name => used.has(name));
    const known = new Set(images.map(({ id }) => id));
    for (const id of this.#images.keys()) if (!known.has(id)) this.#images.delete(id);
    await this.#options.pulls?.prune(known);
    for (const image of images) {
      const record = this.#images.get(image.id) ?? { firstSeenMs: nowMs, lastUsedMs: 0 };
      if (isUsed(image)) record.lastUsedMs = nowMs;
      this.#images.set(image.id, record);
    }
    const record = ({ id }: ImageState): ImageRecord => this.#images.get(id)!;
    return images
      .filter(image => !image.pinned && !isUsed(image))
      .sort((a, b) => record(a).lastUsedMs - record(b).lastUsedMs || record(a).firstSeenMs - record(b).firstSeenMs);
  }

  async #remove(images: readonly ImageState[], wantedBytes: number): Promise<number> {
    const { clock, logger, runtime, settings } = this.#options.context;
    const leastAgeMs = settings.tuning?.imageMinimumAgeMs ?? minimumAgeMs;
    let freedBytes = 0;
    for (const { id, tags, sizeBytes } of images) {
      if (freedBytes >= wantedBytes) break;
      // One that was just pulled waits for its container.
      const ageMs = clock.now() - this.#images.get(id)!.firstSeenMs;
      if (wantedBytes !== Infinity && ageMs < leastAgeMs) continue;
      try {
        await runtime.removeImage(id);
        this.#images.delete(id);
        freedBytes += sizeBytes;
        logger.info('an unused image was removed', { image: tags[0] ?? id });
      } catch (error) {
        logger.warn('an image could not be removed', { image: tags[0] ?? id, error });
      }
    }
    return freedBytes;
  }

  #arm(periodMs: number, work: () => Promise<void>): void {
    if (this.#stopped) return;
    const { clock, logger } = this.#options.context;
    const timer = clock.setTimer(periodMs, () => {
      this.#timers.delete(timer);
      const running = work()
        .catch(error => logger.warn('garbage could not be collected', { error }))
        .then(() => {
          this.#running.delete(running);
          this.#arm(periodMs, work);
        });
      this.#running.add(running);
    });
    this.#timers.add(timer);
  }
}
