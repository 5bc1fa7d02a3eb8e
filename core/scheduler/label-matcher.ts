import { LabelSelector, labelSelectorFromMap, labelSelectorFromObject } from '../machinery/label-selector.js';
import type { LabelSelectorObject, Labels } from '../machinery/label-selector.js';

/** A label selector with a key: equal keys match the same labels, so counts may be remembered by it. */
export class LabelMatcher {
  readonly #selector: LabelSelector;
  readonly key: string;

  constructor(selector: LabelSelector) {
    this.#selector = selector;
    this.key = selector.matchesNothing ? '!' : selector.toString();
  }

  static readonly nothing = new LabelMatcher(LabelSelector.nothing);
  static readonly everything = new LabelMatcher(LabelSelector.everything);

  /** Absent selects nothing, an empty selector everything. Throws INVALID_SELECTOR. */
  static of(selector: LabelSelectorObject | undefined): LabelMatcher {
    if (!selector) return LabelMatcher.nothing;
    const compiled = labelSelectorFromObject(selector);
    return compiled.empty ? LabelMatcher.everything : new LabelMatcher(compiled);
  }

  /** Every label of the set; an empty set matches everything. */
  static ofLabels(labels: Labels): LabelMatcher {
    return new LabelMatcher(labelSelectorFromMap(labels));
  }

  get isEverything(): boolean {
    return this.#selector.empty;
  }

  matches(labels: Labels | undefined): boolean {
    return this.#selector.matches(labels);
  }

  and(other: LabelMatcher): LabelMatcher {
    return new LabelMatcher(this.#selector.and(other.#selector));
  }
}
