import type { CelType } from './cel-type.js';
import type { Offset } from './source.js';
import type { CelValue } from './values.js';

/**
 * The tree of an expression after macros are expanded. The checker writes what it finds (types, overloads, resolved names)
 * into the nodes.
 */
export type Expression =
  | LiteralExpression
  | IdentifierExpression
  | SelectExpression
  | CallExpression
  | ListExpression
  | MapExpression
  | StructExpression
  | ComprehensionExpression
  | InvalidExpression;

interface ExpressionBase {
  readonly offset: Offset;
  /** How deeply operators, selections and calls are nested. */
  readonly depth: number;
  /** Set by the checker. */
  type?: CelType;
}

export interface LiteralExpression extends ExpressionBase {
  readonly kind: 'literal';
  readonly value: CelValue;
}

export interface IdentifierExpression extends ExpressionBase {
  readonly kind: 'identifier';
  name: string;
}

export interface SelectExpression extends ExpressionBase {
  readonly kind: 'select';
  readonly operand: Expression;
  readonly field: string;
  /** The `has` macro: whether there is such a field. */
  readonly testOnly: boolean;
  /** Set by the checker where `a.b.c` is the name of one variable or type. */
  qualifiedName?: string;
}

export interface CallExpression extends ExpressionBase {
  readonly kind: 'call';
  functionName: string;
  target: Expression | undefined;
  readonly args: readonly Expression[];
  /** Ids of the overloads that may be meant, set by the checker. */
  overloads?: readonly string[];
}

export interface ListExpression extends ExpressionBase {
  readonly kind: 'list';
  readonly elements: readonly Expression[];
  /** Indexes of elements written with `?`. */
  readonly optionals: ReadonlySet<number>;
}

export interface MapEntry {
  readonly key: Expression;
  readonly value: Expression;
  readonly optional: boolean;
}

export interface MapExpression extends ExpressionBase {
  readonly kind: 'map';
  readonly entries: readonly MapEntry[];
}

export interface StructField {
  readonly offset: Offset;
  readonly name: string;
  readonly value: Expression;
  readonly optional: boolean;
}

export interface StructExpression extends ExpressionBase {
  readonly kind: 'struct';
  typeName: string;
  readonly fields: readonly StructField[];
}

export interface ComprehensionExpression extends ExpressionBase {
  readonly kind: 'comprehension';
  readonly range: Expression;
  readonly variable: string;
  readonly variable2: string | undefined;
  readonly accumulator: string;
  readonly initial: Expression;
  readonly condition: Expression;
  readonly step: Expression;
  readonly result: Expression;
}

/** Stands where something was wrong that is reported already. */
export interface InvalidExpression extends ExpressionBase {
  readonly kind: 'invalid';
}

/** The accumulator of macros: no name that a user can write. */
export const accumulatorName = '@result';
export const legacyAccumulatorName = '__result__';

export const noOptionals: ReadonlySet<number> = new Set();

export function literal(offset: Offset, value: CelValue): LiteralExpression {
  return { kind: 'literal', offset, depth: 0, type: undefined, value };
}

export function identifier(offset: Offset, name: string): IdentifierExpression {
  return { kind: 'identifier', offset, depth: 0, type: undefined, name };
}

export function select(offset: Offset, operand: Expression, field: string, testOnly = false): SelectExpression {
  return {
    kind: 'select',
    offset,
    depth: operand.depth + 1,
    type: undefined,
    operand,
    field,
    testOnly,
    qualifiedName: undefined,
  };
}

export function call(offset: Offset, functionName: string, args: readonly Expression[], target?: Expression): CallExpression {
  let depth = target ? target.depth : 0;
  for (const arg of args) if (arg.depth > depth) depth = arg.depth;
  return { kind: 'call', offset, depth: depth + 1, type: undefined, functionName, target, args, overloads: undefined };
}

export function list(offset: Offset, elements: readonly Expression[], optionals = noOptionals): ListExpression {
  return { kind: 'list', offset, depth: deepest(elements), type: undefined, elements, optionals };
}

export function map(offset: Offset, entries: readonly MapEntry[]): MapExpression {
  const depth = deepest(entries.flatMap(entry => [entry.key, entry.value]));
  return { kind: 'map', offset, depth, type: undefined, entries };
}

export function struct(offset: Offset, typeName: string, fields: readonly StructField[]): StructExpression {
  return { kind: 'struct', offset, depth: deepest(fields.map(field => field.value)), type: undefined, typeName, fields };
}

export function comprehension(
  offset: Offset,
  parts: Omit<ComprehensionExpression, 'kind' | 'offset' | 'depth' | 'type'>,
): ComprehensionExpression {
  const depth = deepest([parts.range, parts.step, parts.result]);
  return { kind: 'comprehension', offset, depth, type: undefined, ...parts };
}

export function invalid(offset: Offset): InvalidExpression {
  return { kind: 'invalid', offset, depth: 0, type: undefined };
}

function deepest(expressions: readonly Expression[]): number {
  let depth = 0;
  for (const expression of expressions) if (expression.depth > depth) depth = expression.depth;
  return depth;
}

/** A tree of its own with the same content, for macros that need an expression twice. */
export function copyExpression(expression: Expression): Expression {
  const copy = copyExpression;
  switch (expression.kind) {
    case 'select':
      return { ...expression, operand: copy(expression.operand) };
    case 'call':
      return { ...expression, target: expression.target && copy(expression.target), args: expression.args.map(copy) };
    case 'list':
      return { ...expression, elements: expression.elements.map(copy) };
    case 'map':
      return {
        ...expression,
        entries: expression.entries.map(entry => ({ ...entry, key: copy(entry.key), value: copy(entry.value) })),
      };
    case 'struct':
      return { ...expression, fields: expression.fields.map(field => ({ ...field, value: copy(field.value) })) };
    case 'comprehension':
      return {
        ...expression,
        range: copy(expression.range),
        initial: copy(expression.initial),
        condition: copy(expression.condition),
        step: copy(expression.step),
        result: copy(expression.result),
      };
    default:
      return { ...expression };
  }
}

/** Whether the tree has more nodes than that. */
export function isLargerThan(expression: Expression, limit: number): boolean {
  let count = 0;
  for (const _ of walk(expression)) if (++count > limit) return true;
  return false;
}

/** `a.b.c` as a name, where the expression is nothing else. */
export function qualifiedNameOf(expression: Expression): string | undefined {
  if (expression.kind === 'identifier') return expression.name;
  if (expression.kind !== 'select' || expression.testOnly) return undefined;
  const prefix = qualifiedNameOf(expression.operand);
  return prefix === undefined ? undefined : `${prefix}.${expression.field}`;
}

/** Every expression of the tree, parents before children. */
export function* walk(expression: Expression): Generator<Expression> {
  yield expression;
  for (const child of children(expression)) yield* walk(child);
}

export function children(expression: Expression): readonly Expression[] {
  switch (expression.kind) {
    case 'select':
      return [expression.operand];
    case 'call':
      return expression.target ? [expression.target, ...expression.args] : expression.args;
    case 'list':
      return expression.elements;
    case 'map':
      return expression.entries.flatMap(entry => [entry.key, entry.value]);
    case 'struct':
      return expression.fields.map(field => field.value);
    case 'comprehension':
      return [expression.range, expression.initial, expression.condition, expression.step, expression.result];
    default:
      return [];
  }
}
