import type {
  Node,
  NodeSelector,
  NodeSelectorRequirement,
  NodeSelectorTerm,
  Pod,
  PreferredSchedulingTerm,
} from './generated/types.js';

type Labels = Readonly<Record<string, string>>;

const decimalInteger = /^[+-]?[0-9]+$/;

/** One requirement of a node selector against a value; a malformed one matches nothing. Source: core/v1 NodeSelectorOperator. */
export function requirementMatches({ operator, values }: NodeSelectorRequirement, value: string | undefined): boolean {
  switch (operator) {
    case 'In':
      return value !== undefined && (values ?? []).includes(value);
    case 'NotIn':
      return value === undefined || !(values ?? []).includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    case 'Gt':
    case 'Lt': {
      const bound = values?.length === 1 ? values[0]! : '';
      if (value === undefined || !decimalInteger.test(value) || !decimalInteger.test(bound)) return false;
      return operator === 'Gt' ? BigInt(value) > BigInt(bound) : BigInt(value) < BigInt(bound);
    }
    default:
      return false;
  }
}

/** All expressions and fields of the term; an empty term matches no node. The only field is `metadata.name`. */
export function nodeSelectorTermMatches(term: NodeSelectorTerm, labels: Labels, nodeName: string | undefined): boolean {
  const expressions = term.matchExpressions ?? [];
  const fields = term.matchFields ?? [];
  if (expressions.length === 0 && fields.length === 0) return false;
  for (const requirement of expressions) {
    if (!isWellFormed(requirement) || !requirementMatches(requirement, own(labels, requirement.key))) return false;
  }
  // Without a name there are no fields to test: volumes' node affinity is matched against labels alone.
  if (nodeName === undefined) return true;
  for (const requirement of fields) {
    if (requirement.values?.length !== 1 || (requirement.operator !== 'In' && requirement.operator !== 'NotIn')) return false;
    if (!requirementMatches(requirement, requirement.key === 'metadata.name' ? nodeName : '')) return false;
  }
  return true;
}

/** Any of the terms; a selector without terms matches nothing. */
export function nodeSelectorMatches(selector: NodeSelector, labels: Labels, nodeName?: string): boolean {
  for (const term of selector.nodeSelectorTerms ?? []) if (nodeSelectorTermMatches(term, labels, nodeName)) return true;
  return false;
}

/** The pod's `nodeSelector` and required node affinity, both, against a node. */
export function requiredNodeAffinityMatches(pod: Pod, node: Node): boolean {
  const labels = node.metadata.labels ?? {};
  const { nodeSelector } = pod.spec;
  if (nodeSelector) {
    for (const key in nodeSelector) if (own(labels, key) !== nodeSelector[key]) return false;
  }
  const required = pod.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  return !required || nodeSelectorMatches(required, labels, node.metadata.name);
}

/** The sum of the weights of the preferred terms that match. */
export function preferredNodeAffinityScore(terms: readonly PreferredSchedulingTerm[], node: Node): number {
  const labels = node.metadata.labels ?? {};
  let score = 0;
  for (const { weight, preference } of terms) {
    if (weight !== 0 && nodeSelectorTermMatches(preference, labels, node.metadata.name)) score += weight;
  }
  return score;
}

function isWellFormed({ operator, values }: NodeSelectorRequirement): boolean {
  return operator === 'Exists' || operator === 'DoesNotExist' ? !values?.length : Boolean(values?.length);
}

function own(labels: Labels, key: string): string | undefined {
  return Object.hasOwn(labels, key) ? labels[key] : undefined;
}
