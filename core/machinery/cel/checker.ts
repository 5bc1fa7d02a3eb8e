import type {
  CallExpression,
  ComprehensionExpression,
  Expression,
  IdentifierExpression,
  ListExpression,
  MapExpression,
  SelectExpression,
  StructExpression,
} from './ast.js';
import { qualifiedNameOf } from './ast.js';
import {
  anyType,
  boolType,
  CelType,
  dynType,
  errorType,
  formatSignature,
  intType,
  listType,
  mapType,
  objectType,
  optionalType,
  typeOfType,
} from './cel-type.js';
import type { FunctionDeclaration, Overload } from './declarations.js';
import { typeParametersOf } from './declarations.js';
import type { Environment } from './environment.js';
import type { CelIssues, Offset } from './source.js';
import { mostGeneral, TypeMapping } from './type-mapping.js';
import { typeOf } from './values.js';

/** Finds the type of every part of the expression and writes types, overloads and resolved names into it. */
export function checkExpression(expression: Expression, environment: Environment, issues: CelIssues): CelType {
  const checker = new Checker(environment, issues);
  checker.check(expression);
  checker.finish();
  return expression.type!;
}

interface Scope {
  readonly name: string;
  readonly type: CelType;
  readonly parent: Scope | undefined;
}

const parameterNames = new WeakMap<Overload, readonly string[]>();

function parametersOf(candidate: Overload): readonly string[] {
  let names = parameterNames.get(candidate);
  if (!names) {
    names = typeParametersOf([candidate.resultType, ...candidate.argumentTypes]);
    parameterNames.set(candidate, names);
  }
  return names;
}

class Checker {
  readonly #environment: Environment;
  readonly #issues: CelIssues;
  readonly #mapping = new TypeMapping();
  readonly #checked: Expression[] = [];
  #scope: Scope | undefined;

  constructor(environment: Environment, issues: CelIssues) {
    this.#environment = environment;
    this.#issues = issues;
  }

  /** Once everything is known about type parameters. */
  finish(): void {
    for (const expression of this.#checked) expression.type = this.#mapping.substitute(expression.type!, true);
  }

  check(expression: Expression): CelType {
    const type = this.#typeOf(expression);
    if (expression.type === undefined) this.#checked.push(expression);
    expression.type = type;
    return type;
  }

  #typeOf(expression: Expression): CelType {
    switch (expression.kind) {
      case 'literal':
        return typeOf(expression.value);
      case 'identifier':
        return this.#identifier(expression);
      case 'select':
        return this.#select(expression);
      case 'call':
        return this.#call(expression);
      case 'list':
        return this.#list(expression);
      case 'map':
        return this.#map(expression);
      case 'struct':
        return this.#struct(expression);
      case 'comprehension':
        return this.#comprehension(expression);
      case 'invalid':
        return errorType;
    }
  }

