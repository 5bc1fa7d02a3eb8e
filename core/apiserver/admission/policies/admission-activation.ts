import { bindJson } from '../../../machinery/cel/bind-value.js';
import { unescapeProperty } from '../../../machinery/cel/escaping.js';
import type { VariableSource } from '../../../machinery/cel/frame.js';
import { quote } from '../../../machinery/field-errors.js';
import { AuthorizerValue, ResourceCheck } from '../../../machinery/cel/libraries/authorizer.js';
import type { CelValue } from '../../../machinery/cel/values.js';
import { CelError, MapValue, noSuchOverload } from '../../../machinery/cel/values.js';
import type { Authorizer } from '../../auth/authorizer.js';
import { UserExpressionAuthorizer } from '../../expression-authorizer.js';
import type { MatchVariables } from '../../match-expressions.js';
import type { CompiledExpression } from './admission-environment.js';
import { requestResourceVariable } from './admission-environment.js';

/** What expressions of a webhook or policy may speak of. */
export interface AdmissionVariables extends MatchVariables {
  /** As JSON; what is not there is null to expressions. */
  readonly params?: object | undefined;
  readonly namespaceObject?: object | undefined;
}

export interface ActivationOptions {
  /** Absent: nobody can be asked. */
  readonly authorizer?: Authorizer | undefined;
  /** The policy's `variables`, by name. */
  readonly composed?: ReadonlyMap<string, CompiledExpression> | undefined;
}

/**
 * The variables of a run of expressions, which are made when they are first read, and once. Source: apiserver
 * pkg/admission/plugin/cel/activation.go.
 */
export class AdmissionActivation implements VariableSource {
  readonly #variables: AdmissionVariables;
  readonly #authorizer: AuthorizerValue | undefined;
  readonly #composed: ComposedVariables;
  readonly #values = new Map<string, CelValue>();

  constructor(variables: AdmissionVariables, { authorizer, composed = noExpressions }: ActivationOptions) {
    this.#variables = variables;
    this.#authorizer = authorizer && new AuthorizerValue(new UserExpressionAuthorizer(authorizer, variables.user));
    this.#composed = new ComposedVariables(composed, this);
  }

  /** What `variables` have cost since this was last asked. */
  takeComposedCost(): number {
    return this.#composed.takeCost();
  }

  find(name: string): CelValue | undefined {
    let value = this.#values.get(name);
    if (value === undefined) {
      value = this.#make(name);
      if (value !== undefined) this.#values.set(name, value);
    }
    return value;
  }

  #make(name: string): CelValue | undefined {
    switch (name) {
      case 'object':
        return bindJson(this.#variables.object);
      case 'oldObject':
        return bindJson(this.#variables.oldObject);
      case 'request':
        // What is seen past its type.
        return bindJson({ uid: '', ...this.#variables.request, object: null, oldObject: null });
      case 'namespaceObject':
        return bindJson(this.#variables.namespaceObject);
      case 'params':
        return bindJson(this.#variables.params);
      case 'variables':
        return this.#composed;
      case 'authorizer':
        return this.#authorizer;
      case requestResourceVariable:
        return this.#authorizer && new ResourceCheck(this.#authorizer, this.#variables.target);
      default:
        return undefined;
    }
  }
}

const noExpressions: ReadonlyMap<string, CompiledExpression> = new Map();

/** `variables` of a policy: each is worked out when it is first read. Source: apiserver pkg/cel/lazy, pkg/admission/plugin/cel/composition.go. */
class ComposedVariables extends MapValue {
  readonly #expressions: ReadonlyMap<string, CompiledExpression>;
  readonly #source: VariableSource;
  readonly #values = new Map<string, CelValue>();
  #cost = 0;

  constructor(expressions: ReadonlyMap<string, CompiledExpression>, source: VariableSource) {
    super();
    this.#expressions = expressions;
    this.#source = source;
  }

  get size(): number {
    return this.#expressions.size;
  }

  takeCost(): number {
    const cost = this.#cost;
    this.#cost = 0;
    return cost;
  }

  find(key: CelValue): CelValue | undefined {
    if (typeof key !== 'string') return noSuchOverload;
    const name = unescapeProperty(key);
    const expression = name === undefined ? undefined : this.#expressions.get(name);
    if (!expression) return undefined;
    let value = this.#values.get(name!);
    if (value === undefined) {
      value = this.#evaluate(name!, expression);
      this.#values.set(name!, value);
    }
    return value;
  }

  #evaluate(name: string, compiled: CompiledExpression): CelValue {
    if ('fault' in compiled) return new CelError(`composited variable ${quote(name)} fails to compile: ${compiled.fault.detail}`);
    const result = compiled.program.evaluate(this.#source);
    this.#cost += result.cost;
    if ('error' in result) return new CelError(`composited variable ${quote(name)} fails to evaluate: ${result.error}`);
    return result.value;
  }

  keys(): Iterable<CelValue> {
    return this.#expressions.keys();
  }

  override equals(other: CelValue): boolean | CelError {
    return other instanceof ComposedVariables ? this === other : noSuchOverload;
  }
}
