import type { FieldRequirement } from '../../machinery/field-selector.js';
import type { LabelRequirement } from '../../machinery/label-selector.js';
import type { UserInfo } from './user-info.js';
import { mastersGroup } from './user-info.js';

/** What a request wants to do. For paths that are no resource only user, verb and path count. */
export interface Attributes {
  readonly user: UserInfo;
  /** `get`, `list`, `watch`, `create` ...; the method in lower case for paths that are no resource. */
  readonly verb: string;
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly subresource: string;
  /** Empty at the cluster scope. */
  readonly namespace: string;
  /** Empty for collections and creates. */
  readonly name: string;
  readonly path: string;
  readonly resourceRequest: boolean;
  readonly fieldSelector?: readonly FieldRequirement[];
  readonly labelSelector?: readonly LabelRequirement[];
}

const noAttributes = {
  verb: '',
  group: '',
  version: '',
  resource: '',
  subresource: '',
  namespace: '',
  name: '',
  path: '',
} as const;

/** Attributes of a resource request, with all that is not given empty. */
export function resourceAttributes(
  given: Pick<Attributes, 'user' | 'verb' | 'resource'> & Partial<Omit<Attributes, 'resourceRequest'>>,
): Attributes {
  return { ...noAttributes, ...given, resourceRequest: true };
}

/** Attributes of a request for a path that is no resource. */
export function pathAttributes(user: UserInfo, verb: string, path: string): Attributes {
  return { ...noAttributes, user, verb, path, resourceRequest: false };
}

export interface Verdict {
  readonly decision: 'allow' | 'deny' | 'no-opinion';
  /** Why, for the audit log and, when refused, for the client. May be empty. */
  readonly reason: string;
}

export const noOpinion: Verdict = { decision: 'no-opinion', reason: '' };

export function noOpinionBecause(reason: string): Verdict {
  return { decision: 'no-opinion', reason };
}

/** Says whether a request may go on. Asked for every request, so it answers at once: no I/O, no promises. */
export interface Authorizer {
  authorize(attributes: Attributes): Verdict;
}

/** May answer what a user can do in a namespace (SelfSubjectRulesReview). */
export interface RuleResolver {
  rulesFor(user: UserInfo, namespace: string): UserRules;
}

export interface ResourceRule {
  readonly verbs: readonly string[];
  readonly apiGroups?: readonly string[];
  readonly resources?: readonly string[];
  readonly resourceNames?: readonly string[];
}

export interface NonResourceRule {
  readonly verbs: readonly string[];
  readonly nonResourceURLs?: readonly string[];
}

export interface UserRules {
  readonly resourceRules: readonly ResourceRule[];
  readonly nonResourceRules: readonly NonResourceRule[];
  /** The user may be allowed more than the rules say. */
  readonly incomplete: boolean;
  readonly evaluationError: string;
}

/** `system:masters` may do everything. */
export class MastersAuthorizer implements Authorizer, RuleResolver {
  authorize(attributes: Attributes): Verdict {
    return attributes.user.groups.includes(mastersGroup) ? { decision: 'allow', reason: '' } : noOpinion;
  }

  rulesFor(user: UserInfo): UserRules {
    if (!user.groups.includes(mastersGroup)) return noRules;
    return {
      resourceRules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }],
      nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['*'] }],
      incomplete: false,
      evaluationError: '',
    };
  }
}

const noRules: UserRules = { resourceRules: [], nonResourceRules: [], incomplete: false, evaluationError: '' };

/** Asks one authorizer after the other; the first that allows or denies decides. */
export class UnionAuthorizer implements Authorizer, RuleResolver {
  readonly #members: readonly (Authorizer & Partial<RuleResolver>)[];

  constructor(members: readonly (Authorizer & Partial<RuleResolver>)[]) {
    this.#members = members;
  }

  authorize(attributes: Attributes): Verdict {
    let reasons = '';
    for (const member of this.#members) {
      const verdict = member.authorize(attributes);
      if (verdict.decision !== 'no-opinion') return verdict;
      if (verdict.reason) reasons = reasons ? `${reasons}\n${verdict.reason}` : verdict.reason;
    }
    return reasons ? noOpinionBecause(reasons) : noOpinion;
  }

  rulesFor(user: UserInfo, namespace: string): UserRules {
    const all = this.#members.flatMap(member => member.rulesFor?.(user, namespace) ?? []);
    return {
      resourceRules: all.flatMap(rules => rules.resourceRules),
      nonResourceRules: all.flatMap(rules => rules.nonResourceRules),
      incomplete: all.some(rules => rules.incomplete),
      evaluationError: all
        .map(rules => rules.evaluationError)
        .filter(error => error !== '')
        .join(', '),
    };
  }
}
