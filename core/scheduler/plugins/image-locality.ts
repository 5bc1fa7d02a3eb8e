import type { CycleState, PluginEvent, SchedulerPlugin, SchedulingStatus, StateData } from '../../contracts/scheduler-plugin.js';
import type { ImageState as CachedImage, SchedulerCache } from '../cache.js';
import { maximumScore } from '../framework.js';
import type { NodeInfo } from '../node-info.js';
import type { PodInfo } from '../pod-info.js';
import { skip } from '../status.js';

const megabyte = 1024 * 1024;
const minimumBytes = 23 * megabyte;
const maximumBytesPerContainer = 1000 * megabyte;

class ImageState implements StateData {
  /** What nodes may have of the pod's images, once for each use. */
  readonly images: readonly CachedImage[];
  readonly maximumBytes: number;

  constructor(images: readonly CachedImage[], maximumBytes: number) {
    this.images = images;
    this.maximumBytes = maximumBytes;
  }

  clone(): ImageState {
    return this;
  }
}

const stateKey = 'ImageLocality';

/** Prefers nodes that have the pod's images, the more so the bigger they are and the more nodes have them. */
export class ImageLocality implements SchedulerPlugin {
  readonly name = 'ImageLocality';
  readonly weight = 1;
  readonly events: readonly PluginEvent[] = [];
  readonly #cache: Pick<SchedulerCache, 'image' | 'nodes'>;

  constructor(cache: Pick<SchedulerCache, 'image' | 'nodes'>) {
    this.#cache = cache;
  }

  preScore(state: CycleState, { pod }: PodInfo): SchedulingStatus | undefined {
    const { containers, initContainers = [], volumes = [] } = pod.spec;
    const names = [...initContainers, ...containers].map(({ image }) => image);
    for (const { image } of volumes) names.push(image?.reference);
    const images = names.flatMap(name => (name ? (this.#cache.image(withTag(name)) ?? []) : []));
    if (images.length === 0) return skip;
    state.write(stateKey, new ImageState(images, maximumBytesPerContainer * (containers.length + initContainers.length)));
    return undefined;
  }

  score(state: CycleState, _pod: PodInfo, { name }: NodeInfo): number {
    const { images, maximumBytes } = state.read<ImageState>(stateKey)!;
    let sum = 0;
    for (const { sizeBytes, nodes } of images) {
      if (nodes.has(name)) sum += Math.trunc(sizeBytes * (nodes.size / this.#cache.nodes.length));
    }
    const bounded = Math.min(maximumBytes, Math.max(minimumBytes, sum));
    return Math.trunc((maximumScore * (bounded - minimumBytes)) / (maximumBytes - minimumBytes));
  }
}

function withTag(image: string): string {
  return image.lastIndexOf(':') <= image.lastIndexOf('/') ? `${image}:latest` : image;
}
