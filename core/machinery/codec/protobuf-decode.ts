import { CodedError } from '../../base/errors.js';
import { quote } from '../field-errors.js';
import type { GroupVersionKind, KubeObject } from '../object.js';
import { formatApiVersion, isJsonObject, parseApiVersion, setOwn } from '../object.js';
import type { PrimitiveType, StructType } from '../schema.js';
import { badRequest } from '../status-error.js';
import { formatDuration, formatMicroTime, formatTime, zeroTimeSeconds } from '../time.js';
import type { KindLookup } from './json-decode.js';
import { canonicalize, notRegistered, unrecognized } from './json-decode.js';
import { heldFloat, parseJsonText, withoutTokens } from './json-text.js';
import type { ObjectHead } from './protobuf.js';
import { protobufMagic } from './protobuf.js';
import type { WireField, WirePlan, WireValue } from './wire-plan.js';
import { wirePlan } from './wire-plan.js';
import { WireReader, wireError } from './wire-reader.js';

/** Nested messages that are read; only JSONSchemaProps nest without end. */
const maximumDepth = 1000;

/** The message inside an envelope, not copied. Throws DECODE_ERROR. */
export function protobufMessage(bytes: Buffer): Buffer {
  return readEnvelope(bytes).raw;
}

export interface DecodedProtobuf extends ObjectHead {
  readonly object: KubeObject;
}

export interface ProtobufDefaults {
  /** What the request is for; fills in what the envelope leaves out. */
  readonly kind?: GroupVersionKind;
}

interface Envelope extends ObjectHead {
  readonly raw: Buffer;
}

/** The canonical form of an enveloped object, as JSON decoding gives it. Throws BadRequest. */
export function decodeProtobuf(types: KindLookup, body: Uint8Array, defaults: ProtobufDefaults = {}): DecodedProtobuf {
  const buffer = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  let head: ObjectHead | undefined;
  try {
    const envelopeRead = readEnvelope(buffer);
    const kind = envelopeRead.kind || defaults.kind?.kind || '';
    const apiVersion = envelopeRead.apiVersion || (defaults.kind ? formatApiVersion(defaults.kind) : '');
    head = { kind, apiVersion };
    if (kind === '') throw wireError("Object 'Kind' is missing in ''");
    if (apiVersion === '') throw wireError("Object 'apiVersion' is missing in ''");
    const version = parseApiVersion(apiVersion);
    if (!version) throw wireError(`unexpected GroupVersion string: ${apiVersion}`);
    // Options such as DeleteOptions are registered in every group.
    const struct = types.kind(version.group, version.version, kind) ?? types.kind('meta', 'v1', kind);
    if (!struct) throw wireError(notRegistered(kind, apiVersion));
    const { kind: _kind, apiVersion: _apiVersion, ...rest } = decodeMessage(struct, envelopeRead.raw);
    return { kind, apiVersion, object: { kind, apiVersion, ...rest } as unknown as KubeObject };
  } catch (error) {
    throw asBadRequest(error, head, { defaults, body });
  }
}

/** The canonical form of a message without envelope. Throws DECODE_ERROR. */
export function decodeMessage(struct: StructType, bytes: Buffer): Record<string, unknown> {
  const reader = new WireReader(bytes);
  const raw: Record<string, unknown> = {};
  try {
    readMessage(reader, wirePlan(struct), raw, 0);
    return canonicalize(struct, raw);
  } catch (error) {
    if (error instanceof RangeError) throw wireError('proto: message is nested too deep');
    throw error;
  }
}

function asBadRequest(
  error: unknown,
  head: ObjectHead | undefined,
  { defaults, body }: { defaults: ProtobufDefaults; body: Uint8Array },
): unknown {
  if (!(error instanceof CodedError) || (error.code !== 'DECODE_ERROR' && error.code !== 'JSON_SYNTAX')) return error;
  const expected = defaults.kind?.kind ?? head?.kind ?? '';
  if (!head?.kind) return unrecognized(body, expected, error.message, error);
  const version = head.apiVersion.slice(head.apiVersion.indexOf('/') + 1);
  return badRequest(`${head.kind} in version ${quote(version)} cannot be handled as a ${expected}: ${error.message}`, error);
}

