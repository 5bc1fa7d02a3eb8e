import { ClusterRoles } from '../api/generated/resources.js';
import type { ClusterRole } from '../api/generated/types.js';
import { aggregateRules } from '../api/role-aggregation.js';
import type { Informer } from '../client/informer-types.js';
import { formatApiVersion } from '../machinery/object.js';
import type { ControllerContext, ControllerDescriptor } from './controller.js';
import { Reconciler } from './reconciler.js';

const name = 'clusterrole-aggregation-controller';

/** Gives aggregated cluster roles the rules of those that they select. Source: pkg/controller/clusterroleaggregation. */
class ClusterRoleAggregationController extends Reconciler {
  readonly #roles: Informer<ClusterRole>;

  constructor(context: ControllerContext) {
    super(context, { name });
    this.#roles = context.informers.informer(ClusterRoles);
  }

  protected override register(): void {
    // Any role may be part of any aggregate.
    const enqueueAggregates = (): void => {
      for (const role of this.#roles.list()) if (role.aggregationRule) this.queue.add(role.metadata.name);
    };
    this.watch(this.#roles, { added: enqueueAggregates, updated: enqueueAggregates, deleted: enqueueAggregates });
  }

  protected override async sync(key: string): Promise<void> {
    const role = this.#roles.get('', key);
    const rules = role && aggregateRules(role, this.#roles.list());
    if (!rules) return;
    const applied = { apiVersion: formatApiVersion(ClusterRoles), kind: 'ClusterRole', metadata: { name: key }, rules };
    await this.context.client.resource(ClusterRoles).patch(key, 'apply', applied, { fieldManager: name, force: true });
  }
}

export const clusterroleAggregationController: ControllerDescriptor = {
  name,
  create: context => new ClusterRoleAggregationController(context),
};