  #undeclared(offset: Offset, name: string): CelType {
    this.#issues.report(offset, `undeclared reference to '${name}' (in container '')`);
    return errorType;
  }

  #lookup(written: string): CelType | undefined {
    const name = written.startsWith('.') ? written.slice(1) : written;
    for (let scope = this.#scope; scope; scope = scope.parent) if (scope.name === name) return scope.type;
    const variable = this.#environment.variable(name);
    if (variable) return variable;
    const named = this.#environment.namedType(name);
    if (named) return typeOfType(named);
    return this.#environment.providerOf(name) && typeOfType(objectType(name));
  }

  #identifier(expression: IdentifierExpression): CelType {
    const type = this.#lookup(expression.name);
    if (!type) return this.#undeclared(expression.offset, expression.name);
    if (expression.name.startsWith('.')) expression.name = expression.name.slice(1);
    return type;
  }

  #select(expression: SelectExpression): CelType {
    if (!expression.testOnly) {
      const name = qualifiedNameOf(expression);
      const type = name === undefined ? undefined : this.#lookup(name);
      if (type) {
        expression.qualifiedName = name!.startsWith('.') ? name!.slice(1) : name;
        return type;
      }
    }
    const type = this.#field(expression.offset, expression.operand, expression.field, false);
    return expression.testOnly ? boolType : this.#mapping.substitute(type, false);
  }

  #field(offset: Offset, operand: Expression, field: string, optional: boolean): CelType {
    const operandType = this.#mapping.substitute(this.check(operand), false);
    const target = operandType.isOptional ? operandType.parameters[0]! : operandType;
    let result: CelType = dynType;
    switch (target.kind) {
      case 'map':
        result = target.parameters[1]!;
        break;
      case 'struct':
        result = this.#fieldType(offset, target.name, field) ?? errorType;
        break;
      case 'parameter':
        this.#mapping.isAssignable(dynType, target);
        break;
      default:
        if (!target.isDynOrError) this.#issues.report(offset, `type '${target}' does not support field selection`);
    }
    return operandType.isOptional || optional ? optionalType(result) : result;
  }

  #fieldType(offset: Offset, typeName: string, field: string): CelType | undefined {
    const provider = this.#environment.providerOf(typeName);
    const type = provider?.fieldType(typeName, field);
    if (!provider && !this.#environment.namedType(typeName)) {
      this.#issues.report(offset, `unexpected failed resolution of '${typeName}'`);
    } else if (!type) this.#issues.report(offset, `undefined field '${field}'`);
    return type;
  }

  #call(expression: CallExpression): CelType {
    const { functionName, target, args, offset } = expression;
    if (functionName === '_?._' && !target) return this.#optionalSelect(expression);
    for (const arg of args) this.check(arg);
    if (!target) {
      const name = functionName.startsWith('.') ? functionName.slice(1) : functionName;
      const declaration = this.#environment.function(name);
      if (!declaration) return this.#undeclared(offset, functionName);
      expression.functionName = name;
      return this.#resolve(expression, declaration);
    }
    const prefix = qualifiedNameOf(target);
    if (prefix !== undefined) {
      const name = `${prefix.startsWith('.') ? prefix.slice(1) : prefix}.${functionName}`;
      const declaration = this.#environment.function(name);
      if (declaration) {
        expression.functionName = name;
        expression.target = undefined;
        return this.#resolve(expression, declaration);
      }
    }
    this.check(target);
    const declaration = this.#environment.function(functionName);
    return declaration ? this.#resolve(expression, declaration) : this.#undeclared(offset, functionName);
  }

  #optionalSelect(expression: CallExpression): CelType {
    const [operand, field] = expression.args as [Expression, Expression];
    const name = field.kind === 'literal' && typeof field.value === 'string' ? field.value : '';
    const type = this.#field(expression.offset, operand, name, true);
    expression.overloads = ['select_optional_field'];
    return this.#mapping.substitute(type, false);
  }

  #resolve(expression: CallExpression, declaration: FunctionDeclaration): CelType {
    const { target, args, offset } = expression;
    const argumentTypes = args.map(arg => arg.type!);
    if (target) argumentTypes.unshift(target.type!);
    if (declaration.name === '_&&_' || declaration.name === '_||_') return this.#logical(expression, declaration);
    let result: CelType | undefined;
    const ids: string[] = [];
    for (const candidate of declaration.overloads) {
      if (candidate.isMember !== (target !== undefined)) continue;
      const resultType = this.#match(candidate, argumentTypes);
      if (!resultType) continue;
      ids.push(candidate.id);
      if (!result) result = resultType;
      else if (!result.isDyn && !resultType.equals(result)) result = dynType;
    }
    if (!result) {
      const types = argumentTypes.map(type => this.#mapping.substitute(type, true));
      const signature = formatSignature(types, target !== undefined);
      this.#issues.report(offset, `found no matching overload for '${declaration.name}' applied to '${signature}'`);
      return errorType;
    }
    expression.overloads = ids;
    return result;
  }

  /** The result's type if the arguments fit. */
  #match(candidate: Overload, argumentTypes: readonly CelType[]): CelType | undefined {
    if (candidate.argumentTypes.length !== argumentTypes.length) return undefined;
    const names = parametersOf(candidate);
    if (names.length === 0) {
      return this.#mapping.areAssignable(argumentTypes, candidate.argumentTypes) ? candidate.resultType : undefined;
    }
    const fresh = new Map(names.map(name => [name, this.#mapping.fresh()]));
    const wanted = candidate.argumentTypes.map(type => rename(type, fresh));
    if (!this.#mapping.areAssignable(argumentTypes, wanted)) return undefined;
    return this.#mapping.substitute(rename(candidate.resultType, fresh), false);
  }

  #logical(expression: CallExpression, declaration: FunctionDeclaration): CelType {
    let isValid = true;
    for (const arg of expression.args) {
      if (this.#mapping.isAssignable(arg.type!, boolType)) continue;
      this.#mismatch(arg.offset, boolType, arg.type!);
      isValid = false;
    }
    if (!isValid) return errorType;
    expression.overloads = [declaration.overloads[0]!.id];
    return boolType;
  }

  #mismatch(offset: Offset, expected: CelType, found: CelType): void {
    this.#issues.report(offset, `expected type '${expected}' but found '${found}'`);
  }

  #join(previous: CelType | undefined, current: CelType): CelType {
    if (!previous) return current;
    return this.#mapping.isAssignable(previous, current) ? mostGeneral(previous, current) : dynType;
  }

  /** The type of an element written with `?`. */
  #unwrapped(expression: Expression, optional: boolean): CelType {
    const type = expression.type!;
    if (!optional) return type;
    if (type.isOptional) return type.parameters[0]!;
    if (!type.isDyn) this.#mismatch(expression.offset, optionalType(type), type);
    return type;
  }

  #list(expression: ListExpression): CelType {
    let elementType: CelType | undefined;
    expression.elements.forEach((element, index) => {
      this.check(element);
      elementType = this.#join(elementType, this.#unwrapped(element, expression.optionals.has(index)));
    });
    return listType(elementType ?? this.#mapping.fresh());
  }

  #map(expression: MapExpression): CelType {
    let keyType: CelType | undefined;
    let valueType: CelType | undefined;
    for (const { key, value, optional } of expression.entries) {
      keyType = this.#join(keyType, this.check(key));
      this.check(value);
      valueType = this.#join(valueType, this.#unwrapped(value, optional));
    }
    return mapType(keyType ?? this.#mapping.fresh(), valueType ?? this.#mapping.fresh());
  }

  #struct(expression: StructExpression): CelType {
    const type = this.#lookup(expression.typeName);
    if (!type) return this.#undeclared(expression.offset, expression.typeName);
    if (expression.typeName.startsWith('.')) expression.typeName = expression.typeName.slice(1);
    let result: CelType = errorType;
    if (type.kind !== 'type') {
      if (type.kind !== 'error') this.#issues.report(expression.offset, `'${type.name}' is not a type`);
    } else if (type.parameters[0]!.kind === 'struct') result = type.parameters[0]!;
    else this.#issues.report(expression.offset, `'${type.parameters[0]!.name}' is not a message type`);
    for (const field of expression.fields) {
      this.check(field.value);
      const fieldType = this.#fieldType(field.offset, expression.typeName, field.name) ?? errorType;
      const valueType = this.#unwrapped(field.value, field.optional);
      if (this.#mapping.isAssignable(fieldType, valueType)) continue;
      this.#issues.report(
        field.offset,
        `expected type of field '${field.name}' is '${fieldType}' but provided type is '${valueType}'`,
      );
    }
    return result;
  }

  #comprehension(expression: ComprehensionExpression): CelType {
    this.check(expression.range);
    const accumulatorType = this.check(expression.initial);
    const rangeType = this.#mapping.substitute(expression.range.type!, false);
    const outer = this.#scope;
    const accumulator: Scope = { name: expression.accumulator, type: accumulatorType, parent: outer };
    const { variable, variable2 } = expression;
    const types = this.#rangeTypes(expression, rangeType);
    this.#scope = { name: variable, type: types[0], parent: accumulator };
    if (variable2 !== undefined) this.#scope = { name: variable2, type: types[1], parent: this.#scope };
    this.check(expression.condition);
    this.#assertType(expression.condition, boolType);
    this.check(expression.step);
    this.#assertType(expression.step, accumulatorType);
    this.#scope = accumulator;
    const resultType = this.check(expression.result);
    this.#scope = outer;
    return this.#mapping.substitute(resultType, false);
  }

  /** Of the first and the second variable. */
  #rangeTypes(expression: ComprehensionExpression, rangeType: CelType): [CelType, CelType] {
    const isPair = expression.variable2 !== undefined;
    switch (rangeType === anyType ? undefined : rangeType.kind) {
      case 'list':
        return isPair ? [intType, rangeType.parameters[0]!] : [rangeType.parameters[0]!, errorType];
      case 'map':
        return [rangeType.parameters[0]!, rangeType.parameters[1]!];
      case 'dyn':
      case 'error':
      case 'parameter':
        this.#mapping.isAssignable(dynType, rangeType);
        return [dynType, dynType];
      default:
        this.#issues.report(
          expression.range.offset,
          `expression of type '${rangeType}' cannot be range of a comprehension (must be list, map, or dynamic)`,
        );
        return [errorType, errorType];
    }
  }

  #assertType(expression: Expression, wanted: CelType): void {
    if (!this.#mapping.isAssignable(wanted, expression.type!)) this.#mismatch(expression.offset, wanted, expression.type!);
  }
}

/** The type with its parameters under new names, which belong to one call only. */
function rename(type: CelType, names: ReadonlyMap<string, CelType>): CelType {
  if (type.kind === 'parameter') return names.get(type.name) ?? type;
  if (type.parameters.length === 0) return type;
  return new CelType(
    type.kind,
    type.name,
    type.parameters.map(parameter => rename(parameter, names)),
  );
}
