import type { CelType } from './cel-type.js';
import type { Macro } from './macros.js';
import type { CelValue } from './values.js';
import { CelError, isNumeric, ListValue, MapValue, typeOf } from './values.js';

/**
 * What a function does; it gets as many arguments as the overload declares. A method's type, so that an implementation may
 * name the narrower types that the overload's guard has made sure of.
 */
export type Implementation = {
  call(first: CelValue, second: CelValue, third: CelValue, fourth: CelValue): CelValue;
}['call'];

export interface Overload {
  readonly id: string;
  readonly isMember: boolean;
  readonly argumentTypes: readonly CelType[];
  readonly resultType: CelType;
  /** Called with values of the declared types only. Left out where the function has one implementation for all overloads. */
  readonly implementation?: Implementation;
}

export interface FunctionDeclaration {
  readonly name: string;
  readonly overloads: readonly Overload[];
  /** For all overloads; checks its arguments itself. */
  readonly implementation?: Implementation;
  /** Its implementations check their arguments themselves. */
  readonly unguarded?: boolean;
  /** Gets errors as arguments too. */
  readonly nonStrict?: boolean;
}

/** A set of functions, macros and type names that an environment may have. */
export interface Library {
  readonly functions: readonly FunctionDeclaration[];
  readonly macros?: readonly Macro[];
  /** Names of types that expressions can write as values. */
  readonly types?: readonly CelType[];
}

export function overload(
  id: string,
  argumentTypes: readonly CelType[],
  resultType: CelType,
  implementation?: Implementation,
): Overload {
  return { id, isMember: false, argumentTypes, resultType, implementation };
}

export function memberOverload(
  id: string,
  argumentTypes: readonly CelType[],
  resultType: CelType,
  implementation?: Implementation,
): Overload {
  return { id, isMember: true, argumentTypes, resultType, implementation };
}

export function declare(name: string, ...overloads: Overload[]): FunctionDeclaration {
  return { name, overloads };
}

/** The same function with the overloads of both. */
export function mergeFunctions(left: FunctionDeclaration, right: FunctionDeclaration): FunctionDeclaration {
  return {
    ...left,
    overloads: [...left.overloads, ...right.overloads],
    implementation: left.implementation ?? right.implementation,
    unguarded: left.unguarded ?? right.unguarded,
  };
}

/** The names of type parameters in the types. */
export function typeParametersOf(types: readonly CelType[]): string[] {
  const names = new Set<string>();
  const visit = (type: CelType): void => {
    if (type.kind === 'parameter') names.add(type.name);
    type.parameters.forEach(visit);
  };
  types.forEach(visit);
  return [...names];
}

/** Whether a value is of a type at run time, where elements are looked at no further than the first. */
export function isOfType(value: CelValue, type: CelType): boolean {
  switch (type.kind) {
    case 'dyn':
    case 'parameter':
      return true;
    case 'string':
      return typeof value === 'string';
    case 'int':
      return typeof value === 'bigint';
    case 'bool':
      return typeof value === 'boolean';
    case 'double':
      return typeof value === 'number';
    case 'uint':
      return isNumeric(value) && typeof value === 'object';
    case 'list': {
      if (!(value instanceof ListValue)) return false;
      const [element] = type.parameters;
      return value.size === 0 || !element || isOfType(value.at(0), element);
    }
    case 'map': {
      if (!(value instanceof MapValue)) return false;
      const [keyType, valueType] = type.parameters;
      if (value.size === 0 || !keyType || !valueType || (isAny(keyType) && isAny(valueType))) return true;
      for (const key of value.keys()) return isOfType(key, keyType) && isOfType(value.find(key) ?? null, valueType);
      return true;
    }
    default:
      return typeOf(value).name === type.name;
  }
}

function isAny(type: CelType): boolean {
  return type.kind === 'dyn' || type.kind === 'parameter';
}

export function matchesOverload(candidate: Overload, args: readonly CelValue[]): boolean {
  if (candidate.argumentTypes.length !== args.length) return false;
  return candidate.argumentTypes.every((type, index) => isOfType(args[index]!, type));
}

export function noMatchingOverload(functionName: string, args: readonly CelValue[]): CelError {
  for (const arg of args) if (arg instanceof CelError) return arg;
  return new CelError(`no such overload: ${functionName}(${args.map(arg => typeOf(arg).name).join(', ')})`);
}
