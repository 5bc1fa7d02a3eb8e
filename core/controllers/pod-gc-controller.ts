import { Nodes, Pods } from '../api/generated/resources.js';
import type { Node, Pod } from '../api/generated/types.js';
import { isPodFinished } from '../api/pods.js';
import type { Informer } from '../client/informer-types.js';
import type { ObjectEntry } from '../contracts/api-transport.js';
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

/** What rounds look at of a pod, noted when it changes: a round must not parse every pod of the cluster. */
interface PodFacts {
  readonly entry: ObjectEntry<Pod>;
  readonly nodeName: string | undefined;
  readonly created: string;
  readonly isFinished: boolean;
  readonly isEvicted: boolean;
  readonly isLeaving: boolean;
}

/**
 * Deletes pods that nobody else will: of nodes that are gone or out of service, deleted before they had a node, and finished ones
 * beyond a limit. Source: pkg/controller/podgc.
 */
class PodGcController extends Reconciler {
  readonly #pods = new Map<string, PodFacts>();
  readonly #nodes: Informer<Node>;
  /** Since when (monotonic) nodes that pods name are unknown. */
  readonly #unknownSince = new Map<string, number>();
  readonly #terminatedThreshold: number;

  constructor(context: ControllerContext, threshold = terminatedThreshold) {
    super(context, { name: 'pod-garbage-collector-controller', workers: 1 });
    this.#nodes = context.informers.informer(Nodes);
    this.#terminatedThreshold = threshold;
  }

  protected override register(): void {
    const note = (entry: ObjectEntry<Pod>): unknown => this.#pods.set(keyOf(entry), factsOf(entry));
    this.watch(this.context.informers.informer(Pods), {
      added: note,
      updated: (_previous, entry) => note(entry),
      deleted: entry => this.#pods.delete(keyOf(entry)),
    });
    this.watch(this.#nodes);
    this.queue.add(roundKey);
  }

  protected override async sync(): Promise<void> {
    try {
      const pods = [...this.#pods.values()];
      for (const { entry } of this.#surplus(pods)) await this.#remove(entry.object);
      for (const { entry, nodeName, isLeaving } of pods) {
        if (!isLeaving) continue;
        const node = nodeName ? this.#nodes.get('', nodeName) : undefined;
        if (!nodeName || (node && isOutOfService(node))) await this.#remove(entry.object);
      }
      await this.#removeOrphans(pods);
    } finally {
      this.queue.addAfter(roundKey, everyMs);
    }
  }

  /** Finished pods beyond the threshold: evicted ones first, then the oldest. */
  #surplus(pods: readonly PodFacts[]): readonly PodFacts[] {
    const finished = pods.filter(pod => pod.isFinished);
    if (finished.length <= this.#terminatedThreshold) return [];
    finished.sort(
      (a, b) => Number(b.isEvicted) - Number(a.isEvicted) || compare(a.created, b.created) || compare(a.entry.name, b.entry.name),
    );
    return finished.slice(0, finished.length - this.#terminatedThreshold);
  }

  async #removeOrphans(pods: readonly PodFacts[]): Promise<void> {
    const nowMs = this.context.clock.monotonicMs();
    const orphans = new Map<string, PodFacts[]>();
    for (const pod of pods) {
      const { nodeName } = pod;
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
      for (const { entry } of lost) await this.#remove(entry.object, 'PodGC: node no longer exists');
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

function keyOf({ namespace, name }: ObjectEntry<Pod>): string {
  return `${namespace}/${name}`;
}

function factsOf(entry: ObjectEntry<Pod>): PodFacts {
  const { metadata, spec, status } = entry.object;
  return {
    entry,
    nodeName: spec.nodeName,
    created: metadata.creationTimestamp ?? '',
    isFinished: isPodFinished(entry.object),
    isEvicted: status?.reason === 'Evicted',
    isLeaving: metadata.deletionTimestamp !== undefined,
  };
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
  create: context => new PodGcController(context, context.environment.tuning?.terminatedPods),
};

/** The same with another threshold, for tests. */
export function createPodGcController(context: ControllerContext, threshold: number): PodGcController {
  return new PodGcController(context, threshold);
}
