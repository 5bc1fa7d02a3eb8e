import { describe, expect, it } from '@jest/globals';
import protobuf from 'protobufjs';
import { WireCodec } from './wire-codec.js';
import type { WireTable } from './wire-codec.js';

const tables: WireTable = {
  't.Outer': [
    { name: 'text', type: 'string', number: 1 },
    { name: 'signed', type: 'int64', number: 2 },
    { name: 'numbers', type: '[]uint32', number: 3 },
    { name: 'labels', type: 'map[string]string', number: 4 },
    { name: 'inner', type: 't.Inner', number: 5 },
    { name: 'inners', type: '[]t.Inner', number: 6 },
    { name: 'state', type: 'int32', number: 7, enum: ['READY', 'GONE'] },
    { name: 'raw', type: 'bytes', number: 8 },
    { name: 'on', type: 'bool', number: 9 },
    { name: 'ratio', type: 'float64', number: 20 },
    { name: 'byName', type: 'map[string]t.Inner', number: 21 },
  ],
  't.Inner': [{ name: 'value', type: 'int32', number: 1 }],
};

const reference = protobuf.parse(`
  syntax = "proto3"; package t;
  enum State { READY = 0; GONE = 1; }
  message Inner { int32 value = 1; }
  message Outer {
    string text = 1; int64 signed = 2; repeated uint32 numbers = 3; map<string, string> labels = 4; Inner inner = 5;
    repeated Inner inners = 6; State state = 7; bytes raw = 8; bool on = 9; double ratio = 20; map<string, Inner> byName = 21;
  }`).root;
const outer = reference.lookupType('t.Outer');
const codec = new WireCodec(tables);

const samples: Record<string, unknown>[] = [
  {},
  { text: 'ä text', signed: -5, numbers: [0, 1, 300, 4294967295], labels: { a: 'b', '': 'empty' }, inner: {}, state: 'GONE' },
  { signed: 2 ** 52, inner: { value: -1 }, inners: [{ value: 1 }, {}, { value: 70000 }], raw: Buffer.from([0, 255]), on: true },
  { ratio: 1.5, byName: { one: { value: 1 }, none: {} }, labels: { 'key with space': 'x'.repeat(300) } },
];

describe('wire codec', () => {
  it('writes what protobufjs reads', () => {
    for (const sample of samples) {
      const read = outer.toObject(outer.decode(codec.encode('t.Outer', sample)), { longs: Number, enums: String });
      expect(read).toEqual(sample);
    }
  });

  it('reads what protobufjs writes', () => {
    for (const sample of samples) {
      expect(codec.decode('t.Outer', outer.encode(outer.fromObject(sample)).finish())).toEqual(sample);
    }
  });

  it('skips what it does not know and refuses what is cut short', () => {
    const bytes = codec.encode('t.Outer', samples[1]!);
    expect(codec.decode('t.Inner', codec.encode('t.Outer', { numbers: [1], text: '' }))).toEqual({});
    for (let length = 1; length < bytes.length; length++) {
      try {
        codec.decode('t.Outer', bytes.subarray(0, length));
      } catch (error) {
        expect(error).toMatchObject({ code: 'WIRE_INVALID' });
      }
    }
    expect(() => codec.decode('t.Outer', Buffer.from([0x0a, 0x05, 0x41]))).toThrow('unexpected end');
  });

  it('keeps a key that is called __proto__ apart', () => {
    const back = codec.decode('t.Outer', codec.encode('t.Outer', { labels: JSON.parse('{"__proto__":"x"}') as object }));
    expect(Object.keys(back['labels'] as object)).toEqual(['__proto__']);
  });
});
