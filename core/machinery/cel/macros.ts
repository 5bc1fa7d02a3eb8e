import type { ComprehensionExpression, Expression } from './ast.js';
import {
  accumulatorName,
  call,
  comprehension,
  copyExpression,
  identifier,
  isLargerThan,
  legacyAccumulatorName,
  list,
  literal,
  map,
  select,
} from './ast.js';
import type { Offset } from './source.js';

/** What is written where a macro may stand. */
export interface MacroCall {
  readonly offset: Offset;
  readonly functionName: string;
  readonly target: Expression | undefined;
  readonly args: readonly Expression[];
}

/** The expression in the macro's place; undefined when the call only looks like the macro. Throws MacroError. */
export type MacroExpander = (call: MacroCall) => Expression | undefined;

export interface Macro {
  readonly name: string;
  readonly argumentCount: number;
  readonly isMember: boolean;
  readonly expand: MacroExpander;
}

/** By `macroKey`. */
export type MacroTable = ReadonlyMap<string, Macro>;

export class MacroError extends Error {
  constructor(
    readonly offset: Offset,
    message: string,
  ) {
    super(message);
  }
}

export type MacroExpansion = { readonly expression: Expression } | { readonly offset: Offset; readonly message: string };

export function macroKey(name: string, argumentCount: number, isMember: boolean): string {
  return `${name}/${argumentCount}${isMember ? '/member' : ''}`;
}

export function expandMacro(macros: MacroTable, written: MacroCall): MacroExpansion | undefined {
  const macro = macros.get(macroKey(written.functionName, written.args.length, written.target !== undefined));
  if (!macro) return undefined;
  try {
    const expression = macro.expand(written);
    return expression && { expression };
  } catch (error) {
    if (error instanceof MacroError) return { offset: error.offset, message: error.message };
    throw error;
  }
}

/** Builds the nodes of one expansion; all of them stand where the macro stands. */
class Builder {
  constructor(readonly offset: Offset) {}

  accumulator(): Expression {
    return identifier(this.offset, accumulatorName);
  }

  literal(value: boolean | bigint): Expression {
    return literal(this.offset, value);
  }

  call(name: string, ...args: Expression[]): Expression {
    return call(this.offset, name, args);
  }

  list(...elements: Expression[]): Expression {
    return list(this.offset, elements);
  }

  fold(
    parts: Pick<ComprehensionExpression, 'range' | 'variable' | 'variable2' | 'initial' | 'condition' | 'step'> & {
      result?: Expression;
    },
  ): Expression {
    return comprehension(this.offset, { accumulator: accumulatorName, result: this.accumulator(), ...parts });
  }
}

function variableName(argument: Expression, message: string): string {
  if (argument.kind !== 'identifier') throw new MacroError(argument.offset, message);
  if (argument.name === accumulatorName || argument.name === legacyAccumulatorName) {
    throw new MacroError(argument.offset, 'iteration variable overwrites accumulator variable');
  }
  return argument.name;
}

interface Variables {
  readonly range: Expression;
  readonly variable: string;
  readonly variable2: string | undefined;
}

function oneVariable(written: MacroCall, message: string): Variables {
  return { range: written.target!, variable: variableName(written.args[0]!, message), variable2: undefined };
}

function twoVariables(written: MacroCall): Variables {
  const [first, second] = written.args as [Expression, Expression];
  const simple = (argument: Expression): string => {
    if (argument.kind !== 'identifier') throw new MacroError(argument.offset, 'argument must be a simple name');
    return argument.name;
  };
  const variable = simple(first);
  const variable2 = simple(second);
  if (variable === variable2) throw new MacroError(second.offset, `duplicate variable name: ${variable}`);
  variableName(first, '');
  variableName(second, '');
  return { range: written.target!, variable, variable2 };
}

type Quantifier = (build: Builder, variables: Variables, predicate: Expression) => Expression;

