import { ValidatingAdmissionPolicies } from '../../../api/generated/resources.js';
import type { ValidatingAdmissionPolicy } from '../../../api/generated/types.js';
import type { FieldErrors } from '../../../machinery/field-errors.js';
import { semanticEqual } from '../../../machinery/object.js';
import { age } from '../../handlers/table.js';
import type { RequestContext, ResourceDefinition } from '../../registry/resource-definition.js';
import { defineResource } from '../../registry/resource-definition.js';
import { checkParamKind } from './param-permission.js';
import type { ResourceNames } from './param-permission.js';
import { paramKindCell, setMatchDefaults, staticNameWarnings } from './policy-definition.js';
import type { PolicyEngines } from './validating-policy-validation.js';
import { validatePolicy, validatePolicyStatus } from './validating-policy-validation.js';

export interface PolicyDefinitionOptions extends PolicyEngines {
  readonly resourceNames: ResourceNames;
}

/** Source: kubernetes pkg/registry/admissionregistration/validatingadmissionpolicy. */
export function validatingAdmissionPolicy(options: PolicyDefinitionOptions): ResourceDefinition {
  const validate = async (
    policy: ValidatingAdmissionPolicy,
    old: Readonly<ValidatingAdmissionPolicy> | undefined,
    errors: FieldErrors,
    context: RequestContext,
  ): Promise<void> => {
    await validatePolicy(policy, old, errors, options);
    const { paramKind } = policy.spec;
    if (!errors.empty || !paramKind || semanticEqual(paramKind, old?.spec.paramKind)) return;
    await checkParamKind(paramKind, errors, context, options.resourceNames);
  };
  return defineResource<ValidatingAdmissionPolicy>({
    reference: ValidatingAdmissionPolicies,
    allowUnconditionalUpdate: false,
    checks: { update: ['object', 'validateUpdate'] },
    defaults({ spec }) {
      spec.failurePolicy ??= 'Fail';
      setMatchDefaults(spec.matchConstraints);
    },
    validate: (policy, errors, context) => validate(policy, undefined, errors, context),
    validateUpdate: (policy, old, errors, context) => validate(policy, old, errors, context),
    warnings: staticNameWarnings,
    resetFields: { '': ['status'], status: ['metadata', 'spec'] },
    subresources: {
      status: {
        type: 'update',
        checks: ['validateUpdate'],
        validateUpdate: (policy, _old, errors) => validatePolicyStatus(policy, errors),
      },
    },
    row(policy, context) {
      const { paramKind, validations = [] } = policy.spec;
      return [policy.metadata.name, validations.length, paramKindCell(paramKind), age(policy, context)];
    },
  });
}
