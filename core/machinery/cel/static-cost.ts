import type { CallExpression, ComprehensionExpression, Expression } from './ast.js';
import { accumulatorName, legacyAccumulatorName } from './ast.js';
import type { CallEstimate, CostNode, SizeLookup } from './call-estimates.js';
import { libraryEstimate } from './call-estimates.js';
import type { CelType } from './cel-type.js';
import { dynType } from './cel-type.js';
import type { Estimate } from './estimate.js';
import { exactly, plus, scaled, times, union, unknownSize, unlimited, wrapping } from './estimate.js';
import { regexFactor, stringFactor } from './runtime-cost.js';
import { sizeOf } from './values.js';

/**
 * The least and the most that an expression may cost, from the sizes that schemas allow (cel-go's checker/cost.go). The CRD
 * endpoint refuses rules by the upper bound, so it is upstream's number, quirks included.
 */
export function estimateCost(expression: Expression, sizes: SizeLookup): Estimate {
  return new CostEstimator(sizes).cost(expression);
}

/** Sizes of what a list or map holds. */
interface EntrySize {
  readonly container: 'list' | 'map';
  readonly key: Estimate;
  readonly value: Estimate;
}

interface LocalVariable {
  readonly path: readonly string[];
  readonly size: Estimate | undefined;
  readonly entrySize: EntrySize | undefined;
}

const noPath: readonly string[] = [];
const nothing: Estimate = { min: 0, max: unlimited };
const smallestFirst: Estimate = { min: unlimited, max: 0 };

class CostEstimator {
  readonly #sizes: SizeLookup;
  readonly #paths = new Map<Expression, readonly string[]>();
  readonly #computedSizes = new Map<Expression, Estimate>();
  readonly #entrySizes = new Map<Expression, EntrySize>();
  readonly #locals = new Map<string, LocalVariable[]>();

  constructor(sizes: SizeLookup) {
    this.#sizes = sizes;
  }

  cost(expression: Expression): Estimate {
    switch (expression.kind) {
      case 'identifier': {
        const local = this.#local(expression.name);
        this.#paths.set(expression, local ? local.path : [expression.name]);
        return exactly(1);
      }
      case 'select': {
        if (expression.qualifiedName !== undefined) {
          this.#paths.set(expression, [expression.qualifiedName]);
          return exactly(1);
        }
        const operand = this.cost(expression.operand);
        if (expression.testOnly) return operand;
        this.#paths.set(expression, [...this.#path(expression.operand), expression.field]);
        const { kind } = expression.operand.type!;
        return kind === 'map' || kind === 'struct' || kind === 'parameter' ? plus(operand, exactly(1)) : operand;
      }
      case 'call':
        return this.#call(expression);
      case 'list': {
        let sum = exactly(10);
        let items = expression.elements.length === 0 ? exactly(0) : smallestFirst;
        for (const element of expression.elements) {
          sum = plus(sum, this.cost(element));
          items = union(items, this.#sizeOrUnknown(element));
        }
        this.#entrySizes.set(expression, { container: 'list', key: exactly(1), value: items });
        return sum;
      }
      case 'map': {
        let sum = exactly(30);
        let keys = expression.entries.length === 0 ? exactly(0) : smallestFirst;
        let values = keys;
        for (const { key, value } of expression.entries) {
          sum = plus(plus(sum, this.cost(key)), this.cost(value));
          keys = union(keys, this.#sizeOrUnknown(key));
          values = union(values, this.#sizeOrUnknown(value));
        }
        this.#entrySizes.set(expression, { container: 'map', key: keys, value: values });
        return sum;
      }
      case 'struct':
        return expression.fields.reduce((sum, field) => plus(sum, this.cost(field.value)), exactly(40));
      case 'comprehension':
        return isBinding(expression) ? this.#binding(expression) : this.#comprehension(expression);
      default:
        return exactly(0);
    }
  }

  #local(name: string): LocalVariable | undefined {
    return this.#locals.get(name)?.at(-1);
  }

  #push(name: string, variable: LocalVariable): void {
    const known = this.#locals.get(name);
    if (known) known.push(variable);
    else this.#locals.set(name, [variable]);
  }

  #pop(name: string): void {
    this.#locals.get(name)!.pop();
  }

