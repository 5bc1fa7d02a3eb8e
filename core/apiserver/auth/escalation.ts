import { quote } from '../../machinery/field-errors.js';
import { badRequest, forbidden, notFound } from '../../machinery/status-error.js';
import type { Authorizer } from './authorizer.js';
import { resourceAttributes } from './authorizer.js';
import type { RbacAuthorizer } from './rbac-authorizer.js';
import type { ClusterRole, PolicyRule, RoleBinding } from './rbac-types.js';
import { rbacGroup } from './rbac-types.js';
import { compactRules, listText, ruleText, uncoveredRules } from './rule-coverage.js';
import type { UserInfo } from './user-info.js';
import { mastersGroup } from './user-info.js';

const fullAuthority: readonly PolicyRule[] = [
  { verbs: ['*'], apiGroups: ['*'], resources: ['*'] },
  { verbs: ['*'], nonResourceURLs: ['*'] },
];

export interface RoleWrite {
  readonly user: UserInfo;
  readonly resource: 'roles' | 'clusterroles';
  readonly role: ClusterRole;
  readonly old?: ClusterRole;
  /** From the URL; empty for cluster roles. */
  readonly namespace: string;
  /** From the URL: empty for creates. */
  readonly requestName: string;
}

export interface BindingWrite {
  readonly user: UserInfo;
  readonly resource: 'rolebindings' | 'clusterrolebindings';
  readonly binding: RoleBinding;
  /** From the URL; empty for cluster role bindings. */
  readonly namespace: string;
}

/**
 * Nobody hands out rights that they do not have, unless they may `escalate` the role or `bind` it. Called for creates and
 * updates of the four RBAC kinds, after defaulting; not for updates that only touch what garbage collection needs.
 * Source: pkg/registry/rbac (policybased, escalation_check, validation).
 */
export class EscalationGuard {
  readonly #rbac: RbacAuthorizer;
  readonly #authorizer: Authorizer;

  /** `authorizer` is the whole one: `escalate` and `bind` may be allowed by any of them. */
  constructor(rbac: RbacAuthorizer, authorizer: Authorizer) {
    this.#rbac = rbac;
    this.#authorizer = authorizer;
  }

  /** Throws 403. */
  checkRole(write: RoleWrite): void {
    const { user, resource, role, namespace } = write;
    if (user.groups.includes(mastersGroup)) return;
    const attributes = { user, verb: 'escalate', group: rbacGroup, version: '*', resource, namespace, name: write.requestName };
    if (this.#authorizer.authorize(resourceAttributes(attributes)).decision === 'allow') return;
    const subject = { group: rbacGroup, resource, name: role.metadata.name ?? '' };
    const missing = this.#missing(user, namespace, role.rules ?? []);
    if (missing) throw forbidden(subject, missing);
    // An aggregation gathers whatever carries its labels, so setting one up takes the right to everything.
    if ((hasAggregation(role) || hasAggregation(write.old)) && this.#missing(user, namespace, fullAuthority)) {
      throw forbidden(subject, 'must have cluster-admin privileges to use the aggregationRule');
    }
  }

  /** Throws 403, and 404 for a role that is not there. */
  checkBinding(write: BindingWrite): void {
    const { user, resource, binding, namespace } = write;
    if (user.groups.includes(mastersGroup)) return;
    const { roleRef } = binding;
    const roleResource = roleRef.kind === 'ClusterRole' ? 'clusterroles' : 'roles';
    const subject = { group: roleRef.apiGroup, resource: roleResource, name: roleRef.name };
    const attributes = { user, verb: 'bind', version: '*', namespace, ...subject };
    if (roleRef.kind === 'ClusterRole' || roleRef.kind === 'Role') {
      if (this.#authorizer.authorize(resourceAttributes(attributes)).decision === 'allow') return;
    }
    const rules = this.#rbac.resolve(roleRef, namespace);
    if (typeof rules === 'string') {
      if (roleRef.kind === 'ClusterRole' || roleRef.kind === 'Role') {
        // Upstream says that what was requested is not there, by the role's name.
        throw notFound({ group: rbacGroup, resource, name: roleRef.name });
      }
      throw badRequest(rules);
    }
    const missing = this.#missing(user, namespace, rules.rules);
    if (missing) throw forbidden({ group: rbacGroup, resource, name: binding.metadata.name ?? '' }, missing);
  }

  /** What is said to a user who does not hold all of the rules; undefined when they do. */
  #missing(user: UserInfo, namespace: string, rules: readonly PolicyRule[]): string | undefined {
    const held = this.#rbac.policyRulesFor(user, namespace);
    const missing = uncoveredRules(held.rules, rules);
    if (missing.length === 0) return undefined;
    const texts = [...new Set(compactRules(missing).map(ruleText))].sort();
    const who = `user ${quote(user.name)} (groups=${listText(user.groups)})`;
    const text = `${who} is attempting to grant RBAC permissions not currently held:\n${texts.join('\n')}`;
    if (held.errors.length === 0) return text;
    const errors = held.errors.length === 1 ? held.errors[0]! : `[${held.errors.join(', ')}]`;
    return `${text}; resolution errors: [${errors}]`;
  }
}

function hasAggregation(role: ClusterRole | undefined): boolean {
  return (role?.aggregationRule?.clusterRoleSelectors?.length ?? 0) > 0;
}
