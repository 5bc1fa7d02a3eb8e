import { jsonText } from './json-text.js';
import { isJsonObject } from '../object.js';
import type { PrimitiveType, StructType } from '../schema.js';
import { parseDuration, parseTime } from '../time.js';
import type { WireField, WirePlan, WireValue } from './wire-plan.js';
import { wirePlan } from './wire-plan.js';
import { WireWriter } from './wire-writer.js';

/** Writing Kubernetes' protobuf, driven by the schema tables. Source: apimachinery pkg/runtime/serializer/protobuf. */
export const protobufMagic: Buffer = Buffer.from([0x6b, 0x38, 0x73, 0x00]);

export interface ObjectHead {
  readonly kind: string;
  readonly apiVersion: string;
}

export interface ListHead extends ObjectHead {
  readonly metadata: { readonly resourceVersion?: string; readonly continue?: string; readonly remainingItemCount?: number };
}

/** A canonical object in its envelope. `head` where the object does not carry its kind itself. */
export function encodeProtobuf(struct: StructType, object: object, head: ObjectHead = object as ObjectHead): Buffer {
  const writer = new WireWriter();
  envelope(writer, head, () => writeMessage(writer, wirePlan(struct), object as Record<string, unknown>));
  return writer.finish();
}

/** The message alone, without envelope. */
export function encodeMessage(struct: StructType, object: object): Buffer {
  const writer = new WireWriter();
  writeMessage(writer, wirePlan(struct), object as Record<string, unknown>);
  return writer.finish();
}

/** A list of messages that are encoded already, in its envelope, as parts to be written in turn. */
export function encodeProtobufList(head: ListHead, messages: readonly Uint8Array[]): Buffer[] {
  const writer = new WireWriter(256);
  const parts: Buffer[] = [];
  let size = 0;
  for (const message of messages) {
    writer.varint(message.length);
    writer.varint(0x12);
    const prefix = writer.finish();
    size += prefix.length + message.length;
    parts.push(prefix, Buffer.from(message.buffer, message.byteOffset, message.byteLength));
  }
  writeListMeta(writer, head.metadata);
  const metadata = writer.finish();
  writer.varint(0);
  writer.varint(0x22);
  writer.varint(0);
  writer.varint(0x1a);
  parts.push(writer.finish());
  writer.raw(metadata);
  writer.varint(size + metadata.length);
  writer.varint(0x12);
  writeTypeMeta(writer, head);
  writer.raw(protobufMagic);
  return [writer.finish(), ...parts];
}

/** One frame of a watch: length, then WatchEvent. `object` is what encodeProtobuf gave, envelope and all. */
export function encodeWatchFrame(type: string, object: Uint8Array): Buffer {
  const writer = new WireWriter(object.length + type.length + 32);
  const start = writer.length;
  writer.bytes(object);
  writer.varint(0x0a);
  closeMessage(writer, start, 0x12);
  writer.string(type);
  writer.varint(0x0a);
  const event = writer.finish();
  const frame = Buffer.allocUnsafe(event.length + 4);
  frame.writeUInt32BE(event.length, 0);
  frame.set(event, 4);
  return frame;
}

function envelope(writer: WireWriter, head: ObjectHead, writeRaw: () => void): void {
  writer.varint(0);
  writer.varint(0x22);
  writer.varint(0);
  writer.varint(0x1a);
  const start = writer.length;
  writeRaw();
  closeMessage(writer, start, 0x12);
  writeTypeMeta(writer, head);
  writer.raw(protobufMagic);
}

function writeTypeMeta(writer: WireWriter, head: ObjectHead): void {
  const start = writer.length;
  writer.string(head.kind ?? '');
  writer.varint(0x12);
  writer.string(head.apiVersion ?? '');
  writer.varint(0x0a);
  closeMessage(writer, start, 0x0a);
}

function writeListMeta(writer: WireWriter, metadata: ListHead['metadata']): void {
  const start = writer.length;
  if (metadata.remainingItemCount !== undefined) {
    writer.integer(metadata.remainingItemCount);
    writer.varint(0x20);
  }
  writer.string(metadata.continue ?? '');
  writer.varint(0x1a);
  writer.string(metadata.resourceVersion ?? '');
  writer.varint(0x12);
  writer.string('');
  writer.varint(0x0a);
  closeMessage(writer, start, 0x0a);
}

function closeMessage(writer: WireWriter, start: number, tag: number): void {
  writer.varint(writer.length - start);
  writer.varint(tag);
}

const nothing: Record<string, unknown> = Object.freeze({});

function writeMessage(writer: WireWriter, plan: WirePlan, object: Record<string, unknown>): void {
  const source = plan.jsonForm ? choiceFields(plan, object) : object;
  const { fields } = plan;
  for (let i = fields.length - 1; i >= 0; i--) {
    const field = fields[i]!;
    if (field.kind === 'inline') {
      const start = writer.length;
      writeMessage(writer, field.value.plan!, source);
      closeMessage(writer, start, field.tag);
      continue;
    }
    const value = source[field.name];
    if (field.kind === 'single') {
      if (value === undefined || value === null) {
        if (field.value.primitive === 'bytes' || (field.pointer && !(value === null && field.nullIsZero))) continue;
        writeZero(writer, field.value);
      } else writeValue(writer, field.value, value);
      writer.varint(field.tag);
    } else if (value !== undefined && value !== null) writeMany(writer, field, value);
  }
}

