import type { MatchCondition } from '../api/generated/types.js';
import type { ResourceParts } from '../machinery/cel/libraries/authorizer.js';
import type { Authorizer } from './auth/authorizer.js';
import type { UserInfo } from './auth/user-info.js';

/** What `matchConditions` may speak of. */
export interface MatchVariables {
  /** Asked for when an expression reads it. As JSON; undefined where there is none. */
  readonly object: object | undefined;
  readonly oldObject: object | undefined;
  /** `request` of an AdmissionReview, without its objects. */
  readonly request: Readonly<Record<string, unknown>>;
  readonly user: UserInfo;
  /** What `authorizer.requestResource` is about. */
  readonly target: ResourceParts;
}

/** The conditions of one webhook, compiled. */
export interface MatchConditions {
  /**
   * False as soon as one condition is false; rejects with EVALUATION when none is and one could not be evaluated, or when they
   * cost too much together.
   */
  matches(variables: MatchVariables): Promise<boolean>;
}

/** What is wrong with an expression. */
export interface ExpressionFault {
  readonly detail: string;
  /** The expression is right; no program could be made of it. */
  readonly isInternal: boolean;
}

/** What CEL does for `matchConditions`. Upstream holds new expressions and stored ones to the same rules in this release. */
export interface MatchExpressionEngine {
  /** Undefined for a good one. */
  fault(expression: string): Promise<ExpressionFault | undefined>;
  /** Compiled when first used. */
  compile(conditions: readonly MatchCondition[]): MatchConditions;
}

/** An expression failed; the code of an error. */
export const evaluationFailed = 'EVALUATION';

/** Imports the CEL engine with the first expression: clusters without any do without its 17 MB. */
export function celMatchExpressions(authorizer: Authorizer): MatchExpressionEngine {
  const load = () => import('./cel-match-conditions.js');
  return {
    fault: async expression => (await load()).conditionFault(expression),
    compile(conditions) {
      let compiled: Promise<MatchConditions> | undefined;
      return {
        async matches(variables) {
          compiled ??= load().then(({ CelMatchConditions }) => new CelMatchConditions(conditions, authorizer));
          return (await compiled).matches(variables);
        },
      };
    },
  };
}
