import { boolType, optionalType, stringType } from '../../cel/cel-type.js';
import type { Environment } from '../../cel/environment.js';
import { kubernetesEnvironment } from '../../cel/kubernetes-environment.js';
import type { CelProgram } from '../../cel/program.js';
import { compile } from '../../cel/program.js';
import type { SchemaType } from '../../cel/schema-type.js';
import { SchemaTypeProvider, schemaSizes } from '../../cel/schema-type.js';
import { findField } from '../field-paths.js';
import type { JsonSchema, ValidationRule } from '../json-schema.js';

/** One rule of a part of a schema, made ready. Source: apiextensions-apiserver pkg/apiserver/schema/cel/compilation.go. */
export interface CompiledRule {
  readonly rule: ValidationRule;
  /** Absent for an empty rule and for one with an error. */
  readonly program?: CelProgram;
  readonly error?: string;
  readonly usesOldSelf: boolean;
  /** The most that it is expected to cost once. */
  readonly cost: number;
  readonly message?: CelProgram;
  readonly messageError?: string;
  readonly messageCost: number;
  /** The rule's field path as messages write it. */
  readonly fieldPath: string | undefined;
}

/** `type` is that of the values of `schema`. */
export function compileRules(rules: readonly ValidationRule[], schema: JsonSchema, type: SchemaType): CompiledRule[] {
  const provider = new SchemaTypeProvider(type);
  const self = type.type;
  const environmentWith = (oldSelf: typeof self): Environment =>
    kubernetesEnvironment().extend({ variables: { self, oldSelf }, provider });
  let plain: Environment | undefined;
  let optional: Environment | undefined;
  return rules.map(rule => {
    const environment = rule.optionalOldSelf
      ? (optional ??= environmentWith(optionalType(self)))
      : (plain ??= environmentWith(self));
    return compileRule(rule, environment, { schema, sizes: schemaSizes(type) });
  });
}

interface RuleScope {
  readonly schema: JsonSchema;
  readonly sizes: ReturnType<typeof schemaSizes>;
}

function compileRule(rule: ValidationRule, environment: Environment, { schema, sizes }: RuleScope): CompiledRule {
  const base = { rule, usesOldSelf: false, cost: 0, messageCost: 0, fieldPath: undefined };
  if (rule.rule.trim() === '') return base;
  const compiled = compile(environment, rule.rule, { sizes });
  if ('errors' in compiled && compiled.stage === 'expression')
    return { ...base, error: `compilation failed: ${compiled.errors}` };
  if ('errors' in compiled) return { ...base, error: `program instantiation failed: ${compiled.errors}` };
  if (!compiled.type.equals(boolType)) return { ...base, error: 'cel expression must evaluate to a bool' };
  const usesOldSelf = compiled.identifiers.has('oldSelf');
  const done = { ...base, usesOldSelf, program: compiled.program, cost: compiled.estimatedCost.max };
  const message = rule.messageExpression ? compile(environment, rule.messageExpression, { sizes }) : undefined;
  if (message && 'errors' in message) {
    const what = message.stage === 'expression' ? 'compilation' : 'instantiation';
    return { ...done, messageError: `messageExpression ${what} failed: ${message.errors}` };
  }
  if (message && !message.type.equals(stringType))
    return { ...done, messageError: 'messageExpression must evaluate to a string' };
  const field = rule.fieldPath ? findField(rule.fieldPath, schema, { brackets: true }) : undefined;
  return {
    ...done,
    ...(message ? { message: message.program, messageCost: message.estimatedCost.max } : {}),
    fieldPath: typeof field === 'object' ? field.path.toString() : undefined,
  };
}
