import { goTypeName } from './fold-node.js';
import { plainValue } from './format-value.js';
import type { Frame } from './frame.js';
import { Node } from './nodes.js';
import type { CelValue } from './values.js';
import { CelError, ListValue, MapValue, noSuchOverload, ObjectValue, OptionalValue, typeOf, Uint } from './values.js';

/**
 * Variables and what is selected from them. A chain such as `a.b[0].?c` is one attribute: it costs one for itself and one
 * for each step. As the branch of a conditional or as an index, an attribute is resolved without the cost for itself; that is
 * how cel-go counts.
 */
export abstract class Attribute extends Node {
  /** Without the cost for itself. */
  abstract resolve(frame: Frame): CelValue;

  /** The chain with one more step; the attribute must not be used on its own any more. */
  abstract add(step: Step): void;
}

/** One step: a key that is known, or worked out each time. */
export class Step {
  constructor(
    readonly key: CelValue | Attribute,
    readonly optional: boolean,
    /** Only whether it is there: the last step of `has()`. */
    readonly testOnly = false,
    /** A field of a type that the checker knows. */
    readonly declared = false,
  ) {}

  /** Undefined for an optional step that leads nowhere. */
  take(frame: Frame, value: CelValue, isOptional: boolean): CelValue | undefined {
    const key = this.key instanceof Attribute ? this.key.resolve(frame) : this.key;
    const found = key instanceof CelError ? key : this.#lookUp(value, key);
    if (this.testOnly && !isOptional) {
      frame.charge(1);
      return found instanceof CelError ? found : found !== undefined;
    }
    if (found !== undefined && !(found instanceof CelError && isOptional)) frame.charge(1);
    else if (!isOptional) frame.charge(1);
    if (found !== undefined || isOptional) return found;
    return value instanceof ListValue
      ? new CelError(`index out of bounds: ${plainValue(key)}`)
      : new CelError(`no such key: ${plainValue(key)}`);
  }

  #lookUp(value: CelValue, key: CelValue): CelValue | undefined {
    if (!(value instanceof ObjectValue) || typeof key !== 'string') return lookUp(value, key);
    if (this.testOnly) {
      const found = value.hasField(key, this.declared);
      return found === false ? undefined : found;
    }
    return this.declared ? value.declaredField(key) : value.field(key);
  }
}

/** Undefined for what is not there. */
function lookUp(value: CelValue, key: CelValue): CelValue | undefined {
  if (!isKey(key)) return new CelError(`invalid qualifier type: ${goTypeName(key)}`);
  if (value instanceof MapValue) return value.find(key);
  if (value instanceof ListValue) {
    const index = listIndex(key);
    if (typeof index !== 'number') return index;
    return index >= 0 && index < value.size ? value.at(index) : undefined;
  }
  if (value instanceof CelError) return value;
  return value instanceof ObjectValue && typeof key === 'string' ? value.field(key) : undefined;
}

export function isKey(value: CelValue): boolean {
  return typeof value !== 'object' || value instanceof Uint;
}

export function listIndex(key: CelValue): number | CelError {
  switch (typeof key) {
    case 'bigint':
      return Number(key);
    case 'number':
      if (Number.isInteger(key) && Math.abs(key) < 2 ** 63) return key;
      return new CelError(`unsupported index value ${plainValue(key)} in list`);
  }
  if (key instanceof Uint) {
    if (key.value < 1n << 63n) return Number(key.value);
    return new CelError(`unsupported index value ${plainValue(key)} in list`);
  }
  return new CelError(`unsupported index type '${typeOf(key).name}' in list`);
}

/** A chain of steps from some value on. */
abstract class ChainAttribute extends Attribute {
  readonly #steps: Step[] = [];

  protected abstract base(frame: Frame): CelValue;

  add(step: Step): void {
    this.#steps.push(step);
  }

  resolve(frame: Frame): CelValue {
    let value = this.base(frame);
    const steps = this.#steps;
    if (steps.length === 0 || value instanceof CelError) return value;
    let isOptional = false;
    if (value instanceof OptionalValue) {
      if (value.value === undefined) return value;
      isOptional = true;
      ({ value } = value);
    }
    for (const step of steps) {
      isOptional ||= step.optional;
      const next = step.take(frame, value, isOptional);
      if (next === undefined) return OptionalValue.none;
      if (next instanceof CelError) return next;
      value = next;
    }
    return isOptional ? OptionalValue.of(value) : value;
  }

  evaluate(frame: Frame): CelValue {
    const value = this.resolve(frame);
    frame.charge(1);
    return value;
  }
}

export class VariableAttribute extends ChainAttribute {
  constructor(readonly name: string) {
    super();
  }

  protected base(frame: Frame): CelValue {
    const value = frame.variables.find(this.name);
    return value === undefined ? new CelError(`no such attribute(s): ${this.name}`) : value;
  }
}

/** A variable of a comprehension. */
export class LocalAttribute extends ChainAttribute {
  constructor(readonly place: number) {
    super();
  }

  protected base(frame: Frame): CelValue {
    return frame.locals[this.place]!;
  }
}

/** The accumulator of a comprehension gets its first value when it is first read. */
export class AccumulatorAttribute extends ChainAttribute {
  constructor(
    readonly place: number,
    readonly initial: (frame: Frame) => CelValue,
  ) {
    super();
  }

  protected base(frame: Frame): CelValue {
    return (frame.locals[this.place] ??= this.initial(frame));
  }
}

/** Steps from the value of any other expression. */
export class RelativeAttribute extends ChainAttribute {
  constructor(readonly operand: Node) {
    super();
  }

  protected base(frame: Frame): CelValue {
    return this.operand.evaluate(frame);
  }
}

/** `a ? b : c` costs nothing for itself; steps after it belong to both branches. */
export class ConditionalAttribute extends Attribute {
  constructor(
    readonly condition: Node,
    readonly truthy: Attribute,
    readonly falsy: Attribute,
  ) {
    super();
  }

  add(step: Step): void {
    this.truthy.add(step);
    this.falsy.add(step);
  }

  resolve(frame: Frame): CelValue {
    const condition = this.condition.evaluate(frame);
    if (condition === true) return this.truthy.resolve(frame);
    if (condition === false) return this.falsy.resolve(frame);
    return condition instanceof CelError ? condition : noSuchOverload;
  }

  evaluate(frame: Frame): CelValue {
    return this.resolve(frame);
  }
}

/** `has(a.b)`, where the attribute's last step only tests. Free but for its steps. */
export class PresenceNode extends Node {
  constructor(readonly attribute: Attribute) {
    super();
  }

  evaluate(frame: Frame): CelValue {
    const value = this.attribute.resolve(frame);
    return value instanceof OptionalValue ? value.value !== undefined : value;
  }
}
