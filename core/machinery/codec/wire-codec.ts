import { CodedError } from '../../base/errors.js';

/**
 * Protobuf by tables, for gRPC messages that are not Kubernetes objects: fields as they are on the wire, without JSON's rules.
 * What is zero is absent on both sides (proto3), so the first value of an enum reads as undefined. Integers of 64 bits are numbers,
 * precise up to 2^53. Unknown fields are skipped.
 */
export interface WireField {
  readonly name: string;
  /** A scalar, a message's name, `[]X` or `map[string]X`. */
  readonly type: string;
  readonly number: number;
  /** Names of the values of an enum, by number. */
  readonly enum?: readonly string[];
}

export type WireTable = Readonly<Record<string, readonly WireField[]>>;

export type MethodTable = Readonly<
  Record<string, { readonly path: string; readonly request: string; readonly response: string; readonly stream?: boolean }>
>;

interface FieldPlan {
  readonly field: WireField;
  readonly shape: 'single' | 'list' | 'map';
  /** Scalar or message name. */
  readonly element: string;
  readonly wireType: number;
}

interface MessagePlan {
  readonly fields: readonly FieldPlan[];
  readonly byNumber: ReadonlyMap<number, FieldPlan>;
}

type Message = Readonly<Record<string, unknown>>;

const varint = 0;
const fixed64 = 1;
const lengthDelimited = 2;
const fixed32 = 5;
const maximumDepth = 64;

export class WireCodec {
  readonly #tables: WireTable;
  readonly #plans = new Map<string, MessagePlan>();

  constructor(tables: WireTable) {
    this.#tables = tables;
  }

  encode(typeName: string, message: object): Buffer {
    const chunks: Buffer[] = [];
    this.#write(typeName, message as Message, chunks);
    return Buffer.concat(chunks);
  }

  /** Throws CodedError `WIRE_INVALID`. */
  decode(typeName: string, bytes: Uint8Array): Record<string, unknown> {
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return this.#read(typeName, new Reader(buffer, 0, buffer.length), 0);
  }

  #plan(typeName: string): MessagePlan {
    let plan = this.#plans.get(typeName);
    if (!plan) {
      const table = this.#tables[typeName];
      if (!table) throw new CodedError('WIRE_INVALID', `no wire table for ${typeName}`);
      const fields = table.map(field => fieldPlan(field));
      plan = { fields, byNumber: new Map(fields.map(entry => [entry.field.number, entry])) };
      this.#plans.set(typeName, plan);
    }
    return plan;
  }

  #write(typeName: string, message: Message, chunks: Buffer[]): void {
    for (const plan of this.#plan(typeName).fields) {
      const value = message[plan.field.name];
      if (value === undefined || value === null) continue;
      const { number } = plan.field;
      if (plan.shape === 'list') {
        const list = value as readonly unknown[];
        if (list.length === 0) continue;
        if (plan.wireType !== lengthDelimited) {
          const packed: Buffer[] = [];
          for (const item of list) packed.push(this.#value(plan, item));
          pushDelimited(chunks, number, Buffer.concat(packed));
        } else for (const item of list) pushDelimited(chunks, number, this.#value(plan, item));
      } else if (plan.shape === 'map') {
        for (const [key, item] of Object.entries(value as Message)) {
          const entry: Buffer[] = [];
          pushDelimited(entry, 1, Buffer.from(key));
          const encoded = this.#value(plan, item);
          if (plan.wireType === lengthDelimited) pushDelimited(entry, 2, encoded);
          else entry.push(encodeVarint((2 << 3) | plan.wireType), encoded);
          pushDelimited(chunks, number, Buffer.concat(entry));
        }
      } else if (plan.wireType === lengthDelimited) {
        const encoded = this.#value(plan, value);
        // A message that is there and empty is not the same as none; an empty text is.
        if (encoded.length > 0 || plan.element.includes('.')) pushDelimited(chunks, number, encoded);
      } else if (value !== 0 && value !== false && !(plan.field.enum && value === plan.field.enum[0])) {
        chunks.push(encodeVarint((number << 3) | plan.wireType), this.#value(plan, value));
      }
    }
  }

  /** Without tag and length. */
  #value(plan: FieldPlan, value: unknown): Buffer {
    const { element, field } = plan;
    switch (element) {
      case 'string':
        return Buffer.from(value as string);
      case 'bytes':
        return Buffer.from(value as Uint8Array);
      case 'bool':
        return encodeVarint(value ? 1 : 0);
      case 'float64': {
        const bytes = Buffer.alloc(8);
        bytes.writeDoubleLE(value as number);
        return bytes;
      }
      case 'float32': {
        const bytes = Buffer.alloc(4);
        bytes.writeFloatLE(value as number);
        return bytes;
      }
      case 'int32':
        if (field.enum) {
          const index = field.enum.indexOf(value as string);
          if (index < 0) throw new CodedError('WIRE_INVALID', `${field.name}: no value ${String(value)}`);
          return encodeVarint(index);
        }
        return encodeVarint(value as number);
      case 'int64':
      case 'uint32':
      case 'uint64':
        return encodeVarint(value as number);
      default: {
        const chunks: Buffer[] = [];
        this.#write(element, value as Message, chunks);
        return Buffer.concat(chunks);
      }
    }
  }

  #read(typeName: string, reader: Reader, depth: number): Record<string, unknown> {
    if (depth > maximumDepth) throw malformed('nested too deep');
    const { byNumber } = this.#plan(typeName);
    const message: Record<string, unknown> = {};
    while (reader.at < reader.end) {
      const tag = reader.varint();
      const plan = byNumber.get(tag >>> 3);
      const wireType = tag & 7;
      if (!plan) {
        reader.skip(wireType);
        continue;
      }
      const { name } = plan.field;
      if (plan.shape === 'list') {
        const list = (message[name] ??= []) as unknown[];
        if (wireType === lengthDelimited && plan.wireType !== lengthDelimited) {
          const inner = reader.delimited();
          while (inner.at < inner.end) list.push(this.#readValue(plan, inner, plan.wireType, depth));
        } else list.push(this.#readValue(plan, reader, wireType, depth));
      } else if (plan.shape === 'map') this.#readEntry(plan, reader, (message[name] ??= {}) as Record<string, unknown>, depth);
      else message[name] = this.#readValue(plan, reader, wireType, depth);
    }
    return message;
  }

  #readEntry(plan: FieldPlan, reader: Reader, target: Record<string, unknown>, depth: number): void {
    const inner = reader.delimited();
    let key = '';
    let value: unknown = zeroOf(plan.element);
    while (inner.at < inner.end) {
      const tag = inner.varint();
      if (tag >>> 3 === 1) key = inner.delimited().text();
      else if (tag >>> 3 === 2) value = this.#readValue(plan, inner, tag & 7, depth);
      else inner.skip(tag & 7);
    }
    // A key may be `__proto__`.
    Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true });
  }

  #readValue(plan: FieldPlan, reader: Reader, wireType: number, depth: number): unknown {
    if (wireType !== plan.wireType) throw malformed(`wire type ${wireType} for field ${plan.field.name}`);
    switch (plan.element) {
      case 'string':
        return reader.delimited().text();
      case 'bytes':
        return reader.delimited().rest();
      case 'bool':
        return reader.varint() !== 0;
      case 'float64':
        return reader.take(8).readDoubleLE();
      case 'float32':
        return reader.take(4).readFloatLE();
      case 'int32': {
        const value = reader.varint() | 0;
        return plan.field.enum ? (plan.field.enum[value] ?? String(value)) : value;
      }
      case 'uint32':
        return reader.varint();
      case 'int64':
        return reader.long(true);
      case 'uint64':
        return reader.long(false);
      default:
        return this.#read(plan.element, reader.delimited(), depth + 1);
    }
  }
}