function readEnvelope(buffer: Buffer): Envelope {
  if (buffer.length === 0) throw wireError('empty data');
  if (buffer.length < 4 || buffer.compare(protobufMagic, 0, 4, 0, 4) !== 0) {
    throw wireError('provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]');
  }
  if (buffer.length === 4) throw wireError('empty body');
  const reader = new WireReader(buffer);
  reader.at = 4;
  let kind = '';
  let apiVersion = '';
  let raw: Buffer = buffer.subarray(0, 0);
  while (reader.at < reader.end) {
    const tag = reader.varint();
    if (tag === 0x0a) {
      const inner = new WireReader(reader.bytes());
      while (inner.at < inner.end) {
        const innerTag = inner.varint();
        if (innerTag === 0x0a) apiVersion = inner.string();
        else if (innerTag === 0x12) kind = inner.string();
        else inner.skip(innerTag);
      }
    } else if (tag === 0x12) raw = reader.bytes();
    else reader.skip(tag);
  }
  return { kind, apiVersion, raw };
}

function readMessage(reader: WireReader, plan: WirePlan, target: Record<string, unknown>, depth: number): void {
  if (depth > maximumDepth) throw wireError('proto: message is nested too deep');
  const { end } = reader;
  while (reader.at < end) {
    const tag = reader.varint();
    const number = tag >>> 3;
    const field = plan.byNumber[number];
    if (!field) {
      if (number === 0) throw wireError(`proto: ${plan.name}: illegal tag ${number} (wire type ${tag})`);
      if ((tag & 7) === 4) throw wireError(`proto: ${plan.name}: wiretype end group for non-group`);
      reader.skip(tag);
      continue;
    }
    if (tag !== field.tag) throw wireError(`proto: wrong wireType = ${tag & 7} for field ${goFieldName(field)}`);
    readField(reader, field, target, depth);
  }
}

function goFieldName(field: WireField): string {
  return field.name.charAt(0).toUpperCase() + field.name.slice(1);
}

/** Runs `read` on the message that comes next, with its end as the reader's end. */
function inside(reader: WireReader, read: () => void): void {
  const size = reader.size();
  const outer = reader.end;
  reader.end = reader.at + size;
  read();
  reader.at = reader.end;
  reader.end = outer;
}

function readField(reader: WireReader, field: WireField, target: Record<string, unknown>, depth: number): void {
  if (field.kind === 'single') {
    const { primitive } = field.value;
    if (primitive !== undefined) {
      target[field.name] = readPrimitive(reader, primitive);
      return;
    }
    const { plan } = field.value;
    const before = target[field.name];
    // A message that comes twice is merged, as protobuf has it.
    if (plan && before !== undefined && isJsonObject(before)) inside(reader, () => readMessage(reader, plan, before, depth + 1));
    else target[field.name] = readValue(reader, field.value, depth);
    return;
  }
  if (field.kind === 'inline') {
    inside(reader, () => readMessage(reader, field.value.plan!, target, depth + 1));
    return;
  }
  if (field.wrapped) {
    target[field.name] ??= [];
    inside(reader, () => {
      while (reader.at < reader.end) {
        const tag = reader.varint();
        if (tag === 8 + field.value.wireType) readOne(reader, field, target, depth);
        else reader.skip(tag);
      }
    });
    return;
  }
  readOne(reader, field, target, depth);
}

