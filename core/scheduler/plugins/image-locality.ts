import type { CycleState, PluginEvent, SchedulerPlugin } from '../../contracts/scheduler-plugin.js';
import type { SchedulerCache } from '../cache.js';
import { maximumScore } from '../framework.js';
import type { NodeInfo } from '../node-info.js';
import type { PodInfo } from '../pod-info.js';

const megabyte = 1024 * 1024;
const minimumBytes = 23 * megabyte;
const maximumBytesPerContainer = 1000 * megabyte;

/** Prefers nodes that have the pod's images, the more so the bigger they are and the more nodes have them. */
export class ImageLocality implements SchedulerPlugin {
  readonly name = 'ImageLocality';
  readonly weight = 1;
  readonly events: readonly PluginEvent[] = [];
  readonly #cache: Pick<SchedulerCache, 'image' | 'nodes'>;

  constructor(cache: Pick<SchedulerCache, 'image' | 'nodes'>) {
    this.#cache = cache;
  }

  score(_state: CycleState, { pod }: PodInfo, node: NodeInfo): number {
    const { containers, initContainers = [], volumes } = pod.spec;
    let sum = 0;
    for (const { image } of initContainers) sum += this.#weightOf(image, node.name);
    for (const { image } of containers) sum += this.#weightOf(image, node.name);
    for (const { image } of volumes ?? []) if (image) sum += this.#weightOf(image.reference, node.name);
    const maximum = maximumBytesPerContainer * (containers.length + initContainers.length);
    const bounded = Math.min(maximum, Math.max(minimumBytes, sum));
    return Math.trunc((maximumScore * (bounded - minimumBytes)) / (maximum - minimumBytes));
  }

  #weightOf(image: string | undefined, nodeName: string): number {
    if (!image) return 0;
    const state = this.#cache.image(withTag(image));
    if (!state?.nodes.has(nodeName)) return 0;
    return Math.trunc(state.sizeBytes * (state.nodes.size / this.#cache.nodes.length));
  }
}

function withTag(image: string): string {
  return image.lastIndexOf(':') <= image.lastIndexOf('/') ? `${image}:latest` : image;
}