function writeMany(writer: WireWriter, field: WireField, value: unknown): void {
  const start = writer.length;
  const tag = field.wrapped ? 8 + (field.kind === 'map' ? 2 : field.value.wireType) : field.tag;
  if (field.kind === 'list') writeList(writer, field.value, value as unknown[], tag);
  else {
    const map = value as Record<string, unknown>;
    const keys = Object.keys(map).sort();
    for (let i = keys.length - 1; i >= 0; i--) {
      const key = keys[i]!;
      const entryStart = writer.length;
      const entry = map[key];
      if (entry !== null && entry !== undefined) writeValue(writer, field.value, entry);
      else if (field.value.primitive !== 'bytes') writeZero(writer, field.value);
      if ((entry !== null && entry !== undefined) || field.value.primitive !== 'bytes') writer.varint(field.valueTag);
      writer.string(key);
      writer.varint(0x0a);
      closeMessage(writer, entryStart, tag);
    }
  }
  if (field.wrapped) closeMessage(writer, start, field.tag);
}

function writeList(writer: WireWriter, element: WireValue, list: readonly unknown[], tag: number): void {
  for (let i = list.length - 1; i >= 0; i--) {
    const value = list[i];
    if (value === null || value === undefined) writeZero(writer, element);
    else writeValue(writer, element, value);
    writer.varint(tag);
  }
}

/** A non-pointer that JSON leaves out: the zero of its type, a struct's with all its own zeros. */
function writeZero(writer: WireWriter, value: WireValue): void {
  if (value.plan) {
    const start = writer.length;
    writeMessage(writer, value.plan, nothing);
    writer.varint(writer.length - start);
    return;
  }
  switch (value.primitive) {
    case 'float64':
      writer.float64(0);
      return;
    case 'float32':
      writer.float32(0);
      return;
    case 'quantity':
      writeValue(writer, value, '0');
      return;
    case 'intOrString':
      writeValue(writer, value, 0);
      return;
    case 'duration':
      writeValue(writer, value, '0s');
      return;
    default:
      writer.varint(0);
  }
}

function writeValue(writer: WireWriter, wire: WireValue, value: unknown): void {
  const start = writer.length;
  if (wire.plan) {
    writeMessage(writer, wire.plan, value as Record<string, unknown>);
    writer.varint(writer.length - start);
    return;
  }
  if (wire.wrappedList) {
    writeList(writer, wire.wrappedList, value as unknown[], 8 + wire.wrappedList.wireType);
    writer.varint(writer.length - start);
    return;
  }
  switch (wire.primitive!) {
    case 'string':
      writer.string(value as string);
      return;
    case 'bool':
      writer.varint(value ? 1 : 0);
      return;
    case 'int':
    case 'int32':
    case 'int64':
    case 'uint8':
    case 'uint16':
    case 'uint32':
    case 'uint64':
      writer.integer(value as number);
      return;
    case 'float64':
      writer.float64(Number(value));
      return;
    case 'float32':
      writer.float32(value as number);
      return;
    case 'bytes':
      writer.bytes(Buffer.from(value as string, 'base64'));
      return;
    default:
      writeWord(writer, wire.primitive!, value);
      writer.varint(writer.length - start);
  }
}

/** Types that are one word in JSON and a message on the wire. */
function writeWord(writer: WireWriter, primitive: PrimitiveType, value: unknown): void {
  switch (primitive) {
    case 'quantity':
      writer.string(value as string);
      writer.varint(0x0a);
      return;
    case 'time':
    case 'microTime': {
      const { seconds, nanos } = parseTime(value as string, primitive === 'microTime');
      writer.integer(primitive === 'microTime' ? nanos : 0);
      writer.varint(0x10);
      writer.integer(seconds);
      writer.varint(0x08);
      return;
    }
    case 'duration':
      writer.integer(parseDuration(value as string));
      writer.varint(0x08);
      return;
    case 'intOrString':
      writer.string(typeof value === 'string' ? value : '');
      writer.varint(0x1a);
      writer.integer(typeof value === 'number' ? value : 0);
      writer.varint(0x10);
      writer.varint(typeof value === 'string' ? 1 : 0);
      writer.varint(0x08);
      return;
    default:
      writer.bytes(Buffer.from(jsonText(value)));
      writer.varint(0x0a);
  }
}

/** The struct's fields behind a JSON value that is one of two shapes. */
function choiceFields(plan: WirePlan, value: unknown): Record<string, unknown> {
  if (isJsonObject(value) && value !== nothing) {
    return plan.jsonForm === 'schemaOrBool' ? { allows: true, schema: value } : { schema: value };
  }
  if (plan.jsonForm === 'schemaOrBool') return { allows: value === true };
  if (!Array.isArray(value)) return nothing;
  return plan.jsonForm === 'schemaOrArray' ? { jSONSchemas: value } : { property: value };
}