/** One element of a list or one entry of a map. */
function readOne(reader: WireReader, field: WireField, target: Record<string, unknown>, depth: number): void {
  if (field.kind === 'list') {
    const value = readValue(reader, field.value, depth);
    const list = target[field.name] as unknown[] | undefined;
    if (list) list.push(value);
    else target[field.name] = [value];
    return;
  }
  let key = '';
  let value: unknown = field.value.primitive === 'bytes' ? '' : null;
  const size = reader.size();
  const outer = reader.end;
  reader.end = reader.at + size;
  while (reader.at < reader.end) {
    const tag = reader.varint();
    if (tag === 0x0a) key = reader.string();
    else if (tag === field.valueTag) value = readValue(reader, field.value, depth);
    else reader.skip(tag);
  }
  reader.end = outer;
  setOwn((target[field.name] ??= {}) as Record<string, unknown>, key, value);
}

function readValue(reader: WireReader, wire: WireValue, depth: number): unknown {
  const { plan, primitive } = wire;
  if (primitive !== undefined) return readPrimitive(reader, primitive);
  if (plan) {
    const value: Record<string, unknown> = {};
    const size = reader.size();
    const outer = reader.end;
    reader.end = reader.at + size;
    readMessage(reader, plan, value, depth + 1);
    reader.end = outer;
    return plan.jsonForm ? choiceValue(plan, value) : value;
  }
  const list: unknown[] = [];
  const element = wire.wrappedList!;
  inside(reader, () => {
    while (reader.at < reader.end) {
      const tag = reader.varint();
      if (tag === 8 + element.wireType) list.push(readValue(reader, element, depth));
      else reader.skip(tag);
    }
  });
  return list;
}

function choiceValue(plan: WirePlan, value: Record<string, unknown>): unknown {
  if (plan.jsonForm === 'schemaOrBool') return value.schema ?? value.allows === true;
  return value.jSONSchemas ?? value.property ?? value.schema ?? null;
}

function readPrimitive(reader: WireReader, primitive: PrimitiveType): unknown {
  switch (primitive) {
    case 'string':
      return reader.string();
    case 'bool':
      return reader.varint() !== 0;
    case 'int32':
      return reader.varint() | 0;
    case 'uint8':
    case 'uint16':
    case 'uint32':
      return reader.varint();
    case 'int':
    case 'int64':
    case 'uint64':
      return reader.int64();
    case 'float64':
      return heldFloat(reader.float64());
    case 'float32':
      return reader.float32();
    case 'bytes':
      return reader.bytes().toString('base64');
    default:
      return readWord(reader, primitive);
  }
}

/** Numbers and one text: what the messages of one-word types hold. */
function readWord(reader: WireReader, primitive: PrimitiveType): unknown {
  const size = reader.size();
  const outer = reader.end;
  reader.end = reader.at + size;
  const integers: (number | bigint)[] = [0, 0, 0];
  let text: string | undefined;
  while (reader.at < reader.end) {
    const tag = reader.varint();
    const number = tag >>> 3;
    if ((tag & 7) === 0 && number <= 2) integers[number] = reader.int64();
    else if ((tag & 7) === 2 && (number === 1 || number === 3)) text = reader.string();
    else reader.skip(tag);
  }
  reader.end = outer;
  switch (primitive) {
    case 'quantity':
      return text ?? '0';
    case 'time':
    case 'microTime': {
      // An empty message is the zero time, which is not the same as none where the field is a pointer.
      const instant =
        size === 0 ? { seconds: zeroTimeSeconds, nanos: 0 } : { seconds: Number(integers[1]), nanos: Number(integers[2]) };
      if (Math.abs(instant.seconds) > 1e12) throw wireError('proto: time out of range');
      return primitive === 'time' ? formatTime(instant) : formatMicroTime(instant);
    }
    case 'duration':
      return formatDuration(BigInt(integers[1]!));
    case 'intOrString':
      return integers[1] === 1 ? (text ?? '') : Number(integers[2]) | 0;
    default:
      return text === undefined || text === '' ? null : withoutTokens(parseJsonText(text, true));
  }
}
