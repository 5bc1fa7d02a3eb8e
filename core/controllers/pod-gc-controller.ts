import { Nodes, Pods } from '../api/generated/resources.js';
import type { Node, Pod } from '../api/generated/types.js';
import { isPodFinished } from '../api/pods.js';
import type { Informer } from '../client/informer-types.js';
import { isStatusError } from '../machinery/status-error.js';
import type { ControllerContext, ControllerDescriptor } from './controller.js';
import { patchPodStatus } from './pod-status.js';
import { Reconciler } from './reconciler.js';

const everyMs = 20_000;
/** So long a node may be unknown: its object may just be late. */
const quarantineMs = 40_000;
const terminatedThreshold = 12_500;
const outOfServiceTaint = 'node.kubernetes.io/out-of-service';
const roundKey = 'round';

/**
 * Deletes pods that nobody else will: of nodes that are gone or out of service, deleted before they had a node, and finished ones
 * beyond a limit. Source: pkg/controller/podgc.
 */
class PodGcController extends Reconciler {
  readonly #pods: Informer<Pod>;
  readonly #nodes: Informer<Node>;
  /** Since when (monotonic) nodes that pods name are unknown. */
  readonly #unknownSince = new Map<string, number>();
  readonly #terminatedThreshold: number;

  constructor(context: ControllerContext, threshold = terminatedThreshold) {
    super(context, { name: 'pod-garbage-collector-controller', workers: 1 });
    this.#pods = context.informers.informer(Pods);
    this.#nodes = context.informers.informer(Nodes);
    this.#terminatedThreshold = threshold;
  }

  protected override register(): void {
    this.watch(this.#pods);
    this.watch(this.#nodes);
    this.queue.add(roundKey);
  }

  protected override async sync(): Promise<void> {
    try {
      const pods = this.#pods.list();
      for (const pod of this.#surplus(pods)) await this.#remove(pod);
      for (const pod of pods) {
        const node = pod.spec.nodeName ? this.#nodes.get('', pod.spec.nodeName) : undefined;
        if (!pod.metadata.deletionTimestamp) continue;
        if (!pod.spec.nodeName || (node && isOutOfService(node))) await this.#remove(pod);
      }
      await this.#removeOrphans(pods);
    } finally {
      this.queue.addAfter(roundKey, everyMs);
    }
  }

  /** Finished pods beyond the threshold: evicted ones first, then the oldest. */
  #surplus(pods: readonly Pod[]): readonly Pod[] {
    const finished = pods.filter(isPodFinished);
    if (finished.length <= this.#terminatedThreshold) return [];
    const evicted = (pod: Pod): number => (pod.status?.reason === 'Evicted' ? 0 : 1);
    const created = (pod: Pod): string => pod.metadata.creationTimestamp ?? '';
    finished.sort(
      (a, b) => evicted(a) - evicted(b) || compare(created(a), created(b)) || compare(a.metadata.name, b.metadata.name),
    );
    return finished.slice(0, finished.length - this.#terminatedThreshold);
  }

  async #removeOrphans(pods: readonly Pod[]): Promise<void> {
    const nowMs = this.context.clock.monotonicMs();
    const orphans = new Map<string, Pod[]>();
    for (const pod of pods) {
      const { nodeName } = pod.spec;
      if (!nodeName || this.#nodes.entry('', nodeName)) continue;
      const others = orphans.get(nodeName);
      if (others) others.push(pod);
      else orphans.set(nodeName, [pod]);
    }
    for (const nodeName of this.#unknownSince.keys()) if (!orphans.has(nodeName)) this.#unknownSince.delete(nodeName);
    for (const [nodeName, lost] of orphans) {
      const sinceMs = this.#unknownSince.get(nodeName) ?? nowMs;
      this.#unknownSince.set(nodeName, sinceMs);
      if (nowMs - sinceMs < quarantineMs || (await this.#nodeExists(nodeName))) continue;
      for (const pod of lost) await this.#remove(pod, 'PodGC: node no longer exists');
    }
  }

  async #nodeExists(name: string): Promise<boolean> {
    try {
      await this.context.client.resource(Nodes).get(name);
      return true;
    } catch (error) {
      if (isStatusError(error, 'NotFound')) return false;
      throw error;
    }
  }

  /** Nobody else will end what still counts as running: the pod fails first. */
  async #remove(pod: Pod, message?: string): Promise<void> {
    const { namespace, name, uid } = pod.metadata;
    try {
      if (!isPodFinished(pod)) {
        const condition = message ? { type: 'DisruptionTarget', status: 'True', reason: 'DeletionByPodGC', message } : undefined;
        await patchPodStatus(this.context, pod, { phase: 'Failed', condition });
      }
      await this.context.client.resource(Pods, namespace).delete(name, { gracePeriodSeconds: 0, preconditions: { uid } });
    } catch (error) {
      if (!isStatusError(error, 'NotFound', 'Conflict'))
        this.context.logger.warn('pod not collected', { namespace, name, error });
    }
  }
}

function isOutOfService(node: Node): boolean {
  const ready = node.status?.conditions?.find(condition => condition.type === 'Ready');
  return ready?.status !== 'True' && (node.spec?.taints ?? []).some(taint => taint.key === outOfServiceTaint);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

export const podGcController: ControllerDescriptor = {
  name: 'pod-garbage-collector-controller',
  serviceAccount: 'pod-garbage-collector',
  create: context => new PodGcController(context),
};

/** The same with another threshold, for tests. */
export function createPodGcController(context: ControllerContext, threshold: number): PodGcController {
  return new PodGcController(context, threshold);
}
