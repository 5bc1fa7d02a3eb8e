import { Nodes } from '../api/generated/resources.js';
import type { Node } from '../api/generated/types.js';
import type { Informer } from '../client/informer-types.js';
import { isStatusError } from '../machinery/status-error.js';
import type { ControllerContext, ControllerDescriptor } from './controller.js';
import { Reconciler } from './reconciler.js';

const name = 'ttl-controller';
const annotation = 'node.alpha.kubernetes.io/ttl';

/** Steps overlap, so that a cluster on a border does not go to and fro. */
const steps: readonly { readonly from: number; readonly upTo: number; readonly ttlSeconds: number }[] = [
  { from: 0, upTo: 100, ttlSeconds: 0 },
  { from: 90, upTo: 500, ttlSeconds: 15 },
  { from: 450, upTo: 1000, ttlSeconds: 30 },
  { from: 900, upTo: 2000, ttlSeconds: 60 },
  { from: 1800, upTo: Number.POSITIVE_INFINITY, ttlSeconds: 300 },
];

/** Tells kubelets how long they may keep secrets and config maps, by the size of the cluster. Source: pkg/controller/ttl. */
class TtlController extends Reconciler {
  readonly #nodes: Informer<Node>;
  #nodeCount = 0;
  #step = 0;

  constructor(context: ControllerContext) {
    super(context, { name });
    this.#nodes = context.informers.informer(Nodes);
  }

  protected override register(): void {
    this.watch(this.#nodes, {
      added: entry => {
        this.#nodeCount++;
        if (this.#nodeCount > steps[this.#step]!.upTo) this.#go(1);
        this.queue.add(entry.name);
      },
      updated: (_previous, entry) => this.queue.add(entry.name),
      deleted: () => {
        this.#nodeCount--;
        if (this.#nodeCount < steps[this.#step]!.from) this.#go(-1);
      },
    });
  }

  #go(by: 1 | -1): void {
    this.#step += by;
    for (const { name: node } of this.#nodes.entries()) this.queue.add(node);
  }

  protected override async sync(key: string): Promise<void> {
    const wanted = String(steps[this.#step]!.ttlSeconds);
    const node = this.#nodes.get('', key);
    if (!node || node.metadata.annotations?.[annotation] === wanted) return;
    try {
      const patch = { metadata: { annotations: { [annotation]: wanted } } };
      await this.context.client.resource(Nodes).patch(key, 'strategic', patch);
    } catch (error) {
      if (!isStatusError(error, 'NotFound')) throw error;
    }
  }
}

export const ttlController: ControllerDescriptor = { name, create: context => new TtlController(context) };
