import type { Implementation } from './declarations.js';
import { plainValue } from './format-value.js';
import type { Frame } from './frame.js';
import type { ArgumentCost, CallCost } from './runtime-cost.js';
import type { CelValue, ListValue } from './values.js';
import { ArrayList, CelError, EntryMap, equalValues, noSuchOverload, OptionalValue, Uint } from './values.js';

/**
 * A planned expression, ready to run. Nodes charge what cel-go's interpreter charges for them, also when an operand is an
 * error; their results may be errors.
 */
export abstract class Node {
  abstract evaluate(frame: Frame): CelValue;
}

export class ConstantNode extends Node {
  constructor(readonly value: CelValue) {
    super();
  }

  evaluate(): CelValue {
    return this.value;
  }
}

/** `&&` with `stopsAt` false, `||` with true: the deciding value wins over errors. */
export class LogicalNode extends Node {
  constructor(
    readonly left: Node,
    readonly right: Node,
    readonly stopsAt: boolean,
  ) {
    super();
  }

  evaluate(frame: Frame): CelValue {
    const left = this.left.evaluate(frame);
    if (left === this.stopsAt) return left;
    const right = this.right.evaluate(frame);
    if (right === this.stopsAt) return right;
    if (typeof left !== 'boolean') return left instanceof CelError ? left : noSuchOverload;
    if (typeof right !== 'boolean') return right instanceof CelError ? right : noSuchOverload;
    return !this.stopsAt;
  }
}

export class EqualityNode extends Node {
  constructor(
    readonly left: Node,
    readonly right: Node,
    readonly cost: ArgumentCost,
    readonly negated: boolean,
  ) {
    super();
  }

  evaluate(frame: Frame): CelValue {
    const left = this.left.evaluate(frame);
    const right = this.right.evaluate(frame);
    frame.charge(this.cost(left, right));
    return this.#compare(left, right);
  }

  #compare(left: CelValue, right: CelValue): CelValue {
    if (left instanceof CelError) return left;
    if (right instanceof CelError) return right;
    const equal = equalValues(left, right);
    return this.negated ? equal !== true : equal;
  }
}

function chargeBefore(frame: Frame, cost: CallCost, first: CelValue, second: CelValue): void {
  if (typeof cost === 'number') frame.charge(cost);
  else if (typeof cost === 'function') frame.charge(cost(first, second));
}

function chargeAfter(frame: Frame, cost: CallCost, result: CelValue): void {
  if (typeof cost === 'object') frame.charge(cost.ofResult(result));
}

export interface CallParts {
  readonly implementation: Implementation;
  readonly cost: CallCost;
  readonly nonStrict: boolean;
}

export class UnaryNode extends Node {
  constructor(
    readonly operand: Node,
    readonly parts: CallParts,
  ) {
    super();
  }

  evaluate(frame: Frame): CelValue {
    const operand = this.operand.evaluate(frame);
    const { implementation, cost, nonStrict } = this.parts;
    chargeBefore(frame, cost, operand, null);
    const result = operand instanceof CelError && !nonStrict ? operand : implementation(operand, null, null, null);
    chargeAfter(frame, cost, result);
    return result;
  }
}

export class BinaryNode extends Node {
  constructor(
    readonly left: Node,
    readonly right: Node,
    readonly parts: CallParts,
  ) {
    super();
  }

  evaluate(frame: Frame): CelValue {
    const left = this.left.evaluate(frame);
    const right = this.right.evaluate(frame);
    const { implementation, cost } = this.parts;
    chargeBefore(frame, cost, left, right);
    let result: CelValue;
    if (left instanceof CelError) result = left;
    else if (right instanceof CelError) result = right;
    else result = implementation(left, right, null, null);
    chargeAfter(frame, cost, result);
    return result;
  }
}

/** Any number of operands. The first error ends it, without the call's cost unless it is the last operand's. */
export class CallNode extends Node {
  constructor(
    readonly operands: readonly Node[],
    readonly parts: CallParts,
  ) {
    super();
  }

  evaluate(frame: Frame): CelValue {
    const { implementation, cost } = this.parts;
    const values: CelValue[] = [];
    let result: CelValue | undefined;
    for (const operand of this.operands) {
      const value = operand.evaluate(frame);
      values.push(value);
      if (!(value instanceof CelError)) continue;
      if (values.length < this.operands.length) return value;
      result = value;
    }
    const [first = null, second = null, third = null, fourth = null] = values;
    chargeBefore(frame, cost, first, second);
    result ??= implementation(first, second, third, fourth);
    chargeAfter(frame, cost, result);
    return result;
  }
}

