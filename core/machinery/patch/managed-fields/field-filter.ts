import { FieldSet, fieldSetOf, memberPath, recursiveDifference } from './field-set.js';
import type { PathElement } from './path-element.js';
import { fieldElement } from './path-element.js';

/** Takes out of a set what a request cannot own because its strategy resets it. */
export type FieldFilter = (set: FieldSet) => FieldSet;

/** Leaves out fields and all below them: `excludeFields('status', 'metadata.labels')`. */
export function excludeFields(...dottedPaths: string[]): FieldFilter {
  const excluded = fieldSetOf(dottedPaths.map(path => memberPath(...path.split('.'))));
  return set => recursiveDifference(set, excluded);
}

/** In a pattern of `includeFields`: any member or item. */
export const anyElement = Symbol('any element');

/** Keeps only fields below one of the patterns: `includeFields(['spec', 'containers', anyElement, 'resources'])`. */
export function includeFields(...patterns: (string | typeof anyElement)[][]): FieldFilter {
  const steps = patterns.map(pattern => pattern.map(step => (step === anyElement ? step : fieldElement(step))));
  return set => include(set, steps);
}

function include(set: FieldSet, patterns: readonly (readonly (PathElement | typeof anyElement)[])[]): FieldSet {
  const kept = new FieldSet();
  for (const [element, child] of set.children ?? []) {
    const matching = patterns
      .filter(pattern => pattern[0] === anyElement || pattern[0] === element)
      .map(pattern => pattern.slice(1));
    if (matching.length === 0) continue;
    const below = matching.some(pattern => pattern.length === 0) ? child : include(child, matching);
    const node = new FieldSet(child.member, below.children);
    if (!node.empty) (kept.children ??= new Map()).set(element, node);
  }
  return kept;
}
