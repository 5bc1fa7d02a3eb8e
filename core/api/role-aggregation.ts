import { labelSelectorFromObject } from '../machinery/label-selector.js';
import { jsonEqual } from '../machinery/object.js';
import type { ObjectMeta } from '../machinery/object.js';

interface PolicyRule {
  verbs: string[];
  apiGroups?: string[];
  resources?: string[];
  resourceNames?: string[];
  nonResourceURLs?: string[];
}

/** As much of a ClusterRole as aggregation reads. */
export interface AggregatingRole {
  readonly metadata: Partial<ObjectMeta>;
  readonly rules?: PolicyRule[];
  readonly aggregationRule?: {
    clusterRoleSelectors?: {
      matchLabels?: Record<string, string>;
      matchExpressions?: { key: string; operator: string; values?: string[] }[];
    }[];
  };
}

/**
 * The rules that an aggregated cluster role shall have: those of all roles that its selectors fit, by name, each rule once.
 * Undefined when the role aggregates nothing or has these rules already. Whoever writes them uses server-side apply as
 * `clusterrole-aggregation-controller`. Throws INVALID_SELECTOR. Source: pkg/controller/clusterroleaggregation.
 */
export function aggregateRules(role: AggregatingRole, allRoles: Iterable<AggregatingRole>): PolicyRule[] | undefined {
  if (!role.aggregationRule) return undefined;
  const sorted = [...allRoles].sort((a, b) => compare(a.metadata.name ?? '', b.metadata.name ?? ''));
  const rules: PolicyRule[] = [];
  const seen = new Set<string>();
  for (const object of role.aggregationRule.clusterRoleSelectors ?? []) {
    const selector = labelSelectorFromObject(object);
    for (const source of sorted) {
      if (source.metadata.name === role.metadata.name || !selector.matches(source.metadata.labels)) continue;
      for (const rule of source.rules ?? []) {
        const key = ruleKey(rule);
        if (seen.has(key)) continue;
        seen.add(key);
        rules.push(rule);
      }
    }
  }
  return jsonEqual(rules.map(ruleKey), (role.rules ?? []).map(ruleKey)) ? undefined : rules;
}

/** Equal for rules that mean the same to Go's semantic equality: absent and empty lists are one. */
function ruleKey(rule: PolicyRule): string {
  const { verbs, apiGroups, resources, resourceNames, nonResourceURLs } = rule;
  return JSON.stringify([verbs, apiGroups ?? [], resources ?? [], resourceNames ?? [], nonResourceURLs ?? []]);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
