import type { ResourceReference } from '../../../api/resource-reference.js';
import type { MutatingAdmissionPolicyBinding, ValidatingAdmissionPolicyBinding } from '../../../api/generated/types.js';
import type { FieldErrors } from '../../../machinery/field-errors.js';
import type { KubeObject } from '../../../machinery/object.js';
import { semanticEqual } from '../../../machinery/object.js';
import { age } from '../../handlers/table.js';
import type { RequestContext, ResourceDefinition } from '../../registry/resource-definition.js';
import { defineResource } from '../../registry/resource-definition.js';
import type { BoundParams, ResourceNames } from './param-permission.js';
import { checkParamRef } from './param-permission.js';
import { paramRefCell, setMatchDefaults, staticNameWarnings } from './policy-definition.js';

type Binding = ValidatingAdmissionPolicyBinding | MutatingAdmissionPolicyBinding;
type Policy = KubeObject & NonNullable<BoundParams['policy']>;

/** What the bindings of one kind of policy have of their own. */
export interface BindingKind<T extends Binding> {
  readonly reference: ResourceReference<T>;
  readonly policies: ResourceReference;
  readonly validate: (binding: T, errors: FieldErrors) => void;
  readonly resourceNames: ResourceNames;
}

/** Source: kubernetes pkg/registry/admissionregistration validatingadmissionpolicybinding and mutatingadmissionpolicybinding. */
export function policyBinding<T extends Binding>(kind: BindingKind<T>): ResourceDefinition {
  const validate = async (binding: T, errors: FieldErrors, context: RequestContext): Promise<void> => {
    kind.validate(binding, errors);
    const { paramRef, policyName = '' } = binding.spec;
    // Also where nothing of it changed: upstream compares addresses of what it has in hand.
    if (!errors.empty || !paramRef) return;
    const policy = context.stores.get<Policy>(kind.policies)?.cache.get('', policyName)?.object;
    await checkParamRef({ policyName, policy, paramRef }, errors, context, kind.resourceNames);
  };
  return defineResource<T>({
    reference: kind.reference,
    allowUnconditionalUpdate: false,
    checks: { update: ['object', 'validateUpdate'] },
    defaults: ({ spec }) => setMatchDefaults(spec.matchResources),
    generation: (binding, old) => !semanticEqual(binding.spec, old.spec),
    validate,
    validateUpdate: (binding, _old, errors, context) => validate(binding, errors, context),
    warnings: staticNameWarnings,
    row: (binding, context) => {
      const { policyName = '', paramRef } = binding.spec;
      return [binding.metadata.name, policyName, paramRefCell(paramRef), age(binding, context)];
    },
  });
}
