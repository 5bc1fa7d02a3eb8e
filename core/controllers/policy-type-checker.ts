import type { ExpressionWarning, Rule, ValidatingAdmissionPolicy } from '../api/generated/types.js';
import type { CataloguedResource } from '../contracts/resource-catalogue.js';
import { AdmissionTypes, namespaceType, requestType } from '../machinery/cel/admission-types.js';
import type { CelType } from '../machinery/cel/cel-type.js';
import { dynType } from '../machinery/cel/cel-type.js';
import type { Environment } from '../machinery/cel/environment.js';
import { kubernetesEnvironment } from '../machinery/cel/kubernetes-environment.js';
import { authorizerType } from '../machinery/cel/libraries/authorizer.js';
import { compile } from '../machinery/cel/program.js';
import type { CelSchema, SchemaType } from '../machinery/cel/schema-type.js';
import { schemaTypeOf, SchemaTypeProvider } from '../machinery/cel/schema-type.js';
import { VariableTypes } from '../machinery/cel/variable-types.js';
import type { GroupVersionKind } from '../machinery/object.js';

/** The most types that one rule is checked against. */
const maximumTypes = 10;

export interface TypeCheckerOptions {
  /** What is served. */
  readonly resources: readonly CataloguedResource[];
  /** Undefined for a kind of which no schema is known. */
  readonly schema: (kind: GroupVersionKind) => CelSchema | undefined;
}

/** The types that one run of expressions is checked against. */
interface CheckedTypes {
  readonly kind: GroupVersionKind;
  readonly object: SchemaType | undefined;
}

/**
 * Checks the expressions of a policy against the types of the objects that it is for. What it finds changes nothing for the policy.
 * Source: apiserver pkg/admission/plugin/policy/validating/typechecking.go.
 */
export class PolicyTypeChecker {
  readonly #options: TypeCheckerOptions;

  constructor(options: TypeCheckerOptions) {
    this.#options = options;
  }

  check(policy: ValidatingAdmissionPolicy): ExpressionWarning[] {
    const { spec } = policy;
    const types: CheckedTypes[] = [];
    for (const kind of this.#kinds(policy)) {
      const schema = this.#options.schema(kind);
      if (schema) types.push({ kind, object: typeOf(kind, schema) });
    }
    const environments = types.map(({ object }) => this.#environment(policy, object));
    const check = (expression: string): string => {
      const texts: string[] = [];
      for (const [index, { kind }] of types.entries()) {
        const fault = faultOf(environments[index]!, expression);
        if (fault !== undefined) texts.push(`${kind.group}/${kind.version}, Kind=${kind.kind}: ${fault}\n`);
      }
      return texts.join('\n');
    };
    const warnings: ExpressionWarning[] = [];
    const add = (fieldRef: string, expression: string): void => {
      const warning = check(expression);
      if (warning) warnings.push({ fieldRef, warning });
    };
    for (const [index, { expression, messageExpression }] of (spec.validations ?? []).entries()) {
      add(`spec.validations[${index}].expression`, expression);
      if (messageExpression) add(`spec.validations[${index}].messageExpression`, messageExpression);
    }
    return warnings;
  }

  #environment({ spec }: ValidatingAdmissionPolicy, object: SchemaType | undefined): Environment {
    const { paramKind, variables = [] } = spec;
    const params = paramKind && this.#paramsType(paramKind.apiVersion ?? '', paramKind.kind ?? '');
    const objectType: CelType = object?.type ?? dynType;
    const base = kubernetesEnvironment()
      .extend({
        variables: {
          object: objectType,
          oldObject: objectType,
          namespaceObject: namespaceType,
          request: requestType,
          // Upstream forgets `authorizer.requestResource` here and warns about it.
          authorizer: authorizerType,
          ...(paramKind ? { params: params?.type ?? dynType } : {}),
        },
        provider: new AdmissionTypes(),
      })
      .extend({ provider: new SchemaTypeProvider(...[object, params].filter(type => type !== undefined)) });
    const types = new VariableTypes();
    const environment = types.extend(base);
    for (const { name, expression } of variables) {
      types.set(name, compile(environment, expression).type);
    }
    return environment;
  }

  #paramsType(apiVersion: string, kind: string): SchemaType | undefined {
    const parts = apiVersion.split('/');
    if (parts.length > 2) return undefined;
    const params = { group: parts.length === 2 ? parts[0]! : '', version: parts.at(-1)!, kind };
    const schema = this.#options.schema(params);
    return schema && typeOf(params, schema, 'Params');
  }

  /** Without what rules name by wildcards, in the order of their names. */
  #kinds({ spec }: ValidatingAdmissionPolicy): GroupVersionKind[] {
    const kinds = new Map<string, GroupVersionKind>();
    rules: for (const rule of spec.matchConstraints?.resourceRules ?? []) {
      let count = 0;
      for (const kind of this.#kindsOf(rule)) {
        kinds.set(`${kind.group}/${kind.version}/${kind.kind}`, kind);
        if (++count === maximumTypes) break rules;
      }
    }
    const order = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
    return [...kinds.values()].sort((a, b) => order(a.group, b.group) || order(a.version, b.version) || order(a.kind, b.kind));
  }

  *#kindsOf({ apiGroups = [], apiVersions = [], resources = [] }: Rule): Generator<GroupVersionKind> {
    if ([...apiGroups, ...apiVersions].some(word => word.includes('*'))) return;
    const names = resources.filter(word => !/[*/]/.test(word));
    for (const group of apiGroups.toSorted()) {
      for (const version of apiVersions.toSorted())
        for (const name of names.toSorted()) yield* this.#served(group, version, name);
    }
  }

  *#served(group: string, version: string, name: string): Generator<GroupVersionKind> {
    const wanted = name.toLowerCase();
    for (const { reference } of this.#options.resources) {
      if (reference.version !== version) continue;
      // The core group is no restriction to upstream, which then takes any group that has the resource.
      if (group !== '' && reference.group !== group) continue;
      if (reference.resource === wanted || reference.kind.toLowerCase() === wanted) yield reference;
    }
  }
}

/** Undefined where expressions may say anything: the schema has no type. */
function typeOf({ kind }: GroupVersionKind, schema: CelSchema, suffix = ''): SchemaType | undefined {
  return schemaTypeOf(schema, { name: `${kind}${suffix}`, isResource: true });
}

function faultOf(environment: Environment, expression: string): string | undefined {
  const result = compile(environment, expression);
  // That no program could be made of it is not asked for.
  return 'errors' in result && result.stage === 'expression' ? result.errors : undefined;
}
