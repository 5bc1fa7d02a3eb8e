import type { MatchCondition } from '../api/generated/types.js';
import type { KubeObject } from '../machinery/object.js';

/** What `matchConditions` may speak of. */
export interface MatchVariables {
  readonly object: Readonly<KubeObject> | undefined;
  readonly oldObject: Readonly<KubeObject> | undefined;
  /** `request` of an AdmissionReview, without its objects. */
  readonly request: Readonly<Record<string, unknown>>;
}

/** The conditions of one webhook, compiled. */
export interface MatchConditions {
  /** False as soon as one condition is false; rejects when none is and one could not be evaluated. */
  matches(variables: MatchVariables): Promise<boolean>;
}

/** Where the CEL engine is plugged in. */
export interface MatchExpressionEngine {
  /** What is wrong with an expression, undefined for a good one. Stored ones are not held to limits that came after them. */
  fault(expression: string, options: { readonly isStored: boolean }): string | undefined;
  compile(conditions: readonly MatchCondition[]): MatchConditions;
}

const missingEngine = 'match conditions cannot be used: this server does not evaluate CEL expressions yet';

/** Refuses every expression, so that none is stored that would not be heeded. */
export const noMatchExpressions: MatchExpressionEngine = {
  fault: () => missingEngine,
  compile: () => ({
    async matches() {
      throw new Error(missingEngine);
    },
  }),
};