/** `.or()` and `.orValue()`: the other side only where the first has no value; without cost of their own. */
export class OptionalOrNode extends Node {
  constructor(
    readonly left: Node,
    readonly right: Node,
    readonly unwraps: boolean,
  ) {
    super();
  }

  evaluate(frame: Frame): CelValue {
    const left = this.left.evaluate(frame);
    if (!(left instanceof OptionalValue)) return left;
    if (left.value === undefined) return this.right.evaluate(frame);
    return this.unwraps ? left.value : left;
  }
}

const listCost = 10;
const mapCost = 30;
const structCost = 40;

export class ListNode extends Node {
  constructor(
    readonly elements: readonly Node[],
    readonly optionals: ReadonlySet<number>,
  ) {
    super();
  }

  evaluate(frame: Frame): CelValue {
    const result = this.#build(frame);
    frame.charge(listCost);
    return result;
  }

  #build(frame: Frame): CelValue {
    const items: CelValue[] = [];
    for (let index = 0; index < this.elements.length; index++) {
      const value = this.elements[index]!.evaluate(frame);
      if (value instanceof CelError) return value;
      if (!this.optionals.has(index)) items.push(value);
      else if (!(value instanceof OptionalValue)) {
        return new CelError(`cannot initialize optional list element from non-optional value ${plainValue(value)}`);
      } else if (value.value !== undefined) items.push(value.value);
    }
    return new ArrayList(items);
  }
}

export interface EntryNode {
  readonly key: Node;
  readonly value: Node;
  readonly optional: boolean;
}

export class MapNode extends Node {
  constructor(readonly entries: readonly EntryNode[]) {
    super();
  }

  evaluate(frame: Frame): CelValue {
    const result = this.#build(frame);
    frame.charge(mapCost);
    return result;
  }

  #build(frame: Frame): CelValue {
    const result = new EntryMap();
    for (const entry of this.entries) {
      const key = entry.key.evaluate(frame);
      if (key instanceof CelError) return key;
      const value = entry.value.evaluate(frame);
      if (value instanceof CelError) return value;
      if (!entry.optional) result.insert(key, value);
      else if (!(value instanceof OptionalValue)) return badOptionalEntry(plainValue(key), value);
      else if (value.value === undefined) result.remove(key);
      else result.insert(key, value.value);
    }
    return result;
  }
}

function badOptionalEntry(key: string, value: CelValue): CelError {
  return new CelError(`cannot initialize optional entry '${key}' from non-optional value ${plainValue(value)}`);
}

export interface FieldNode {
  readonly name: string;
  readonly value: Node;
  readonly optional: boolean;
}

export class StructNode extends Node {
  constructor(
    readonly fields: readonly FieldNode[],
    readonly create: (fields: ReadonlyMap<string, CelValue>) => CelValue,
  ) {
    super();
  }

  evaluate(frame: Frame): CelValue {
    const result = this.#build(frame);
    frame.charge(structCost);
    return result;
  }

  #build(frame: Frame): CelValue {
    const values = new Map<string, CelValue>();
    for (const field of this.fields) {
      const value = field.value.evaluate(frame);
      if (value instanceof CelError) return value;
      if (!field.optional) values.set(field.name, value);
      else if (!(value instanceof OptionalValue)) return badOptionalEntry(field.name, value);
      else if (value.value === undefined) values.delete(field.name);
      else values.set(field.name, value.value);
    }
    return this.create(values);
  }
}

/** `x in [...]` with a list of constants: one lookup, without cost. */
export class MembershipNode extends Node {
  readonly #members: ReadonlySet<string | bigint | number | boolean | null>;

  constructor(
    readonly element: Node,
    list: ListValue,
  ) {
    super();
    this.#members = new Set([...list].map(memberKey).filter(key => key !== undefined));
  }

  evaluate(frame: Frame): CelValue {
    const value = this.element.evaluate(frame);
    if (value instanceof CelError) return value;
    const key = memberKey(value);
    return key !== undefined && this.#members.has(key);
  }
}

/** Equal for equal values, also where the types of numbers differ; undefined for values that need a real comparison. */
export function memberKey(value: CelValue): string | bigint | number | boolean | null | undefined {
  if (value instanceof Uint) return value.value;
  if (typeof value === 'number') {
    if (Number.isNaN(value)) return undefined;
    return Number.isInteger(value) ? BigInt(value) : value;
  }
  return typeof value === 'object' && value !== null ? undefined : value;
}
