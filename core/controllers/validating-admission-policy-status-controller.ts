import { CustomResourceDefinitions, ValidatingAdmissionPolicies } from '../api/generated/resources.js';
import type { ValidatingAdmissionPolicy } from '../api/generated/types.js';
import { groupData, loadTypes } from '../api/schema-data.js';
import type { Informer } from '../client/informer-types.js';
import type { CelSchema } from '../machinery/cel/schema-type.js';
import type { GroupVersionKind } from '../machinery/object.js';
import { formatApiVersion } from '../machinery/object.js';
import type { ControllerContext, ControllerDescriptor } from './controller.js';
import { Reconciler } from './reconciler.js';

const name = 'validatingadmissionpolicy-status-controller';
const fieldManager = 'validatingadmissionpolicy-status';

/**
 * Says in the status of a validating admission policy what is wrong with its expressions for the types that it is for. Source:
 * pkg/controller/validatingadmissionpolicystatus.
 */
class ValidatingAdmissionPolicyStatusController extends Reconciler {
  readonly #policies: Informer<ValidatingAdmissionPolicy>;

  constructor(context: ControllerContext) {
    super(context, { name });
    this.#policies = context.informers.informer(ValidatingAdmissionPolicies);
  }

  protected override register(): void {
    const enqueue = ({ metadata }: ValidatingAdmissionPolicy): void => this.queue.add(metadata.name);
    this.watch(this.#policies, {
      added: ({ object }) => enqueue(object),
      updated: (_previous, { object }) => enqueue(object),
    });
  }

  protected override async sync(key: string): Promise<void> {
    const policy = this.#policies.get('', key);
    const { generation = 0 } = policy?.metadata ?? {};
    if (!policy || generation <= (policy.status.observedGeneration ?? 0)) return;
    const expressionWarnings = await this.#check(policy);
    const applied = {
      apiVersion: formatApiVersion(ValidatingAdmissionPolicies),
      kind: 'ValidatingAdmissionPolicy',
      metadata: { name: key },
      status: {
        observedGeneration: generation,
        typeChecking: expressionWarnings.length ? { expressionWarnings } : {},
      },
    };
    const status = this.context.client.resource(ValidatingAdmissionPolicies).subresource('status');
    await status.patch(key, 'apply', applied, { fieldManager, force: true });
  }

  /** Imports the CEL engine with the first policy, and follows the definitions of custom resources from then on. */
  async #check(policy: ValidatingAdmissionPolicy): Promise<{ fieldRef: string; warning: string }[]> {
    const [{ PolicyTypeChecker }, { structSchema }, { definedSchema }] = await Promise.all([
      import('./policy-type-checker.js'),
      import('../machinery/cel/struct-schema.js'),
      import('./defined-schema.js'),
    ]);
    const definitions = this.context.informers.informer(CustomResourceDefinitions);
    await definitions.whenSynced(this.signal);
    const schema = (kind: GroupVersionKind): CelSchema | undefined => {
      const struct = groupData(kind.group) && loadTypes(kind.group).kind(kind.group, kind.version, kind.kind);
      return struct ? structSchema(struct) : definedSchema(kind, definitions.list());
    };
    return new PolicyTypeChecker({ resources: this.context.environment.catalogue.resources(), schema }).check(policy);
  }
}

export const validatingAdmissionPolicyStatusController: ControllerDescriptor = {
  name,
  create: context => new ValidatingAdmissionPolicyStatusController(context),
};
