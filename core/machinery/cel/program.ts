import { walk } from './ast.js';
import type { Expression } from './ast.js';
import type { SizeLookup } from './call-estimates.js';
import type { CelType } from './cel-type.js';
import { checkExpression } from './checker.js';
import type { Environment } from './environment.js';
import type { Estimate } from './estimate.js';
import { CostLimitExceeded, Frame } from './frame.js';
import type { VariableSource } from './frame.js';
import { perCallCostLimit } from './kubernetes-environment.js';
import { parseExpression } from './parser.js';
import { PlanFailure } from './plan-failure.js';
import type { Plan } from './planner.js';
import { planExpression } from './planner.js';
import { noSizes } from './schema-type.js';
import { CelIssues } from './source.js';
import { estimateCost } from './static-cost.js';
import { validateExpression } from './validators.js';
import type { CelValue } from './values.js';
import { CelError } from './values.js';

/*
 * How it is used, for a rule of a custom resource:
 *
 *   const type = schemaTypeOf(schema, { name: 'selfType', isResource });   // undefined: no rules here
 *   const environment = kubernetesEnvironment().extend({
 *     variables: { self: type.type, oldSelf: type.type },
 *     provider: new SchemaTypeProvider(type),
 *   });
 *   const rule = compile(environment, text, { sizes: schemaSizes(type) });  // errors, or program, type, estimatedCost
 *   rule.program.evaluate(new Map([['self', bindValue(json, schema)]]));    // value and cost, or error
 *
 * Values without a schema come from `bindJson`; `authorizer` is an AuthorizerValue; types of variables that are anything are
 * `dynType`. `VariableSource` finds variables when they are first read.
 */

export type CompileResult =
  | {
      readonly program: CelProgram;
      readonly type: CelType;
      readonly estimatedCost: Estimate;
      /** Names that it reads, of variables of its macros too. */
      readonly identifiers: ReadonlySet<string>;
    }
  | {
      /** What is wrong, in cel-go's words and form. */
      readonly errors: string;
      /** `program` where the expression is right but upstream could not make a program of it. */
      readonly stage: 'expression' | 'program';
      /** Of an expression that is right. */
      readonly type?: CelType;
    };

export interface CompileOptions {
  /** Sizes by schema, for the estimate. */
  readonly sizes?: SizeLookup;
}

export type EvaluationResult =
  | { readonly value: CelValue; readonly cost: number }
  | {
      readonly error: string;
      readonly cost: number;
      /** It was stopped, and its cost is more than the limit. */
      readonly isOverLimit: boolean;
    };

export interface EvaluationOptions {
  /** The most it may cost; Kubernetes' limit for one call unless given. */
  readonly costLimit?: number;
}

/** An expression made ready for many evaluations. Cheap to keep, and never changes. */
export class CelProgram {
  readonly #plan: Plan;

  constructor(plan: Plan) {
    this.#plan = plan;
  }

  /** Never throws for what is wrong with the expression or its values. */
  evaluate(variables: VariableSource | ReadonlyMap<string, CelValue>, options: EvaluationOptions = {}): EvaluationResult {
    const source: VariableSource =
      variables instanceof Map ? { find: name => variables.get(name) } : (variables as VariableSource);
    const frame = new Frame(source, options.costLimit ?? perCallCostLimit, this.#plan.localCount);
    try {
      const value = this.#plan.root.evaluate(frame);
      if (value instanceof CelError) return { error: value.message, cost: frame.cost, isOverLimit: false };
      return { value, cost: frame.cost };
    } catch (error) {
      if (error instanceof CostLimitExceeded) return { error: error.message, cost: frame.cost, isOverLimit: true };
      // A text or a stack longer than JavaScript has; upstream says the same of what its program can't do.
      if (error instanceof RangeError) return { error: `internal error: ${error.message}`, cost: frame.cost, isOverLimit: false };
      throw error;
    }
  }
}

/** Parses, checks and plans. Never throws for what is wrong with the expression. */
export function compile(environment: Environment, expression: string, options: CompileOptions = {}): CompileResult {
  const issues = new CelIssues(expression);
  const tree = parseExpression(expression, environment, issues);
  if (!tree) return { errors: issues.toString(), stage: 'expression' };
  const type = checkExpression(tree, environment, issues);
  if (issues.isEmpty) validateExpression(tree, environment.homogeneousLiterals, issues);
  if (!issues.isEmpty) return { errors: issues.toString(), stage: 'expression' };
  const estimatedCost = estimateCost(tree, options.sizes ?? noSizes);
  try {
    const program = new CelProgram(planExpression(tree, environment));
    return { program, type, estimatedCost, identifiers: identifiersOf(tree) };
  } catch (error) {
    if (error instanceof PlanFailure) return { errors: error.message, stage: 'program', type };
    throw error;
  }
}

function identifiersOf(tree: Expression): Set<string> {
  const names = new Set<string>();
  for (const expression of walk(tree)) if (expression.kind === 'identifier') names.add(expression.name);
  return names;
}