  #path(expression: Expression): readonly string[] {
    const local = expression.kind === 'identifier' ? this.#local(expression.name) : undefined;
    return local?.path ?? this.#paths.get(expression) ?? noPath;
  }

  #node(expression: Expression): CostNode {
    const path = this.#path(expression);
    const isAccumulator = path[0] === accumulatorName || path[0] === legacyAccumulatorName;
    return {
      path: isAccumulator ? noPath : path,
      type: expression.type!,
      expression,
      size: this.#size(expression),
    };
  }

  #size(expression: Expression): Estimate | undefined {
    const computed = this.#computedSizes.get(expression) ?? sizeAsWritten(expression);
    if (computed) return computed;
    const known = this.#sizes(this.#path(expression));
    if (known) {
      this.#computedSizes.set(expression, known);
      return known;
    }
    if (isScalar(expression.type!)) return exactly(1);
    return expression.kind === 'identifier' ? this.#local(expression.name)?.size : undefined;
  }

  #sizeOrUnknown(expression: Expression): Estimate {
    return this.#size(expression) ?? unknownSize;
  }

  #setSize(expression: Expression, size: Estimate | undefined): void {
    if (size) this.#computedSizes.set(expression, size);
  }

  #entrySize(expression: Expression): EntrySize | undefined {
    const known = this.#entrySizes.get(expression);
    if (known || expression.kind !== 'identifier') return known;
    return this.#local(expression.name)?.entrySize;
  }

  #call(expression: CallExpression): Estimate {
    const { functionName, args, target, overloads = [] } = expression;
    if (functionName === 'dyn' && args.length === 1) {
      const cost = this.cost(args[0]!);
      this.#copySizes(expression, args[0]!);
      return plus(exactly(1), cost);
    }
    const argCosts = args.map(arg => this.cost(arg));
    const nodes = args.map(arg => this.#node(arg));
    if (overloads.length === 0) return exactly(0);
    let sum = exactly(0);
    let targetNode: CostNode | undefined;
    if (target) {
      sum = this.cost(target);
      targetNode = this.#node(target);
    }
    let cost = smallestFirst;
    let size: Estimate | undefined;
    for (const overload of overloads) {
      const estimate = this.#overload(expression, { overload, target: targetNode, args: nodes, argCosts });
      cost = union(cost, estimate.cost);
      if (estimate.size) size = size ? union(size, estimate.size) : estimate.size;
      if ((overload === 'index_list' || overload === 'index_map') && args.length > 0) {
        size = this.#entrySize(args[0]!)?.value;
        this.#paths.set(expression, [...this.#path(args[0]!), overload === 'index_list' ? '@items' : '@values']);
      }
      size ??= this.#size(expression);
    }
    this.#setSize(expression, size);
    return plus(sum, cost);
  }

  #copySizes(to: Expression, from: Expression): void {
    this.#setSize(to, this.#size(from));
    const entrySize = this.#entrySize(from);
    if (entrySize) this.#entrySizes.set(to, entrySize);
  }

  #overload(
    expression: CallExpression,
    call: {
      readonly overload: string;
      readonly target: CostNode | undefined;
      readonly args: readonly CostNode[];
      readonly argCosts: readonly Estimate[];
    },
  ): CallEstimate {
    const { overload, target, args, argCosts } = call;
    const own = libraryEstimate({
      functionName: expression.functionName,
      overloadId: overload,
      target,
      args,
      sizes: this.#sizes,
    });
    const all = (): Estimate => argCosts.reduce(plus, exactly(0));
    if (own) return { cost: plus(own.cost, all()), size: own.size };
    switch (overload) {
      case 'logical_or':
      case 'logical_and': {
        const [left, right] = argCosts as [Estimate, Estimate];
        return { cost: { min: left.min, max: plus(left, right).max } };
      }
      case 'conditional': {
        const [condition, truthy, falsy] = argCosts as [Estimate, Estimate, Estimate];
        const [, first, second] = args as [CostNode, CostNode, CostNode];
        this.#uniteEntrySizes(expression, first.expression, second.expression);
        return { cost: plus(condition, union(truthy, falsy)), size: union(known(first), known(second)) };
      }
      case 'add_string':
      case 'add_bytes':
      case 'add_list': {
        const [left, right] = args as [CostNode, CostNode];
        const size = plus(known(left), known(right));
        this.#uniteEntrySizes(expression, left.expression, right.expression);
        return { cost: plus(overload === 'add_list' ? exactly(1) : scaled(size, stringFactor), all()), size };
      }
      default: {
        const estimate = standardEstimate(overload, target, args);
        return estimate ? { cost: plus(estimate.cost, all()), size: estimate.size } : { cost: plus(exactly(1), all()) };
      }
    }
  }

  #uniteEntrySizes(to: Expression, left: Expression, right: Expression): void {
    const first = this.#entrySize(left);
    const second = this.#entrySize(right);
    if (!first || !second) return;
    this.#entrySizes.set(to, {
      container: first.container,
      key: union(first.key, second.key),
      value: union(first.value, second.value),
    });
  }

  #binding(expression: ComprehensionExpression): Estimate {
    const sum = plus(this.cost(expression.range), this.cost(expression.initial));
    this.#pushAccumulator(expression);
    const result = plus(sum, this.cost(expression.result));
    this.#pop(expression.accumulator);
    this.#copySizes(expression, expression.result);
    return result;
  }

  #pushAccumulator({ accumulator, initial }: ComprehensionExpression): void {
    this.#push(accumulator, { path: this.#path(initial), size: this.#size(initial), entrySize: this.#entrySize(initial) });
  }

  #pushIteration(expression: ComprehensionExpression): void {
    const { range, variable, variable2 } = expression;
    const entrySize = this.#entrySize(range);
    const isList = (entrySize?.container ?? range.type!.kind) === 'list';
    const path = this.#path(range);
    const push = (name: string, part: string, size: Estimate | undefined): void =>
      this.#push(name, { path: [...path, part], size, entrySize: undefined });
    const value = (name: string): void => push(name, isList ? '@items' : '@values', entrySize?.value);
    if (variable2 !== undefined) {
      push(variable, isList ? '@indices' : '@keys', entrySize?.key);
      value(variable2);
    } else if (isList) value(variable);
    else push(variable, '@keys', entrySize?.key);
  }

  #comprehension(expression: ComprehensionExpression): Estimate {
    const { range, initial, condition, step, accumulator, variable, variable2 } = expression;
    let sum = plus(this.cost(range), this.cost(initial));
    this.#pushAccumulator(expression);
    this.#pushIteration(expression);
    const conditionCost = this.cost(condition);
    const stepCost = this.cost(step);
    this.#pop(variable);
    if (variable2 !== undefined) this.#pop(variable2);
    sum = plus(sum, this.cost(expression.result));
    this.#pop(accumulator);
    const count = this.#sizeOrUnknown(range);
    sum = plus(sum, times(count, plus(stepCost, conditionCost)));
    if (initial.kind === 'literal') this.#setSize(expression, this.#size(initial));
    else if (initial.kind === 'list' || initial.kind === 'map') {
      this.#setSize(expression, count);
      const entrySize = this.#entrySize(step);
      if (entrySize) this.#entrySizes.set(expression, entrySize);
    }
    return sum;
  }
}

