import type { Attributes } from './authorizer.js';
import type { PolicyRule } from './rbac-types.js';

/** What one rule grants on one resource or path. */
interface Grant {
  /** Undefined stands for all verbs. */
  readonly verbs: ReadonlySet<string> | undefined;
  /** Undefined stands for all names. */
  readonly names: ReadonlySet<string> | undefined;
}

type GrantsByResource = Map<string, Grant[]>;

/**
 * Rules of a role, indexed by group and resource, so that a check is a few map look-ups however many rules the role has.
 * Source of the matching rules: rbac/v1 evaluation helpers.
 */
export class CompiledRules {
  readonly rules: readonly PolicyRule[];
  readonly #byGroup = new Map<string, GrantsByResource>();
  readonly #byPath = new Map<string, Grant[]>();
  readonly #byPathPrefix: { readonly prefix: string; readonly grant: Grant }[] = [];

  constructor(rules: readonly PolicyRule[]) {
    this.rules = rules;
    for (const rule of rules) this.#add(rule);
  }

  allows(attributes: Attributes): boolean {
    if (!attributes.resourceRequest) return this.#allowsPath(attributes);
    const { group } = attributes;
    const exact = this.#byGroup.get(group);
    if (exact && allowsResource(exact, attributes)) return true;
    if (group === '*') return false;
    const all = this.#byGroup.get('*');
    return all !== undefined && allowsResource(all, attributes);
  }

  #add(rule: PolicyRule): void {
    const grant: Grant = {
      verbs: rule.verbs.includes('*') ? undefined : new Set(rule.verbs),
      names: rule.resourceNames?.length ? new Set(rule.resourceNames) : undefined,
    };
    for (const group of rule.apiGroups ?? []) {
      const resources = getOrCreate(this.#byGroup, group, () => new Map<string, Grant[]>());
      for (const resource of rule.resources ?? []) getOrCreate(resources, resource, () => []).push(grant);
    }
    for (const path of rule.nonResourceURLs ?? []) {
      getOrCreate(this.#byPath, path, () => []).push(grant);
      if (path.endsWith('*')) this.#byPathPrefix.push({ prefix: path.replace(/\*+$/, ''), grant });
    }
  }

  #allowsPath({ path, verb }: Attributes): boolean {
    for (const grant of this.#byPath.get(path) ?? []) if (allowsVerb(grant, verb)) return true;
    for (const { prefix, grant } of this.#byPathPrefix) if (path.startsWith(prefix) && allowsVerb(grant, verb)) return true;
    return false;
  }
}

function allowsResource(resources: GrantsByResource, attributes: Attributes): boolean {
  const { resource, subresource } = attributes;
  if (subresource) {
    if (anyAllows(resources.get(`${resource}/${subresource}`), attributes)) return true;
    if (anyAllows(resources.get(`*/${subresource}`), attributes)) return true;
  } else if (anyAllows(resources.get(resource), attributes)) return true;
  return anyAllows(resources.get('*'), attributes);
}

function anyAllows(grants: readonly Grant[] | undefined, { verb, name }: Attributes): boolean {
  if (!grants) return false;
  for (const grant of grants) if (allowsVerb(grant, verb) && (!grant.names || grant.names.has(name))) return true;
  return false;
}

function allowsVerb(grant: Grant, verb: string): boolean {
  return grant.verbs === undefined || grant.verbs.has(verb);
}

function getOrCreate<K, V>(map: Map<K, V>, key: K, create: () => V): V {
  let value = map.get(key);
  if (value === undefined) {
    value = create();
    map.set(key, value);
  }
  return value;
}