const all: Quantifier = (build, variables, predicate) =>
  build.fold({
    ...variables,
    initial: build.literal(true),
    condition: build.call('@not_strictly_false', build.accumulator()),
    step: build.call('_&&_', build.accumulator(), predicate),
  });

const exists: Quantifier = (build, variables, predicate) =>
  build.fold({
    ...variables,
    initial: build.literal(false),
    condition: build.call('@not_strictly_false', build.call('!_', build.accumulator())),
    step: build.call('_||_', build.accumulator(), predicate),
  });

const existsOne: Quantifier = (build, variables, predicate) =>
  build.fold({
    ...variables,
    initial: build.literal(0n),
    condition: build.literal(true),
    step: build.call('_?_:_', predicate, build.call('_+_', build.accumulator(), build.literal(1n)), build.accumulator()),
    result: build.call('_==_', build.accumulator(), build.literal(1n)),
  });

function quantifierMacro(name: string, quantifier: Quantifier): Macro {
  return {
    name,
    argumentCount: 2,
    isMember: true,
    expand: written =>
      quantifier(new Builder(written.offset), oneVariable(written, 'argument must be a simple name'), written.args[1]!),
  };
}

function twoVariableQuantifier(name: string, quantifier: Quantifier): Macro {
  return {
    name,
    argumentCount: 3,
    isMember: true,
    expand: written => quantifier(new Builder(written.offset), twoVariables(written), written.args[2]!),
  };
}

function guarded(build: Builder, filter: Expression | undefined, step: Expression): Expression {
  return filter ? build.call('_?_:_', filter, step, build.accumulator()) : step;
}

function toList(
  build: Builder,
  variables: Variables,
  parts: { filter: Expression | undefined; element: Expression },
): Expression {
  const step = build.call('_+_', build.accumulator(), build.list(parts.element));
  return build.fold({
    ...variables,
    initial: build.list(),
    condition: build.literal(true),
    step: guarded(build, parts.filter, step),
  });
}

/** Arguments after the variables: `[filter,] element`. */
function filterAndElement(args: readonly Expression[]): { filter: Expression | undefined; element: Expression } {
  return args.length === 2 ? { filter: args[0], element: args[1]! } : { filter: undefined, element: args[0]! };
}

export function expandMap(written: MacroCall): Expression {
  const variables = oneVariable(written, 'argument is not an identifier');
  return toList(new Builder(written.offset), variables, filterAndElement(written.args.slice(1)));
}

function expandFilter(written: MacroCall): Expression {
  const variables = oneVariable(written, 'argument is not an identifier');
  const element = identifier(written.args[0]!.offset, variables.variable);
  return toList(new Builder(written.offset), variables, { filter: written.args[1], element });
}

function expandHas(written: MacroCall): Expression {
  const [argument] = written.args as [Expression];
  if (argument.kind !== 'select') throw new MacroError(argument.offset, 'invalid argument to has() macro');
  return select(written.offset, argument.operand, argument.field, true);
}

export const standardMacros: readonly Macro[] = [
  { name: 'has', argumentCount: 1, isMember: false, expand: expandHas },
  quantifierMacro('all', all),
  quantifierMacro('exists', exists),
  quantifierMacro('exists_one', existsOne),
  { name: 'map', argumentCount: 2, isMember: true, expand: expandMap },
  { name: 'map', argumentCount: 3, isMember: true, expand: expandMap },
  { name: 'filter', argumentCount: 2, isMember: true, expand: expandFilter },
];

function memberMacros(name: string, argumentCounts: readonly number[], expand: MacroExpander): Macro[] {
  return argumentCounts.map(argumentCount => ({ name, argumentCount, isMember: true, expand }));
}