function known(node: CostNode): Estimate {
  return node.size ?? nothing;
}

function isBinding({ range, condition, accumulator }: ComprehensionExpression): boolean {
  return (
    range.kind === 'list' &&
    range.elements.length === 0 &&
    condition.kind === 'literal' &&
    condition.value === false &&
    accumulator !== legacyAccumulatorName
  );
}

function sizeAsWritten(expression: Expression): Estimate | undefined {
  if (expression.kind === 'list') return exactly(expression.elements.length);
  if (expression.kind === 'map') return exactly(expression.entries.length);
  return expression.kind === 'literal' ? exactly(sizeOf(expression.value) ?? 1) : undefined;
}

function isScalar(type: CelType): boolean {
  switch (type.kind) {
    case 'bool':
    case 'double':
    case 'duration':
    case 'int':
    case 'timestamp':
    case 'uint':
      return true;
    default:
      return type.isOptional && isScalar(type.parameters[0] ?? dynType);
  }
}

const ordering = /^(?:less|greater)(?:_equals)?_(?:string|bytes)$/;

/** cel-go's own, for what no library knows better. */
function standardEstimate(overload: string, target: CostNode | undefined, args: readonly CostNode[]): CallEstimate | undefined {
  const [first, second] = args;
  switch (overload) {
    case 'string_format':
      return target && { cost: scaled(known(target), stringFactor) };
    case 'string_to_bytes': {
      const size = known(first!);
      return { cost: scaled(size, stringFactor), size: { min: size.min, max: wrapping(size.max, 4n) } };
    }
    case 'bytes_to_string': {
      const size = known(first!);
      return { cost: scaled(size, stringFactor), size: { min: Math.trunc(size.min / 4), max: size.max } };
    }
    case 'strings_quote': {
      const size = known(first!);
      return { cost: scaled(size, stringFactor), size: { min: size.min + 2, max: wrapping(size.max, 2n, 2n) } };
    }
    case 'starts_with_string':
    case 'ends_with_string':
      return { cost: scaled(known(first!), stringFactor) };
    case 'in_list':
      return { cost: known(second!) };
    case 'matches_string': {
      if (!target) return undefined;
      const text = scaled(plus(known(target), exactly(1)), stringFactor);
      return { cost: times(text, scaled(known(first!), regexFactor)) };
    }
    case 'contains_string':
      return target && { cost: times(scaled(known(target), stringFactor), scaled(known(first!), stringFactor)) };
    default: {
      if (overload !== 'equals' && overload !== 'not_equals' && !ordering.test(overload)) return undefined;
      const max = Math.min(known(first!).max, known(second!).max);
      return { cost: scaled({ min: max > 0 ? 1 : 0, max }, stringFactor) };
    }
  }
}
