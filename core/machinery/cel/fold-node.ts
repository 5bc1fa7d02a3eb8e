import type { Frame } from './frame.js';
import { Node } from './nodes.js';
import type { CelValue } from './values.js';
import { CelError, Duration, EntryMap, GrowingList, ListValue, MapValue, OptionalValue, Timestamp, Uint } from './values.js';
import { CelType } from './cel-type.js';

/** A map that a comprehension collects into. */
export class GrowingMap extends EntryMap {}

export interface FoldParts {
  readonly range: Node;
  readonly initial: Node;
  readonly condition: Node;
  readonly step: Node;
  readonly result: Node;
  readonly accumulatorPlace: number;
  readonly variablePlace: number;
  /** Of the second variable. */
  readonly variable2Place: number | undefined;
  /** Collects in place: nobody but the comprehension sees the accumulator. */
  readonly collects: boolean;
}

/** A comprehension. */
export class FoldNode extends Node {
  constructor(readonly parts: FoldParts) {
    super();
  }

  /** The accumulator's first value; evaluated when it is first read. */
  static initial(frame: Frame, initial: Node, collects: boolean): CelValue {
    const value = initial.evaluate(frame);
    if (!collects) return value;
    if (value instanceof ListValue && value.size === 0) return new GrowingList();
    return value instanceof MapValue && value.size === 0 ? new GrowingMap() : value;
  }

  evaluate(frame: Frame): CelValue {
    const { range, result, accumulatorPlace, variable2Place } = this.parts;
    const { locals } = frame;
    locals[accumulatorPlace] = undefined;
    const values = range.evaluate(frame);
    if (values instanceof CelError) return values;
    if (variable2Place === undefined) {
      if (values instanceof ListValue) this.#overList(frame, values);
      else if (values instanceof MapValue) this.#overKeys(frame, values);
      else return new CelError(`got '${goTypeName(values)}', expected iterable type`);
    } else if (values instanceof ListValue || values instanceof MapValue) this.#overPairs(frame, values, variable2Place);
    else return new CelError(`unsupported comprehension range type: ${goTypeName(values)}`);
    const value = result.evaluate(frame);
    return value instanceof GrowingList ? value.finished() : value;
  }

  /** False when the condition ends it. */
  #once(frame: Frame): boolean {
    const { condition, step, accumulatorPlace } = this.parts;
    if (condition.evaluate(frame) === false) return false;
    frame.locals[accumulatorPlace] = step.evaluate(frame);
    return true;
  }

  #overList(frame: Frame, values: ListValue): void {
    const { variablePlace } = this.parts;
    for (let index = 0; index < values.size; index++) {
      frame.locals[variablePlace] = values.at(index);
      if (!this.#once(frame)) return;
    }
  }

  #overKeys(frame: Frame, values: MapValue): void {
    for (const key of values.keys()) {
      frame.locals[this.parts.variablePlace] = key;
      if (!this.#once(frame)) return;
    }
  }

  #overPairs(frame: Frame, values: ListValue | MapValue, variable2Place: number): void {
    const { variablePlace } = this.parts;
    if (values instanceof ListValue) {
      for (let index = 0; index < values.size; index++) {
        frame.locals[variablePlace] = BigInt(index);
        frame.locals[variable2Place] = values.at(index);
        if (!this.#once(frame)) return;
      }
      return;
    }
    for (const key of values.keys()) {
      frame.locals[variablePlace] = key;
      frame.locals[variable2Place] = values.find(key)!;
      if (!this.#once(frame)) return;
    }
  }
}

/** Upstream names Go's types here. */
export function goTypeName(value: CelValue): string {
  switch (typeof value) {
    case 'boolean':
      return 'types.Bool';
    case 'bigint':
      return 'types.Int';
    case 'number':
      return 'types.Double';
    case 'string':
      return 'types.String';
  }
  if (value === null) return 'types.Null';
  if (value instanceof Uint) return 'types.Uint';
  if (value instanceof Uint8Array) return 'types.Bytes';
  if (value instanceof Timestamp) return 'types.Timestamp';
  if (value instanceof Duration) return 'types.Duration';
  if (value instanceof ListValue) return '*types.baseList';
  if (value instanceof MapValue) return '*types.baseMap';
  if (value instanceof CelType) return '*types.Type';
  return value instanceof OptionalValue ? '*types.Optional' : value.constructor.name;
}
