import type { CelType } from '../../../machinery/cel/cel-type.js';
import { boolType, listType, nullType, stringType } from '../../../machinery/cel/cel-type.js';
import type { Environment } from '../../../machinery/cel/environment.js';
import { jsonPatchType, rootObjectType, withMutationTypes } from '../../../machinery/cel/libraries/mutation.js';
import { VariableTypes } from '../../../machinery/cel/variable-types.js';
import type { ExpressionResult, PolicyExpressionCompiler, PolicyVariables } from '../../policy-expressions.js';
import type { ExpressionFault } from '../../match-expressions.js';
import type { CompiledExpression } from './admission-environment.js';
import { admissionEnvironment, compileExpression } from './admission-environment.js';

const resultTypes: Readonly<Record<ExpressionResult, readonly CelType[]>> = {
  bool: [boolType],
  string: [stringType],
  'string or null': [stringType, nullType],
  'apply configuration': [rootObjectType],
  'JSON patch': [listType(jsonPatchType)],
};

/** The environment of a kind of expression, before the policy's variables. */
export type EnvironmentOf = (declared: PolicyVariables) => Environment;

/**
 * Compiles the expressions of one policy. Its variables are known to what is compiled after them. Source: apiserver
 * pkg/admission/plugin/cel/composition.go.
 */
export class PolicyCompiler implements PolicyExpressionCompiler {
  readonly #types = new VariableTypes();
  readonly #compiled = new Map<string, CompiledExpression>();
  readonly #environments = new Map<string, Environment>();
  #ofMutations: Environment | undefined;
  readonly #base: EnvironmentOf;
  readonly #isComposed: boolean;

  /** `isComposed`: whether there is a `variables` at all. */
  constructor({ isComposed, base = admissionEnvironment }: { readonly isComposed: boolean; readonly base?: EnvironmentOf }) {
    this.#isComposed = isComposed;
    this.#base = base;
  }

  /** What there is so far, by name. Of two that share a name the later one counts. */
  get variables(): ReadonlyMap<string, CompiledExpression> {
    return this.#compiled;
  }

  addVariable(name: string, expression: string, declared: PolicyVariables): ExpressionFault | undefined {
    const compiled = compileExpression(this.#environment(declared), expression);
    this.#types.set(name, 'type' in compiled ? compiled.type : undefined);
    this.#compiled.set(name, compiled);
    return faultOf(compiled);
  }

  fault(expression: string, result: ExpressionResult, declared: PolicyVariables): ExpressionFault | undefined {
    return faultOf(this.compileTo(expression, result, declared));
  }

  /** `returns`: the types that it may have; any when absent. */
  compile(expression: string, declared: PolicyVariables, returns?: readonly CelType[]): CompiledExpression {
    return compileExpression(this.#environment(declared), expression, returns);
  }

  compileTo(expression: string, result: ExpressionResult, declared: PolicyVariables): CompiledExpression {
    if (result !== 'apply configuration' && result !== 'JSON patch')
      return this.compile(expression, declared, resultTypes[result]);
    return compileExpression(this.#mutationEnvironment(declared), expression, resultTypes[result]);
  }

  #mutationEnvironment(declared: PolicyVariables): Environment {
    return (this.#ofMutations ??= withMutationTypes(this.#environment(declared)));
  }

  #environment(declared: PolicyVariables): Environment {
    if (!this.#isComposed) return this.#base(declared);
    const key = `${declared.hasParams}/${declared.hasAuthorizer}`;
    let environment = this.#environments.get(key);
    if (!environment) {
      environment = this.#types.extend(this.#base(declared));
      this.#environments.set(key, environment);
    }
    return environment;
  }
}

const faultOf = (compiled: CompiledExpression): ExpressionFault | undefined => ('fault' in compiled ? compiled.fault : undefined);
