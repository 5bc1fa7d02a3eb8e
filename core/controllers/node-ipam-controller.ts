import { CodedError } from '../base/errors.js';
import { Nodes } from '../api/generated/resources.js';
import type { Node } from '../api/generated/types.js';
import type { Informer } from '../client/informer-types.js';
import type { ObjectEntry } from '../contracts/api-transport.js';
import { CidrSet } from './cidr-set.js';
import type { ControllerContext, ControllerDescriptor } from './controller.js';
import { Reconciler } from './reconciler.js';

/** `--node-cidr-mask-size-ipv4` and `-ipv6` of upstream. */
const maskSizes = { 4: 24, 6: 64 } as const;

/** Gives each node a range of every pod range of the cluster. Source: pkg/controller/nodeipam. */
class NodeIpamController extends Reconciler {
  readonly #nodes: Informer<Node>;
  #sets: CidrSet[] = [];

  constructor(context: ControllerContext) {
    super(context, { name: 'node-ipam-controller', workers: 1 });
    this.#nodes = context.informers.informer(Nodes);
  }

  protected override register(): void {
    const { clusterCidrs, serviceCidrs, tuning } = this.context.environment;
    const sizes = { ...maskSizes, ...tuning?.nodeCidrMaskSizes };
    this.#sets = clusterCidrs.map(cidr => {
      const set = new CidrSet(cidr, sizes[cidr.includes(':') ? 6 : 4]);
      for (const serviceCidr of serviceCidrs) set.occupy(serviceCidr);
      return set;
    });
    // Known ranges are taken out in the handler: workers begin only when all nodes have passed here.
    const seen = (entry: ObjectEntry<Node>): void => {
      const { podCIDRs = [] } = entry.object.spec ?? {};
      if (podCIDRs.length === 0) this.queue.add(entry.name);
      else this.#visit(entry.object, (set, cidr) => set.occupy(cidr));
    };
    this.watch(this.#nodes, {
      added: seen,
      updated: (_previous, entry) => seen(entry),
      deleted: entry => this.#visit(entry.object, (set, cidr) => set.release(cidr)),
    });
  }

  #visit(node: Node, visit: (set: CidrSet, cidr: string) => unknown): void {
    for (const [index, cidr] of (node.spec?.podCIDRs ?? []).entries()) {
      const set = this.#sets[index];
      try {
        if (set && visit(set, cidr) !== false) continue;
        this.context.logger.warn('a node has a pod range that is not of this cluster', { node: node.metadata.name, cidr });
      } catch (error) {
        this.context.logger.warn('a node has a pod range that cannot be read', { node: node.metadata.name, cidr, error });
      }
    }
  }

  protected override async sync(name: string): Promise<void> {
    const node = this.#nodes.get('', name);
    if (!node || node.metadata.deletionTimestamp || node.spec?.podCIDRs?.length) return;
    const podCIDRs: string[] = [];
    try {
      for (const [index, set] of this.#sets.entries()) {
        const cidr = set.allocate();
        if (!cidr) {
          this.context.recorder.event(node, 'Normal', 'CIDRNotAvailable', `Node ${name} status is now: CIDRNotAvailable`);
          throw new CodedError(
            'CIDR_EXHAUSTED',
            `failed to allocate cidr from cluster cidr at idx:${index}: CIDR allocation failed; there are no remaining CIDRs left to allocate in the accepted range`,
          );
        }
        podCIDRs.push(cidr);
      }
      if (podCIDRs.length === 0) return;
      const { uid, resourceVersion } = node.metadata;
      // A range cannot be changed once it is set: the version keeps two writers apart.
      await this.context.client.resource(Nodes).patch(name, 'strategic', {
        metadata: { uid, resourceVersion },
        spec: { podCIDR: podCIDRs[0], podCIDRs },
      });
    } catch (error) {
      for (const [index, cidr] of podCIDRs.entries()) this.#sets[index]!.release(cidr);
      throw error;
    }
  }
}

export const nodeIpamController: ControllerDescriptor = {
  name: 'node-ipam-controller',
  serviceAccount: 'node-controller',
  component: 'cidrAllocator',
  create: context => new NodeIpamController(context),
};
