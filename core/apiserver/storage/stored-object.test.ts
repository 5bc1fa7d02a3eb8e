import { describe, expect, it } from '@jest/globals';
import { parseOwnJson } from '../../machinery/codec/json-text.js';
import type { KubeObject } from '../../machinery/object.js';
import { ParseCache, StoredObject, encodeStored } from './stored-object.js';

interface Patient extends KubeObject {
  spec: { seconds: number; ratio: number };
}

/** Whose field is as no number can hold it. */
function patient(seconds: bigint): Patient {
  return {
    kind: 'Patient',
    apiVersion: 'v1',
    metadata: { name: 'a' },
    spec: { seconds: seconds as unknown as number, ratio: 1e300 },
  };
}

describe('an object with a whole number of 64 bits', () => {
  const largest = 2n ** 63n - 1n;

  it.each([
    ['what was read', (made: Patient) => StoredObject.decode<Patient>(new ParseCache(), encodeStored(made), 7)],
    [
      'what was just written',
      (made: Patient) => StoredObject.decode<Patient>(new ParseCache(), encodeStored(made), 7, { known: made }),
    ],
    [
      'what was forgotten and is parsed again',
      (made: Patient) => {
        const entry = StoredObject.decode<Patient>(new ParseCache(), encodeStored(made), 7);
        entry.forget();
        return entry;
      },
    ],
    ['what was deleted', (made: Patient) => StoredObject.decode<Patient>(new ParseCache(), encodeStored(made), 6).deletedAt(7)],
  ])('is exact for clients and the registry, and a number for parts: %s', (_, make) => {
    for (const [seconds, number] of [
      [largest, 2 ** 63 - 1024],
      [-(2n ** 63n), -(2 ** 63)],
      [2n ** 53n + 1n, 2 ** 53],
    ] as const) {
      const entry = make(patient(seconds));
      expect(entry.bytes.toString()).toContain(`"seconds":${seconds},`);
      expect(entry.exact).toEqual({ ...patient(seconds), metadata: { name: 'a', resourceVersion: '7' } });
      expect(entry.object.spec).toEqual({ seconds: number, ratio: 1e300 });
      expect(Object.isFrozen(entry.exact.spec)).toBe(true);
      // What a part writes back is still a whole number of 64 bits.
      expect(BigInt.asIntN(64, BigInt(entry.object.spec.seconds))).toBe(BigInt(number));
    }
  });

  it('is exact for all where the cache is, and one object where no number is wide', () => {
    const custom = StoredObject.decode<Patient>(new ParseCache({ isExact: true }), encodeStored(patient(largest)), 7);
    expect(custom.object.spec.seconds).toBe(largest);
    const narrow: Patient = { ...patient(1n), spec: { seconds: 30, ratio: 2 } };
    const plain = StoredObject.decode<Patient>(new ParseCache(), encodeStored(narrow), 7);
    expect(plain.exact).toBe(plain.object);
  });

  it('is written as text that says it', () => {
    expect(parseOwnJson(encodeStored(patient(largest)).toString())).toEqual(patient(largest));
  });
});
