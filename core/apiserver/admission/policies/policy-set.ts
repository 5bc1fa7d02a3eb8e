import type { KubeObject } from '../../../machinery/object.js';
import type { MatchCriteria } from './match-criteria.js';
import { compileCriteria } from './match-criteria.js';
import type { AdmissionPolicy, AdmissionPolicyBinding } from './policy-objects.js';

/** A policy with what binds it. */
export interface PolicyHook<Policy, Binding, Evaluator> {
  readonly policy: Policy;
  /** Undefined for a stored policy without `matchConstraints`. */
  readonly criteria: MatchCriteria | undefined;
  readonly evaluator: Evaluator;
  readonly bindings: readonly BoundPolicy<Binding>[];
}

export interface BoundPolicy<Binding> {
  readonly binding: Binding;
  /** Undefined: all that the policy is for. */
  readonly criteria: MatchCriteria | undefined;
}

/**
 * All policies of one kind that are bound, in the order of their names, each with its bindings in the order of theirs. Fed with
 * the objects (`policies` and `bindings` are feeds); selectors and rules are compiled when they change.
 */
export class PolicySet<Policy extends AdmissionPolicy, Binding extends AdmissionPolicyBinding, Evaluator> {
  readonly #evaluatorOf: (policy: Policy) => Evaluator;
  readonly #policies = new Map<string, Omit<PolicyHook<Policy, Binding, Evaluator>, 'bindings'>>();
  readonly #bindings = new Map<string, BoundPolicy<Binding>>();
  #hooks: readonly PolicyHook<Policy, Binding, Evaluator>[] | undefined = [];

  /** `evaluatorOf` is asked for every policy that is stored, bound or not, so it leaves the work for the first request. */
  constructor(evaluatorOf: (policy: Policy) => Evaluator) {
    this.#evaluatorOf = evaluatorOf;
  }

  readonly policies = {
    upsert: (object: KubeObject): void => {
      const policy = object as Policy;
      const { matchConstraints } = policy.spec;
      this.#policies.set(policy.metadata.name!, {
        policy,
        criteria: matchConstraints && compileCriteria(matchConstraints),
        evaluator: this.#evaluatorOf(policy),
      });
      this.#hooks = undefined;
    },
    delete: (_namespace: string, name: string): void => {
      this.#policies.delete(name);
      this.#hooks = undefined;
    },
  };

  readonly bindings = {
    upsert: (object: KubeObject): void => {
      const binding = object as Binding;
      const { matchResources } = binding.spec;
      this.#bindings.set(binding.metadata.name!, { binding, criteria: matchResources && compileCriteria(matchResources) });
      this.#hooks = undefined;
    },
    delete: (_namespace: string, name: string): void => {
      this.#bindings.delete(name);
      this.#hooks = undefined;
    },
  };

  /** Never changed in place: whoever walks it is done with what it was when they began. */
  get hooks(): readonly PolicyHook<Policy, Binding, Evaluator>[] {
    return (this.#hooks ??= this.#build());
  }

  #build(): PolicyHook<Policy, Binding, Evaluator>[] {
    const bound = new Map<string, BoundPolicy<Binding>[]>();
    for (const name of [...this.#bindings.keys()].sort()) {
      const each = this.#bindings.get(name)!;
      const policyName = each.binding.spec.policyName ?? '';
      bound.set(policyName, [...(bound.get(policyName) ?? []), each]);
    }
    return [...bound.keys()].sort().flatMap(name => {
      const policy = this.#policies.get(name);
      return policy ? [{ ...policy, bindings: bound.get(name)! }] : [];
    });
  }
}
