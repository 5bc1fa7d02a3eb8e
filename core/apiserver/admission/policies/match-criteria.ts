import type { MatchResources, NamedRuleWithOperations } from '../../../api/generated/types.js';
import type { AdmissionAttributes } from '../../../contracts/admission.js';
import type { ObjectLookup } from '../object-lookup.js';
import type { CompiledRule, CompiledSelector } from '../request-matching.js';
import {
  circumstancesMatch,
  compileRule,
  compileSelector,
  invocationOf,
  matchesNamespace,
  matchesObject,
  ruleMatches,
} from '../request-matching.js';
import type { AdmissionShapes, Invocation, ResourceName } from '../webhooks/admission-shapes.js';

interface NamedRule {
  readonly rule: CompiledRule;
  /** None: any name. */
  readonly names: readonly string[];
}

/** `matchConstraints` of a policy or `matchResources` of a binding, in the form in which requests are held against it. */
export interface MatchCriteria {
  readonly namespaceSelector: CompiledSelector;
  readonly objectSelector: CompiledSelector;
  /** None: any request. */
  readonly rules: readonly NamedRule[];
  readonly excluded: readonly NamedRule[];
  readonly matchesEquivalents: boolean;
}

export function compileCriteria(resources: MatchResources): MatchCriteria {
  return {
    namespaceSelector: compileSelector(resources.namespaceSelector),
    objectSelector: compileSelector(resources.objectSelector),
    rules: (resources.resourceRules ?? []).map(compileNamed),
    excluded: (resources.excludeResourceRules ?? []).map(compileNamed),
    matchesEquivalents: resources.matchPolicy === 'Equivalent',
  };
}

function compileNamed(rule: NamedRuleWithOperations): NamedRule {
  return { rule: compileRule(rule), names: rule.resourceNames ?? [] };
}

/** Says which requests policies and bindings are for. Source: apiserver pkg/admission/plugin/policy/matching. */
export class CriteriaMatcher {
  readonly #lookup: ObjectLookup;
  readonly #shapes: AdmissionShapes;

  constructor(lookup: ObjectLookup, shapes: AdmissionShapes) {
    this.#lookup = lookup;
    this.#shapes = shapes;
  }

  /**
   * The name under which the request is for the policy; undefined: it is not. Rejects where that cannot be told: for a selector
   * that cannot be read, and with NotFound for a namespace.
   */
  async match(criteria: MatchCriteria, attributes: AdmissionAttributes): Promise<Invocation | undefined> {
    // The cheapest first; that an unreadable selector or a missing namespace only counts where the rules match is upstream's.
    const { rules, excluded } = criteria;
    const found = rules.length
      ? this.#find(rules, criteria, attributes)
      : invocationOf(this.#shapes, attributes, attributes.subresource);
    if (!found || this.#find(excluded, criteria, attributes)) return undefined;
    const namespace = await settled(() => matchesNamespace(criteria.namespaceSelector, attributes, this.#lookup));
    const object = await settled(() => matchesObject(criteria.objectSelector, attributes));
    // What one selector says counts even where the other cannot be read.
    if (namespace === false || object === false) return undefined;
    for (const failure of [namespace, object]) if (failure !== true) throw failure.error;
    return found;
  }

  #find(
    rules: readonly NamedRule[],
    { matchesEquivalents }: MatchCriteria,
    attributes: AdmissionAttributes,
  ): Invocation | undefined {
    const { subresource, name } = attributes;
    const isNamed = ({ names }: NamedRule): boolean => names.length === 0 || names.includes(name);
    for (const each of rules) {
      if (ruleMatches(each.rule, attributes, attributes) && isNamed(each))
        return invocationOf(this.#shapes, attributes, subresource);
    }
    if (!matchesEquivalents) return undefined;
    let others: readonly ResourceName[] | undefined;
    for (const each of rules) {
      if (!circumstancesMatch(each.rule, attributes) || !isNamed(each)) continue;
      others ??= this.#shapes.equivalents(attributes, subresource);
      for (const other of others) {
        if (ruleMatches(each.rule, other, attributes)) return invocationOf(this.#shapes, other, subresource);
      }
    }
    return undefined;
  }
}

async function settled(question: () => boolean | Promise<boolean>): Promise<boolean | { readonly error: unknown }> {
  try {
    return await question();
  } catch (error) {
    return { error };
  }
}
