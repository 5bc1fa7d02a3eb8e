import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { load } from 'js-yaml';
import { encodeMessage } from './gnostic-encoder.js';
import type { MessageSet } from './gnostic-messages.js';
import { documentV2, documentV3 } from './gnostic-messages.js';

const testdata = new URL('../../../../core/apiserver/openapi/testdata/', import.meta.url);
const read = (file: string): Record<string, unknown> =>
  JSON.parse(readFileSync(new URL(file, testdata), 'utf8')) as Record<string, unknown>;
/** What upstream's parser makes of the documents; `go test . -write` in scripts/schema writes them. */
const vectors = read('vectors.json') as Record<string, string>;

describe.each([
  ['v2', documentV2],
  ['v3', documentV3],
])('OpenAPI %s in protobuf', (version, messages) => {
  const document = read(`${version}.json`);

  it("is read by the same tables as upstream's", () => {
    expect(decode(messages, Buffer.from(vectors[version]!, 'base64'))).toEqual(withoutZeros(document));
  });

  it('is read back as it was', () => {
    expect(decode(messages, encodeMessage(messages, document))).toEqual(withoutZeros(document));
  });

  it('refuses what it has no place for', () => {
    expect(() => encodeMessage(messages, { ...document, servers: [] })).toThrow(
      "OpenAPI's Document has no place for servers in protobuf",
    );
  });
});

/** The protobuf of a document cannot say absent and zero apart, nor a default that is an object. */
function withoutZeros(value: unknown, key = ''): unknown {
  if (Array.isArray(value)) return value.map(element => withoutZeros(element));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name, inner]) => !(name === 'minItems' && inner === 0) && !(name === 'default' && typeof inner === 'object'))
      .map(([name, inner]) => [name, key.startsWith('x-') ? inner : withoutZeros(inner, name)]),
  );
}

/** Reads a message by the tables. */
function decode({ document, messages }: MessageSet, bytes: Buffer): unknown {
  const value = (type: string, wire: { number: bigint | number; bytes: Buffer }): unknown => {
    switch (type) {
      case 'string':
        return wire.bytes.toString();
      case 'bool':
        return Number(wire.number) === 1;
      case 'int64':
        return Number(wire.number);
      case 'double':
        return wire.bytes.readDoubleLE();
      case 'any':
        return load(
          fieldsOf(wire.bytes)
            .find(field => field.at === 2)!
            .bytes.toString(),
        );
      default:
        return message(type, wire.bytes);
    }
  };
  const message = (name: string, content: Buffer): unknown => {
    const { choose, fields = {}, entries, extensions } = messages[name]!;
    const found = fieldsOf(content);
    if (choose) {
      const [first] = found;
      if (!first) return choose({})[1].startsWith('[]') ? [] : undefined;
      return value(choiceAt(name, choose, first.at), first);
    }
    const result: Record<string, unknown> = {};
    for (const field of found) {
      const known = Object.entries(fields).find(([, [number]]) => number === field.at);
      if (known) {
        const [key, [, type]] = known;
        if (type.startsWith('[]')) ((result[key] ??= []) as unknown[]).push(value(type.slice(2), field));
        else {
          const decoded = value(type, field);
          if (decoded !== undefined) result[key] = decoded;
        }
        continue;
      }
      const type = field.at === extensions ? 'any' : entries && field.at === entries[0] ? entries[1] : undefined;
      if (type === undefined) throw new Error(`${name} has no field ${field.at}`);
      const pair = fieldsOf(field.bytes);
      result[pair.find(({ at }) => at === 1)!.bytes.toString()] = value(
        type,
        pair.find(({ at }) => at === 2)!,
      );
    }
    return result;
  };
  /** The alternative with this number: tried with one value of each shape that the tables tell apart. */
  const choiceAt = (name: string, choose: NonNullable<(typeof messages)[string]['choose']>, number: number): string => {
    for (const sample of [{}, { $ref: '' }, true, '', 1, { in: 'body' }, { in: 'path' }]) {
      const [at, type] = choose(sample);
      if (at === number) return type;
    }
    throw new Error(`${name} has no alternative ${number}`);
  };
  return message(document, bytes);
}

interface WireField {
  readonly at: number;
  readonly number: bigint;
  readonly bytes: Buffer;
}

function fieldsOf(bytes: Buffer): WireField[] {
  const fields: WireField[] = [];
  let at = 0;
  const varint = (): bigint => {
    let result = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++]!;
      result |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return result;
    }
  };
  while (at < bytes.length) {
    const tag = Number(varint());
    const kind = tag & 7;
    let number = 0n;
    let length = 0;
    if (kind === 0) number = varint();
    else if (kind === 1) length = 8;
    else length = Number(varint());
    fields.push({ at: tag >>> 3, number, bytes: bytes.subarray(at, at + length) });
    at += length;
  }
  return fields;
}
