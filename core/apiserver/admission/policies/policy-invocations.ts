import type { AdmissionAttributes } from '../../../contracts/admission.js';
import type { Invocation } from '../webhooks/admission-shapes.js';
import { namespaceOf } from '../webhooks/request-scope.js';
import type { CriteriaMatcher } from './match-criteria.js';
import type { AdmissionPolicy, AdmissionPolicyBinding } from './policy-objects.js';
import type { ParamResource, ParamResources } from './policy-params.js';
import { collectParams, paramResource } from './policy-params.js';
import type { PolicyHook } from './policy-set.js';

/** That a policy, through one of its bindings and with one of its parameters, is for a request. */
export interface PolicyInvocation<Policy, Binding, Evaluator> {
  readonly hook: PolicyHook<Policy, Binding, Evaluator>;
  readonly binding: Binding;
  readonly invocation: Invocation;
  /** As JSON. */
  readonly params: object | undefined;
}

/** A policy, or where `binding` is named its binding, that cannot be used for a request. */
export interface Misconfiguration<Policy, Binding> {
  readonly policy: Policy;
  readonly binding: Binding | undefined;
  readonly message: string;
}

/** All invocations for a request, in order. Source: policyDispatcher of apiserver pkg/admission/plugin/policy/generic. */
export async function collectInvocations<Policy extends AdmissionPolicy, Binding extends AdmissionPolicyBinding, Evaluator>(
  hooks: readonly PolicyHook<Policy, Binding, Evaluator>[],
  attributes: AdmissionAttributes,
  { matcher, params }: { readonly matcher: CriteriaMatcher; readonly params: ParamResources },
): Promise<{
  readonly invocations: readonly PolicyInvocation<Policy, Binding, Evaluator>[];
  readonly misconfigured: readonly Misconfiguration<Policy, Binding>[];
}> {
  const invocations: PolicyInvocation<Policy, Binding, Evaluator>[] = [];
  const misconfigured: Misconfiguration<Policy, Binding>[] = [];
  for (const hook of hooks) {
    const { policy, criteria } = hook;
    let invocation: Invocation | undefined;
    let resource: ParamResource | undefined;
    try {
      if (!criteria) throw new Error('policy contained no match constraints, a required field');
      invocation = await matcher.match(criteria, attributes);
      if (!invocation) continue;
      resource = paramResource(policy.spec.paramKind, params);
    } catch (error) {
      misconfigured.push({ policy, binding: undefined, message: `failed to configure policy: ${textOf(error)}` });
      continue;
    }
    for (const { binding, criteria: narrower } of hook.bindings) {
      try {
        if (narrower && !(await matcher.match(narrower, attributes))) continue;
        const found = await collectParams(resource, binding.spec.paramRef, namespaceOf(attributes));
        for (const each of found) invocations.push({ hook, binding, invocation, params: each });
      } catch (error) {
        misconfigured.push({ policy, binding, message: `failed to configure binding: ${textOf(error)}` });
      }
    }
  }
  return { invocations, misconfigured };
}

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
