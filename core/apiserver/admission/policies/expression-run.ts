import type { CelValue } from '../../../machinery/cel/values.js';
import { aggregateText } from '../../auth/rbac-authorizer.js';
import type { MatchOutcome } from '../../match-expressions.js';
import type { AdmissionActivation } from './admission-activation.js';
import type { CompiledExpression } from './admission-environment.js';
import { outOfBudgetText } from './budget-text.js';

/** The most that all conditions of a webhook or policy may cost for one request. Source: RuntimeCELCostBudgetMatchConditions. */
const conditionsBudget = 2_500_000;
/** The most that the validations of a policy and, apart from them, its audit annotations may cost. Source: RuntimeCELCostBudget. */
export const policyBudget = 10_000_000;

/** How one expression ended. */
export type ExpressionOutcome = { readonly seconds: number } & ({ readonly value: CelValue } | { readonly error: string });

/** All that ran, with what is left of the budget; or the budget ran out, and nothing of it counts. */
export type RunResult =
  | { readonly outcomes: readonly (ExpressionOutcome | undefined)[]; readonly remaining: number }
  | { readonly failure: string };

/** Milliseconds that only ever grow. */
export type Stopwatch = () => number;

/** Evaluates one expression after the other; where there is none there is no outcome. Source: apiserver pkg/admission/plugin/cel/condition.go. */
export function runExpressions(
  expressions: readonly (CompiledExpression | undefined)[],
  activation: AdmissionActivation,
  budget: number,
  stopwatch: Stopwatch,
): RunResult {
  const outcomes: (ExpressionOutcome | undefined)[] = [];
  let remaining = budget;
  for (const compiled of expressions) {
    if (!compiled) outcomes.push(undefined);
    else if ('fault' in compiled) outcomes.push({ error: `compilation error: ${compiled.fault.detail}`, seconds: 0 });
    else {
      const startMs = stopwatch();
      const result = compiled.program.evaluate(activation);
      const seconds = (stopwatch() - startMs) / 1000;
      remaining -= activation.takeComposedCost() + result.cost;
      if (remaining < 0) return { failure: outOfBudgetText };
      if ('value' in result) outcomes.push({ value: result.value, seconds });
      else outcomes.push({ error: `expression '${compiled.expression}' resulted in error: ${result.error}`, seconds });
    }
  }
  return { outcomes, remaining };
}

/** Whether a request is for who has these conditions. Source: apiserver pkg/admission/plugin/webhook/matchconditions. */
export function runConditions(
  conditions: readonly CompiledExpression[],
  activation: AdmissionActivation,
  stopwatch: Stopwatch,
): MatchOutcome {
  const startMs = stopwatch();
  const run = runExpressions(conditions, activation, conditionsBudget, stopwatch);
  const seconds = (stopwatch() - startMs) / 1000;
  if ('failure' in run) return { matches: false, failure: run.failure, errorCount: 0, seconds };
  const faults: string[] = [];
  for (const outcome of run.outcomes) {
    if ('error' in outcome!) faults.push(outcome.error);
    // It decides, whatever went wrong before or would behind it.
    else if (outcome!.value === false) return { matches: false, errorCount: faults.length, seconds };
  }
  if (faults.length === 0) return { matches: true, errorCount: 0, seconds };
  return { matches: false, failure: aggregateText([...new Set(faults)]), errorCount: faults.length, seconds };
}
