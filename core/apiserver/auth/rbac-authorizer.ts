import { quote } from '../../machinery/field-errors.js';
import type { Attributes, Authorizer, RuleResolver, UserRules, Verdict } from './authorizer.js';
import { noOpinion, noOpinionBecause } from './authorizer.js';
import type { CompiledRules } from './compiled-rules.js';
import type { PolicyRule, RoleRef } from './rbac-types.js';
import { rbacGroup } from './rbac-types.js';
import type { UserInfo } from './user-info.js';

/** A binding, seen from one of its subjects. */
export interface SubjectBinding {
  readonly roleRef: RoleRef;
  /** What an allowed request says in the audit log. */
  readonly reason: string;
}

/** Where the authorizer finds roles and bindings. The empty namespace stands for cluster role bindings. */
export interface RoleSource {
  role(namespace: string, name: string): CompiledRules | undefined;
  clusterRole(name: string): CompiledRules | undefined;
  bindingsOfUser(namespace: string, username: string): Iterable<SubjectBinding> | undefined;
  bindingsOfGroup(namespace: string, group: string): Iterable<SubjectBinding> | undefined;
}

/** Role-based access control. Source: plugin/pkg/auth/authorizer/rbac. */
export class RbacAuthorizer implements Authorizer, RuleResolver {
  readonly #source: RoleSource;

  constructor(source: RoleSource) {
    this.#source = source;
  }

  authorize(attributes: Attributes): Verdict {
    const errors: string[] = [];
    const verdict =
      this.#check(attributes, '', errors) ??
      (attributes.namespace ? this.#check(attributes, attributes.namespace, errors) : undefined);
    if (verdict) return verdict;
    return errors.length === 0 ? noOpinion : noOpinionBecause(`RBAC: ${aggregateText(errors)}`);
  }

  rulesFor(user: UserInfo, namespace: string): UserRules {
    const { rules, errors } = this.policyRulesFor(user, namespace);
    return {
      resourceRules: rules
        .filter(rule => rule.resources?.length)
        .map(({ verbs, apiGroups, resources, resourceNames }) => ({
          verbs,
          apiGroups,
          resources,
          ...(resourceNames ? { resourceNames } : {}),
        })),
      nonResourceRules: rules
        .filter(rule => rule.nonResourceURLs?.length)
        .map(({ verbs, nonResourceURLs }) => ({ verbs, nonResourceURLs })),
      incomplete: false,
      evaluationError: errors.length > 0 ? aggregateText(errors) : '',
    };
  }

  /** Every rule that applies to a user in a namespace (the cluster's for the empty one), and what could not be resolved. */
  policyRulesFor(user: UserInfo, namespace: string): { rules: PolicyRule[]; errors: string[] } {
    const rules: PolicyRule[] = [];
    const errors: string[] = [];
    for (const scope of namespace ? ['', namespace] : ['']) {
      const seen = new Set<RoleRef>();
      for (const binding of this.#bindingsOf(user, scope)) {
        if (seen.has(binding.roleRef)) continue;
        seen.add(binding.roleRef);
        const resolved = this.resolve(binding.roleRef, scope);
        if (typeof resolved === 'string') errors.push(resolved);
        else rules.push(...resolved.rules);
      }
    }
    return { rules, errors };
  }

  /** The rules that a binding in `namespace` refers to, or the text of why there are none. */
  resolve(roleRef: RoleRef, namespace: string): CompiledRules | string {
    if (roleRef.kind === 'ClusterRole') {
      return this.#source.clusterRole(roleRef.name) ?? `clusterrole.${rbacGroup} ${quote(roleRef.name)} not found`;
    }
    if (roleRef.kind === 'Role') {
      return this.#source.role(namespace, roleRef.name) ?? `role.${rbacGroup} ${quote(roleRef.name)} not found`;
    }
    return `unsupported role reference kind: ${quote(roleRef.kind)}`;
  }

  #check(attributes: Attributes, scope: string, errors: string[]): Verdict | undefined {
    const { user } = attributes;
    const found = this.#checkBindings(this.#source.bindingsOfUser(scope, user.name), attributes, { scope, errors });
    if (found) return found;
    for (const group of user.groups) {
      const ofGroup = this.#checkBindings(this.#source.bindingsOfGroup(scope, group), attributes, { scope, errors });
      if (ofGroup) return ofGroup;
    }
    return undefined;
  }

  #checkBindings(
    bindings: Iterable<SubjectBinding> | undefined,
    attributes: Attributes,
    { scope, errors }: { scope: string; errors: string[] },
  ): Verdict | undefined {
    if (!bindings) return undefined;
    for (const binding of bindings) {
      const rules = this.resolve(binding.roleRef, scope);
      if (typeof rules === 'string') {
        if (!errors.includes(rules)) errors.push(rules);
      } else if (rules.allows(attributes)) return { decision: 'allow', reason: binding.reason };
    }
    return undefined;
  }

  *#bindingsOf(user: UserInfo, scope: string): Iterable<SubjectBinding> {
    yield* this.#source.bindingsOfUser(scope, user.name) ?? [];
    for (const group of new Set(user.groups)) yield* this.#source.bindingsOfGroup(scope, group) ?? [];
  }
}

/** How Go prints several errors as one. */
export function aggregateText(errors: readonly string[]): string {
  return errors.length === 1 ? errors[0]! : `[${errors.join(', ')}]`;
}