function expandTransformMap(written: MacroCall, isEntry: boolean): Expression {
  const build = new Builder(written.offset);
  const variables = twoVariables(written);
  const { filter, element } = filterAndElement(written.args.slice(2));
  const inserted = isEntry ? [element] : [identifier(written.offset, variables.variable), element];
  return build.fold({
    ...variables,
    initial: map(written.offset, []),
    condition: build.literal(true),
    step: guarded(build, filter, build.call('cel.@mapInsert', build.accumulator(), ...inserted)),
  });
}

/** Of cel-go's two-variable comprehensions. */
export const twoVariableMacros: readonly Macro[] = [
  twoVariableQuantifier('all', all),
  twoVariableQuantifier('exists', exists),
  twoVariableQuantifier('existsOne', existsOne),
  twoVariableQuantifier('exists_one', existsOne),
  ...memberMacros('transformList', [3, 4], written =>
    toList(new Builder(written.offset), twoVariables(written), filterAndElement(written.args.slice(2))),
  ),
  ...memberMacros('transformMap', [3, 4], written => expandTransformMap(written, false)),
  ...memberMacros('transformMapEntry', [3, 4], written => expandTransformMap(written, true)),
];

/** One name for one value: a comprehension over nothing whose accumulator is the name. */
function bind(offset: Offset, name: string, value: Expression, result: Expression): Expression {
  return comprehension(offset, {
    range: list(offset, []),
    variable: '#unused',
    variable2: undefined,
    accumulator: name,
    initial: value,
    condition: literal(offset, false),
    step: identifier(offset, name),
    result,
  });
}

function simpleName(argument: Expression, message: string): string {
  if (argument.kind !== 'identifier') throw new MacroError(argument.offset, message);
  return argument.name;
}

/** A bound of ours: each `.optMap()` in a chain doubles what is before it, upstream until the memory is full. */
const maximumCopiedNodes = 2000;

function expandOptionalMap(written: MacroCall, isFlat: boolean): Expression {
  const { offset } = written;
  const target = written.target!;
  const macro = isFlat ? 'optFlatMap' : 'optMap';
  const name = simpleName(written.args[0]!, `${macro}() variable name must be a simple identifier`);
  if (isLargerThan(target, maximumCopiedNodes)) throw new MacroError(offset, `${macro}() is called on too large an expression`);
  const value = call(offset, 'value', [], copyExpression(target));
  const bound = bind(offset, name, value, written.args[1]!);
  return call(offset, '_?_:_', [
    call(offset, 'hasValue', [], target),
    isFlat ? bound : call(offset, 'optional.of', [bound]),
    call(offset, 'optional.none', []),
  ]);
}

export const optionalMacros: readonly Macro[] = [
  ...memberMacros('optMap', [2], written => expandOptionalMap(written, false)),
  ...memberMacros('optFlatMap', [2], written => expandOptionalMap(written, true)),
];

/** `cel.bind(name, value, result)`. Kubernetes leaves it out. */
export const bindMacro: Macro = {
  name: 'bind',
  argumentCount: 3,
  isMember: true,
  expand: written => {
    if (written.target!.kind !== 'identifier' || written.target!.name !== 'cel') return undefined;
    const [variable, value, result] = written.args as [Expression, Expression, Expression];
    const name = simpleName(variable, 'cel.bind() variable names must be simple identifiers');
    return bind(written.offset, name, value, result);
  },
};

const sortInput = '@__sortBy_input__';

/** `list.sortBy(element, key)`: the list ordered by keys computed once for each element. */
export const sortByMacro: Macro = {
  name: 'sortBy',
  argumentCount: 2,
  isMember: true,
  expand: written => {
    const { offset } = written;
    const target = written.target!;
    if (!['list', 'select', 'identifier', 'comprehension', 'call'].includes(target.kind)) {
      throw new MacroError(
        target.offset,
        'sortBy can only be applied to a list, identifier, comprehension, call or select expression',
      );
    }
    const keys = expandMap({ ...written, target: identifier(offset, sortInput) });
    return bind(offset, sortInput, target, call(offset, '@sortByAssociatedKeys', [keys], identifier(offset, sortInput)));
  },
};
