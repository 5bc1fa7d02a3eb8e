import { MutatingAdmissionPolicies } from '../../../api/generated/resources.js';
import type { MutatingAdmissionPolicy } from '../../../api/generated/types.js';
import type { FieldErrors } from '../../../machinery/field-errors.js';
import { semanticEqual } from '../../../machinery/object.js';
import { age } from '../../handlers/table.js';
import type { RequestContext, ResourceDefinition } from '../../registry/resource-definition.js';
import { defineResource } from '../../registry/resource-definition.js';
import { validateMutatingPolicy } from './mutating-policy-validation.js';
import { checkParamKind } from './param-permission.js';
import { paramKindCell, setMatchDefaults, staticNameWarnings } from './policy-definition.js';
import type { PolicyDefinitionOptions } from './validating-admission-policy.js';

/** Source: kubernetes pkg/registry/admissionregistration/mutatingadmissionpolicy. */
export function mutatingAdmissionPolicy(options: PolicyDefinitionOptions): ResourceDefinition {
  const validate = async (
    policy: MutatingAdmissionPolicy,
    old: Readonly<MutatingAdmissionPolicy> | undefined,
    errors: FieldErrors,
    context: RequestContext,
  ): Promise<void> => {
    await validateMutatingPolicy(policy, old, errors, options);
    const { paramKind } = policy.spec;
    if (!errors.empty || !paramKind || semanticEqual(paramKind, old?.spec.paramKind)) return;
    await checkParamKind(paramKind, errors, context, options.resourceNames);
  };
  return defineResource<MutatingAdmissionPolicy>({
    reference: MutatingAdmissionPolicies,
    allowUnconditionalUpdate: false,
    checks: { update: ['object', 'validateUpdate'] },
    generation: (policy, old) => !semanticEqual(policy.spec, old.spec),
    defaults({ spec }) {
      spec.failurePolicy ??= 'Fail';
      setMatchDefaults(spec.matchConstraints);
    },
    validate: (policy, errors, context) => validate(policy, undefined, errors, context),
    validateUpdate: (policy, old, errors, context) => validate(policy, old, errors, context),
    warnings: staticNameWarnings,
    row(policy, context) {
      const { paramKind, mutations = [] } = policy.spec;
      return [policy.metadata.name, mutations.length, paramKindCell(paramKind), age(policy, context)];
    },
  });
}
