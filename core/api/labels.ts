import type { LabelSelector } from './generated/types.js';

export type LabelSet = Readonly<Record<string, string>>;
export type LabelMatcher = (labels: LabelSet | undefined) => boolean;

const nothing: LabelMatcher = () => false;
const noLabels: LabelSet = {};

/** A selector's predicate: an absent selector matches nothing, an empty one everything. Source: meta/v1 LabelSelectorAsSelector. */
export function selectorMatcher(selector: LabelSelector | undefined | null): LabelMatcher {
  if (!selector) return nothing;
  const equal = Object.entries(selector.matchLabels ?? {});
  const expressions = (selector.matchExpressions ?? []).map(({ key, operator, values }): ((labels: LabelSet) => boolean) => {
    const wanted = new Set(values ?? []);
    switch (operator) {
      case 'In':
        return labels => Object.hasOwn(labels, key) && wanted.has(labels[key]!);
      case 'NotIn':
        return labels => !Object.hasOwn(labels, key) || !wanted.has(labels[key]!);
      case 'Exists':
        return labels => Object.hasOwn(labels, key);
      case 'DoesNotExist':
        return labels => !Object.hasOwn(labels, key);
      default:
        // An operator that validation would refuse selects nothing rather than too much.
        return nothing;
    }
  });
  return (labels = noLabels) =>
    equal.every(([key, value]) => Object.hasOwn(labels, key) && labels[key] === value) &&
    expressions.every(matches => matches(labels));
}

export function isEmptySelector(selector: LabelSelector | undefined | null): boolean {
  return (
    selector !== undefined &&
    selector !== null &&
    Object.keys(selector.matchLabels ?? {}).length === 0 &&
    (selector.matchExpressions ?? []).length === 0
  );
}

/** Whether `labels` has every pair of `wanted`. */
export function labelsContain(labels: LabelSet | undefined, wanted: LabelSet | undefined): boolean {
  for (const key in wanted) if (labels?.[key] !== wanted[key]) return false;
  return true;
}

/** A copy of `selector` that also asks for `key` = `value`. */
export function selectorWithLabel(selector: LabelSelector | undefined, key: string, value: string): LabelSelector {
  return { ...selector, matchLabels: { ...selector?.matchLabels, [key]: value } };
}
