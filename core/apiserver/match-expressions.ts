import type { MatchCondition } from '../api/generated/types.js';
import type { Clock } from '../base/clock.js';
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

/** Whether the conditions hold. */
export interface MatchOutcome {
  /** False as soon as one condition is false. */
  readonly matches: boolean;
  /** Why that cannot be told: no condition is false and one could not be evaluated, or they cost too much together. */
  readonly failure?: string;
  /** Conditions that could not be evaluated before one was false. */
  readonly errorCount: number;
  readonly seconds: number;
}

/** The conditions of one webhook, compiled. */
export interface MatchConditions {
  evaluate(variables: MatchVariables): Promise<MatchOutcome>;
}

/** What is wrong with an expression. */
export interface ExpressionFault {
  readonly detail: string;
  /** The expression is right; no program could be made of it. */
  readonly isInternal: boolean;
}

/** What CEL does for `matchConditions`. Upstream holds new expressions and stored ones to the same rules in this release. */
export interface MatchExpressionEngine {
  /** Undefined for a good one. Conditions of a policy may speak of `params` where it has some. */
  fault(expression: string, options?: { readonly hasParams?: boolean }): Promise<ExpressionFault | undefined>;
  /** Compiled when first used. */
  compile(conditions: readonly MatchCondition[]): MatchConditions;
}

/** Imports the CEL engine with the first expression: clusters without any do without its 17 MB. */
export function celMatchExpressions(authorizer: Authorizer, clock: Pick<Clock, 'monotonicMs'>): MatchExpressionEngine {
  const load = () => import('./cel-match-conditions.js');
  return {
    fault: async (expression, { hasParams = false } = {}) => (await load()).conditionFault(expression, hasParams),
    compile(conditions) {
      let compiled: Promise<MatchConditions> | undefined;
      return {
        async evaluate(variables) {
          compiled ??= load().then(({ CelMatchConditions }) => new CelMatchConditions(conditions, authorizer, clock));
          return (await compiled).evaluate(variables);
        },
      };
    },
  };
}
