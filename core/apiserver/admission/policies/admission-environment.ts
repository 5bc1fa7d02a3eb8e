import { AdmissionTypes, namespaceType, requestType } from '../../../machinery/cel/admission-types.js';
import type { CelType } from '../../../machinery/cel/cel-type.js';
import { dynType } from '../../../machinery/cel/cel-type.js';
import type { Environment } from '../../../machinery/cel/environment.js';
import { kubernetesEnvironment } from '../../../machinery/cel/kubernetes-environment.js';
import { authorizerType, resourceCheckType } from '../../../machinery/cel/libraries/authorizer.js';
import type { CelProgram } from '../../../machinery/cel/program.js';
import { compile } from '../../../machinery/cel/program.js';
import type { ExpressionFault } from '../../match-expressions.js';
import type { PolicyVariables } from '../../policy-expressions.js';

export const requestResourceVariable = 'authorizer.requestResource';

/** An expression that can run, or what is wrong with it. */
export type CompiledExpression =
  | { readonly expression: string; readonly program: CelProgram; readonly type: CelType }
  | { readonly expression: string; readonly fault: ExpressionFault };

const environments = new Map<string, Environment>();

/** What expressions of admission may use. Source: apiserver pkg/admission/plugin/cel/compile.go. */
export function admissionEnvironment({ hasParams, hasAuthorizer }: PolicyVariables): Environment {
  const key = `${hasParams}/${hasAuthorizer}`;
  let environment = environments.get(key);
  if (!environment) {
    environment = kubernetesEnvironment().extend({
      variables: {
        object: dynType,
        oldObject: dynType,
        namespaceObject: namespaceType,
        request: requestType,
        ...(hasParams ? { params: dynType } : {}),
        ...(hasAuthorizer ? { authorizer: authorizerType, [requestResourceVariable]: resourceCheckType } : {}),
      },
      provider: new AdmissionTypes(),
    });
    environments.set(key, environment);
  }
  return environment;
}

/** `returns`: the types that it may have; any when absent. */
export function compileExpression(
  environment: Environment,
  expression: string,
  returns?: readonly CelType[],
): CompiledExpression {
  const result = compile(environment, expression);
  const { type } = result;
  if (type && returns && !returns.some(each => each.equals(type))) {
    const wanted =
      returns.length === 1 ? returns[0]!.declaredName : `one of [${returns.map(each => each.declaredName).join(' ')}]`;
    return { expression, fault: { detail: `must evaluate to ${wanted} but got ${type.declaredName}`, isInternal: false } };
  }
  if ('program' in result) return { expression, program: result.program, type: result.type };
  const isInternal = result.stage === 'program';
  const what = isInternal ? 'program instantiation failed' : 'compilation failed';
  return { expression, fault: { detail: `${what}: ${result.errors}`, isInternal } };
}
