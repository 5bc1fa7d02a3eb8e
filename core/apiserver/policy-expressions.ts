import type { ExpressionFault } from './match-expressions.js';

/** The type that an expression must have. */
export type ExpressionResult = 'bool' | 'string' | 'string or null' | MutationType;

/** Of the expressions of mutations, which may use types and functions of their own. */
export type MutationType = 'apply configuration' | 'JSON patch';

/** Which of the variables that not every expression has an expression may use. */
export interface PolicyVariables {
  readonly hasParams: boolean;
  readonly hasAuthorizer: boolean;
}

/** Says what is wrong with the expressions of one policy; undefined for a good one. */
export interface PolicyExpressionCompiler {
  /** Expressions may use it from now on as `variables.NAME`, also when something is wrong with it. */
  addVariable(name: string, expression: string, declared: PolicyVariables): ExpressionFault | undefined;
  fault(expression: string, result: ExpressionResult, declared: PolicyVariables): ExpressionFault | undefined;
}

/** What CEL does to check policies that clients write. Imports the engine with the first one. */
export interface PolicyExpressionEngine {
  /** For a policy with (`isComposed`) or without variables. */
  compiler(options: { readonly isComposed: boolean }): Promise<PolicyExpressionCompiler>;
}

export const celPolicyExpressions: PolicyExpressionEngine = {
  async compiler(options) {
    const { PolicyCompiler } = await import('./admission/policies/policy-compiler.js');
    return new PolicyCompiler(options);
  },
};
