import type { CelType } from './cel-type.js';
import {
  boolType,
  bytesType,
  doubleType,
  durationType,
  dynType,
  intType,
  listType,
  mapType,
  nullType,
  objectType,
  stringType,
  timestampType,
  uintType,
} from './cel-type.js';
import type { Environment, TypeProvider } from './environment.js';

const variablesType = objectType('kubernetes.variables');

/**
 * The types of a policy's `variables`, which expressions know from when they were set. Source: apiserver
 * pkg/admission/plugin/cel/composition.go.
 */
export class VariableTypes implements TypeProvider {
  readonly #types = new Map<string, CelType>();

  /** Undefined for an expression that cannot be compiled. Of two that share a name the later one counts. */
  set(name: string, type: CelType | undefined): void {
    this.#types.set(name, type ? fieldType(type) : dynType);
  }

  /** With `variables`, also those that are set later. */
  extend(environment: Environment): Environment {
    return environment.extend({ variables: { variables: variablesType }, provider: this });
  }

  hasType(typeName: string): boolean {
    return typeName === variablesType.name;
  }

  fieldType(_typeName: string, field: string): CelType | undefined {
    return this.#types.get(field);
  }
}

const simpleTypes: readonly CelType[] = [
  boolType,
  bytesType,
  doubleType,
  durationType,
  intType,
  nullType,
  stringType,
  timestampType,
  uintType,
];

/** The type of a variable to those who read it: upstream keeps simple types, lists and maps, and takes the rest for anything. */
function fieldType(type: CelType): CelType {
  if (simpleTypes.includes(type)) return type;
  const [first, second] = type.parameters;
  if (type.kind === 'list') return listType(fieldType(first!));
  return type.kind === 'map' ? mapType(fieldType(first!), fieldType(second!)) : dynType;
}
