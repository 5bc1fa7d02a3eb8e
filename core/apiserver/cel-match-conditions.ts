import type { MatchCondition } from '../api/generated/types.js';
import type { Clock } from '../base/clock.js';
import { boolType } from '../machinery/cel/cel-type.js';
import { AdmissionActivation } from './admission/policies/admission-activation.js';
import type { CompiledExpression } from './admission/policies/admission-environment.js';
import { admissionEnvironment, compileExpression } from './admission/policies/admission-environment.js';
import { runConditions } from './admission/policies/expression-run.js';
import type { Authorizer } from './auth/authorizer.js';
import type { ExpressionFault, MatchConditions, MatchOutcome, MatchVariables } from './match-expressions.js';

const returns = [boolType];

function compileCondition(expression: string, hasParams: boolean): CompiledExpression {
  return compileExpression(admissionEnvironment({ hasParams, hasAuthorizer: true }), expression, returns);
}

/** What upstream says when the expression is in a configuration or policy that a client writes. */
export function conditionFault(expression: string, hasParams: boolean): ExpressionFault | undefined {
  const compiled = compileCondition(expression, hasParams);
  return 'fault' in compiled ? compiled.fault : undefined;
}

/** The conditions of one webhook. */
export class CelMatchConditions implements MatchConditions {
  readonly #authorizer: Authorizer;
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #conditions: readonly CompiledExpression[];

  constructor(conditions: readonly MatchCondition[], authorizer: Authorizer, clock: Pick<Clock, 'monotonicMs'>) {
    this.#authorizer = authorizer;
    this.#clock = clock;
    this.#conditions = conditions.map(({ expression }) => compileCondition(expression, false));
  }

  async evaluate(variables: MatchVariables): Promise<MatchOutcome> {
    const activation = new AdmissionActivation(variables, { authorizer: this.#authorizer });
    return runConditions(this.#conditions, activation, () => this.#clock.monotonicMs());
  }
}
