import { quote } from '../../machinery/field-errors.js';
import type { PolicyRule } from './rbac-types.js';

/**
 * The parts of `servantRules` that `ownerRules` do not allow, as rules of one verb, one resource and at most one name each.
 * Empty: the owner may hand the rules on. Source: component-helpers auth/rbac/validation.
 */
export function uncoveredRules(ownerRules: readonly PolicyRule[], servantRules: readonly PolicyRule[]): PolicyRule[] {
  const missing: PolicyRule[] = [];
  for (const servant of servantRules) {
    for (const part of breakDown(servant)) if (!ownerRules.some(owner => covers(owner, part))) missing.push(part);
  }
  return missing;
}

export function coversRules(ownerRules: readonly PolicyRule[], servantRules: readonly PolicyRule[]): boolean {
  return uncoveredRules(ownerRules, servantRules).length === 0;
}

function* breakDown(rule: PolicyRule): Iterable<PolicyRule> {
  const names = rule.resourceNames?.length ? rule.resourceNames : [undefined];
  for (const group of rule.apiGroups ?? []) {
    for (const resource of rule.resources ?? []) {
      for (const verb of rule.verbs) {
        for (const name of names) {
          const part = { verbs: [verb], apiGroups: [group], resources: [resource] };
          yield name === undefined ? part : { ...part, resourceNames: [name] };
        }
      }
    }
  }
  for (const url of rule.nonResourceURLs ?? []) for (const verb of rule.verbs) yield { verbs: [verb], nonResourceURLs: [url] };
}

/** `part` has one value in each of its lists. */
function covers(owner: PolicyRule, part: PolicyRule): boolean {
  if (!hasOrAll(owner.verbs, part.verbs[0])) return false;
  const url = part.nonResourceURLs?.[0];
  if (url !== undefined) return (owner.nonResourceURLs ?? []).some(pattern => urlCovers(pattern, url));
  if (!hasOrAll(owner.apiGroups, part.apiGroups?.[0])) return false;
  if (!resourceCovers(owner.resources ?? [], part.resources?.[0] ?? '')) return false;
  if (!owner.resourceNames?.length) return true;
  const name = part.resourceNames?.[0];
  return name !== undefined && owner.resourceNames.includes(name);
}

function hasOrAll(values: readonly string[] | undefined, value: string | undefined): boolean {
  return values !== undefined && (values.includes('*') || (value !== undefined && values.includes(value)));
}

function resourceCovers(owned: readonly string[], resource: string): boolean {
  if (owned.includes('*') || owned.includes(resource)) return true;
  const slash = resource.indexOf('/');
  return slash >= 0 && owned.includes(`*/${resource.slice(slash + 1)}`);
}

function urlCovers(pattern: string, url: string): boolean {
  return pattern === url || (pattern.endsWith('*') && url.startsWith(pattern.replace(/\*+$/, '')));
}

/** Rules that differ only in their verb as one. For rules as `uncoveredRules` gives them. */
export function compactRules(rules: readonly PolicyRule[]): PolicyRule[] {
  const compact: PolicyRule[] = [];
  const simple = new Map<string, PolicyRule>();
  for (const rule of rules) {
    const isSimple =
      rule.apiGroups?.length === 1 &&
      rule.resources?.length === 1 &&
      (rule.resourceNames?.length ?? 0) <= 1 &&
      !rule.nonResourceURLs?.length;
    if (!isSimple) {
      compact.push(rule);
      continue;
    }
    const key = JSON.stringify([rule.apiGroups, rule.resources, rule.resourceNames ?? []]);
    const known = simple.get(key);
    if (known) known.verbs.push(...rule.verbs);
    else simple.set(key, { ...rule, verbs: [...rule.verbs] });
  }
  return [...compact, ...simple.values()];
}

/** `{APIGroups:["apps"], Resources:["deployments"], Verbs:["get" "list"]}`: a rule as error messages have it. */
export function ruleText(rule: PolicyRule): string {
  const parts: string[] = [];
  const add = (title: string, values: readonly string[] | undefined): void => {
    if (values?.length) parts.push(`${title}:${listText(values)}`);
  };
  add('APIGroups', rule.apiGroups);
  add('Resources', rule.resources);
  add('NonResourceURLs', rule.nonResourceURLs);
  add('ResourceNames', rule.resourceNames);
  add('Verbs', rule.verbs);
  return `{${parts.join(', ')}}`;
}

/** Go's %q of a list of strings. */
export function listText(values: readonly string[]): string {
  return `[${values.map(quote).join(' ')}]`;
}
