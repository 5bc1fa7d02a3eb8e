import type { CelType } from './cel-type.js';
import type { FunctionDeclaration, Library } from './declarations.js';
import { mergeFunctions } from './declarations.js';
import type { Macro, MacroTable } from './macros.js';
import { macroKey } from './macros.js';
import type { CelValue } from './values.js';

/** Types with fields. */
export interface TypeProvider {
  hasType(typeName: string): boolean;
  fieldType(typeName: string, field: string): CelType | undefined;
  /** `Type{field: value}`; a provider without it knows no such literals. */
  create?(typeName: string, fields: ReadonlyMap<string, CelValue>): CelValue;
}

export interface EnvironmentOptions {
  readonly libraries?: readonly Library[];
  readonly variables?: Readonly<Record<string, CelType>>;
  readonly provider?: TypeProvider;
  readonly macros?: readonly Macro[];
  readonly optionalSyntax?: boolean;
  readonly escapedIdentifiers?: boolean;
  /** Lists and maps written out must have elements of one type. */
  readonly homogeneousLiterals?: boolean;
}

/**
 * What an expression may use: functions, macros, types, variables. Made once for each kind of use and extended for each
 * schema; an extension shares what it does not change. Never changes.
 */
export class Environment {
  readonly #functions: ReadonlyMap<string, FunctionDeclaration>;
  readonly #types: ReadonlyMap<string, CelType>;
  readonly #variables: ReadonlyMap<string, CelType>;
  readonly #providers: readonly TypeProvider[];
  readonly macros: MacroTable;
  readonly optionalSyntax: boolean;
  readonly escapedIdentifiers: boolean;
  readonly homogeneousLiterals: boolean;

  constructor(options: EnvironmentOptions, base?: Environment) {
    const { libraries = [], variables = {}, provider, macros = [] } = options;
    this.#functions =
      base && libraries.length === 0 ? base.#functions : mergedFunctions(libraries, base ? base.#functions : undefined);
    const types = libraries.flatMap(library => library.types ?? []);
    this.#types = base && types.length === 0 ? base.#types : new Map([...(base ? base.#types : []), ...types.map(byName)]);
    this.#variables = new Map([...(base ? base.#variables : []), ...Object.entries(variables)]);
    this.#providers = [...(provider ? [provider] : []), ...(base ? base.#providers : [])];
    const added = [...libraries.flatMap(library => library.macros ?? []), ...macros];
    this.macros = base && added.length === 0 ? base.macros : new Map([...(base?.macros ?? []), ...added.map(byMacroKey)]);
    this.optionalSyntax = options.optionalSyntax ?? base?.optionalSyntax ?? false;
    this.escapedIdentifiers = options.escapedIdentifiers ?? base?.escapedIdentifiers ?? false;
    this.homogeneousLiterals = options.homogeneousLiterals ?? base?.homogeneousLiterals ?? false;
  }

  extend(options: EnvironmentOptions): Environment {
    return new Environment(options, this);
  }

  function(name: string): FunctionDeclaration | undefined {
    return this.#functions.get(name);
  }

  variable(name: string): CelType | undefined {
    return this.#variables.get(name);
  }

  /** A type that can be written as a value. */
  namedType(name: string): CelType | undefined {
    return this.#types.get(name);
  }

  /** Who knows the fields of that type. */
  providerOf(typeName: string): TypeProvider | undefined {
    return this.#providers.find(provider => provider.hasType(typeName));
  }
}

function byName(type: CelType): [string, CelType] {
  return [type.name, type];
}

function byMacroKey(macro: Macro): [string, Macro] {
  return [macroKey(macro.name, macro.argumentCount, macro.isMember), macro];
}

function mergedFunctions(
  libraries: readonly Library[],
  base: ReadonlyMap<string, FunctionDeclaration> | undefined,
): ReadonlyMap<string, FunctionDeclaration> {
  const functions = new Map(base ?? []);
  for (const declaration of libraries.flatMap(library => library.functions)) {
    const known = functions.get(declaration.name);
    functions.set(declaration.name, known ? mergeFunctions(known, declaration) : declaration);
  }
  return functions;
}
