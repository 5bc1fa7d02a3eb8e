import type { AuditPolicyRule, GroupResources, Policy } from '../../api/generated/types.js';
import type { Attributes } from '../auth/authorizer.js';

/** How much is written down of a request, from nothing to both bodies. */
export type AuditLevel = 'None' | 'Metadata' | 'Request' | 'RequestResponse';
export type AuditStage = 'RequestReceived' | 'ResponseStarted' | 'ResponseComplete' | 'Panic';

export const auditLevels: readonly AuditLevel[] = ['None', 'Metadata', 'Request', 'RequestResponse'];
export const auditStages: readonly AuditStage[] = ['RequestReceived', 'ResponseStarted', 'ResponseComplete', 'Panic'];

/** What the policy says of a request. */
export interface AuditDecision {
  readonly level: AuditLevel;
  readonly omitStages: ReadonlySet<string>;
  readonly omitManagedFields: boolean;
}

/** Of a request whose credentials are not good, nobody knows the user. */
export type AuditedAttributes = Omit<Attributes, 'user'> & { readonly user: Attributes['user'] | undefined };

interface CompiledRule {
  readonly decision: AuditDecision;
  readonly users: ReadonlySet<string> | undefined;
  readonly userGroups: ReadonlySet<string> | undefined;
  readonly verbs: ReadonlySet<string> | undefined;
  readonly namespaces: ReadonlySet<string> | undefined;
  readonly resources: readonly GroupResources[];
  readonly nonResourceUrls: readonly string[];
}

/** Which level each request has: that of the first rule that it matches. Source: apiserver pkg/audit/policy/checker.go. */
export class AuditPolicy {
  readonly #rules: readonly CompiledRule[];
  readonly #otherwise: AuditDecision;

  constructor({ rules, omitStages = [], omitManagedFields = false }: Pick<Policy, 'rules' | 'omitStages' | 'omitManagedFields'>) {
    this.#rules = rules.map(rule => ({
      decision: {
        level: rule.level as AuditLevel,
        omitStages: new Set([...omitStages, ...(rule.omitStages ?? [])]),
        omitManagedFields: rule.omitManagedFields ?? omitManagedFields,
      },
      users: setOf(rule.users),
      userGroups: setOf(rule.userGroups),
      verbs: setOf(rule.verbs),
      namespaces: setOf(rule.namespaces),
      resources: rule.resources ?? [],
      nonResourceUrls: rule.nonResourceURLs ?? [],
    }));
    this.#otherwise = { level: 'None', omitStages: new Set(omitStages), omitManagedFields };
  }

  decide(attributes: AuditedAttributes): AuditDecision {
    for (const rule of this.#rules) if (matches(rule, attributes)) return rule.decision;
    return this.#otherwise;
  }
}

function setOf(values: AuditPolicyRule['users']): ReadonlySet<string> | undefined {
  return values?.length ? new Set(values) : undefined;
}

function matches(rule: CompiledRule, attributes: AuditedAttributes): boolean {
  const { user, verb, resourceRequest } = attributes;
  if (rule.users && !(user && rule.users.has(user.name))) return false;
  const { userGroups } = rule;
  if (userGroups && !user?.groups.some(group => userGroups.has(group))) return false;
  if (rule.verbs && !rule.verbs.has(verb)) return false;
  if (rule.namespaces || rule.resources.length > 0) return resourceRequest && matchesResource(rule, attributes);
  if (rule.nonResourceUrls.length === 0) return true;
  return !resourceRequest && rule.nonResourceUrls.some(url => matchesPath(attributes.path, url));
}

function matchesPath(path: string, url: string): boolean {
  if (url === '*' || url === path) return true;
  return url.endsWith('*') && path.startsWith(url.replace(/\*+$/, ''));
}

function matchesResource({ namespaces, resources }: CompiledRule, attributes: AuditedAttributes): boolean {
  const { namespace, group, resource, subresource, name } = attributes;
  // What has no namespace has an empty one.
  if (namespaces && !namespaces.has(namespace)) return false;
  if (resources.length === 0) return true;
  const combined = subresource ? `${resource}/${subresource}` : resource;
  return resources.some(each => {
    if (each.group !== '*' && (each.group ?? '') !== group) return false;
    if (!each.resources?.length) return true;
    if (each.resourceNames?.length && !each.resourceNames.includes(name)) return false;
    return each.resources.some(
      wanted =>
        wanted === '*' ||
        wanted === combined ||
        wanted === `${resource}/*` ||
        (subresource !== '' && wanted === `*/${subresource}`),
    );
  });
}