function fieldPlan(field: WireField): FieldPlan {
  const list = field.type.startsWith('[]');
  const map = field.type.startsWith('map[string]');
  const element = list ? field.type.slice(2) : map ? field.type.slice(11) : field.type;
  return { field, shape: list ? 'list' : map ? 'map' : 'single', element, wireType: wireTypeOf(element) };
}

function wireTypeOf(element: string): number {
  switch (element) {
    case 'bool':
    case 'int32':
    case 'int64':
    case 'uint32':
    case 'uint64':
      return varint;
    case 'float64':
      return fixed64;
    case 'float32':
      return fixed32;
    default:
      return lengthDelimited;
  }
}

function zeroOf(element: string): unknown {
  if (element === 'string') return '';
  if (element === 'bool') return false;
  return wireTypeOf(element) === lengthDelimited ? (element === 'bytes' ? Buffer.alloc(0) : {}) : 0;
}

function encodeVarint(value: number): Buffer {
  if (value >= 0 && value < 0x80) return Buffer.of(value);
  const bytes: number[] = [];
  if (value >= 0 && value <= 0x7fffffff) {
    for (; value >= 0x80; value >>>= 7) bytes.push((value & 0x7f) | 0x80);
    bytes.push(value);
    return Buffer.from(bytes);
  }
  let bits = BigInt.asUintN(64, BigInt(Math.trunc(value)));
  for (; bits >= 0x80n; bits >>= 7n) bytes.push(Number(bits & 0x7fn) | 0x80);
  bytes.push(Number(bits));
  return Buffer.from(bytes);
}

function pushDelimited(chunks: Buffer[], number: number, body: Buffer): void {
  chunks.push(encodeVarint((number << 3) | lengthDelimited), encodeVarint(body.length), body);
}

function malformed(detail: string): CodedError {
  return new CodedError('WIRE_INVALID', `malformed protobuf message: ${detail}`);
}

/** Reads one message; every step is checked against its end. */
class Reader {
  readonly #buffer: Buffer;
  at: number;
  readonly end: number;

  constructor(buffer: Buffer, at: number, end: number) {
    this.#buffer = buffer;
    this.at = at;
    this.end = end;
  }

  /** Low 32 bits, unsigned. */
  varint(): number {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.#byte();
      if (shift < 32) value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
    throw malformed('integer overflow');
  }

  long(signed: boolean): number {
    const start = this.at;
    const small = this.varint();
    if (this.at - start <= 4) return small;
    this.at = start;
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = this.#byte();
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return Number(signed ? BigInt.asIntN(64, value) : BigInt.asUintN(64, value));
    }
  }

  delimited(): Reader {
    const size = this.varint();
    if (size > this.end - this.at) throw malformed('unexpected end');
    const inner = new Reader(this.#buffer, this.at, this.at + size);
    this.at += size;
    return inner;
  }

  take(size: number): Buffer {
    if (size > this.end - this.at) throw malformed('unexpected end');
    this.at += size;
    return this.#buffer.subarray(this.at - size, this.at);
  }

  rest(): Buffer {
    return Buffer.from(this.#buffer.subarray(this.at, this.end));
  }

  text(): string {
    return this.#buffer.toString('utf8', this.at, this.end);
  }

  skip(wireType: number): void {
    if (wireType === varint) this.varint();
    else if (wireType === fixed64) this.take(8);
    else if (wireType === lengthDelimited) this.delimited();
    else if (wireType === fixed32) this.take(4);
    else throw malformed(`wire type ${wireType}`);
  }

  #byte(): number {
    if (this.at >= this.end) throw malformed('unexpected end');
    return this.#buffer[this.at++]!;
  }
}
