import { Nodes, Pods } from '../api/generated/resources.js';
import type { Node, Pod, Taint, Toleration } from '../api/generated/types.js';
import { podsByNode } from '../api/pods.js';
import { tolerationTolerates } from '../api/taints.js';
import { keyOf, splitObjectKey } from '../client/entries.js';
import type { Informer } from '../client/informer-types.js';
import type { ObjectEntry } from '../contracts/api-transport.js';
import { jsonEqual } from '../machinery/object.js';
import { isStatusError } from '../machinery/status-error.js';
import type { ControllerContext, ControllerDescriptor } from './controller.js';
import { patchPodStatus } from './pod-status.js';
import { Reconciler } from './reconciler.js';

/** Deletes pods from nodes with NoExecute taints, at once or when their toleration ends. Source: pkg/controller/tainteviction. */
class TaintEvictionController extends Reconciler {
  readonly #pods: Informer<Pod>;
  readonly #nodes: Informer<Node>;
  /** When the taints of pods that are to go were first seen. */
  readonly #since = new Map<string, number>();

  constructor(context: ControllerContext) {
    super(context, { name: 'taint-eviction-controller', workers: 8 });
    this.#pods = context.informers.informer(Pods);
    this.#nodes = context.informers.informer(Nodes);
  }

  protected override register(): void {
    this.#pods.addIndex(podsByNode.name, podsByNode.keys);
    const enqueuePods = (entry: ObjectEntry<Node>): void => {
      for (const pod of this.#pods.byIndex(podsByNode.name, entry.name)) this.queue.add(keyOf(pod));
    };
    this.watch(this.#nodes, {
      added: entry => {
        if (noExecuteTaints(entry.object).length > 0) enqueuePods(entry);
      },
      updated: (previous, entry) => {
        if (!jsonEqual(noExecuteTaints(previous.object), noExecuteTaints(entry.object))) enqueuePods(entry);
      },
      deleted: enqueuePods,
    });
    this.watch(this.#pods, {
      added: entry => this.queue.add(keyOf(entry)),
      updated: (previous, entry) => {
        const [before, after] = [previous.object.spec, entry.object.spec];
        if (before.nodeName !== after.nodeName || !jsonEqual(before.tolerations, after.tolerations)) this.queue.add(keyOf(entry));
      },
      deleted: entry => this.queue.add(keyOf(entry)),
    });
  }

  protected override async sync(key: string): Promise<void> {
    const { namespace, name } = splitObjectKey(key);
    const pod = this.#pods.get(namespace, name);
    if (!pod) {
      this.#since.delete(key);
      return;
    }
    const node = pod.spec.nodeName ? this.#nodes.get('', pod.spec.nodeName) : undefined;
    const seconds = node ? secondsToStay(noExecuteTaints(node), pod.spec.tolerations ?? []) : Infinity;
    if (pod.metadata.deletionTimestamp) return;
    if (seconds === Infinity) {
      if (this.#since.delete(key)) this.#event(pod, `Cancelling deletion of Pod ${key}`);
      return;
    }
    const nowMs = this.context.clock.monotonicMs();
    const sinceMs = this.#since.get(key) ?? nowMs;
    const waitMs = sinceMs + seconds * 1000 - nowMs;
    if (waitMs > 0) {
      this.#since.set(key, sinceMs);
      this.queue.addAfter(key, waitMs);
      return;
    }
    await this.#evict(key, pod);
    this.#since.delete(key);
  }

  async #evict(key: string, pod: Pod): Promise<void> {
    const { namespace, name, uid } = pod.metadata;
    this.#event(pod, `Marking for deletion Pod ${key}`);
    try {
      await patchPodStatus(this.context, pod, {
        condition: {
          type: 'DisruptionTarget',
          status: 'True',
          reason: 'DeletionByTaintManager',
          message: 'Taint manager: deleting due to NoExecute taint',
        },
      });
      await this.context.client.resource(Pods, namespace).delete(name, { preconditions: { uid } });
    } catch (error) {
      if (!isStatusError(error, 'NotFound')) throw error;
    }
  }

  #event(pod: Pod, message: string): void {
    this.context.recorder.event(pod, 'Normal', 'TaintManagerEviction', message);
  }
}

function noExecuteTaints(node: Node): Taint[] {
  return (node.spec?.taints ?? []).filter(taint => taint.effect === 'NoExecute');
}

/** The shortest of the tolerations that come first for each taint; 0 where a taint is not tolerated. */
function secondsToStay(taints: readonly Taint[], tolerations: readonly Toleration[]): number {
  let seconds = Infinity;
  for (const taint of taints) {
    const first = tolerations.find(toleration => tolerationTolerates(toleration, taint));
    if (!first) return 0;
    if (first.tolerationSeconds !== undefined) seconds = Math.min(seconds, Math.max(0, first.tolerationSeconds));
  }
  return seconds;
}

export const taintEvictionController: ControllerDescriptor = {
  name: 'taint-eviction-controller',
  serviceAccount: 'node-controller',
  create: context => new TaintEvictionController(context),
};
