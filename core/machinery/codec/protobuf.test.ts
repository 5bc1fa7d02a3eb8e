import { describe, expect, it } from '@jest/globals';
import protobuf from 'protobufjs';
import { parseApiVersion } from '../object.js';
import { isStatusError } from '../status-error.js';
import { canonicalize, decodeObject } from './json-decode.js';
import { encodeMessage, encodeProtobuf, encodeProtobufList, encodeWatchFrame } from './protobuf.js';
import { decodeMessage, decodeProtobuf, protobufMessage } from './protobuf-decode.js';
import { fixtureTypes, wireVectors } from './schema-fixture.js';
import type { WireValue } from './wire-plan.js';
import { wirePlan } from './wire-plan.js';

const types = fixtureTypes(
  '',
  'apps',
  'batch',
  'autoscaling',
  'rbac.authorization.k8s.io',
  'networking.k8s.io',
  'policy',
  'storage.k8s.io',
  'discovery.k8s.io',
  'coordination.k8s.io',
  'certificates.k8s.io',
  'admissionregistration.k8s.io',
  'apiextensions.k8s.io',
  'apiregistration.k8s.io',
  'authentication.k8s.io',
  'authorization.k8s.io',
  'flowcontrol.apiserver.k8s.io',
  'resource.k8s.io',
  'metrics.k8s.io',
  'events.k8s.io',
  'node.k8s.io',
  'scheduling.k8s.io',
);
const podType = types.kind('', 'v1', 'Pod')!;

const example = canonicalize(podType, {
  metadata: {
    name: 'näme',
    labels: { b: '2', a: '1' },
    creationTimestamp: '2026-01-01T00:00:00Z',
    generation: -3,
    managedFields: [{ fieldsV1: { 'f:x': {} } }],
  },
  spec: {
    containers: [
      {
        name: 'c',
        image: 'i'.repeat(300),
        ports: [{ containerPort: 80, hostPort: -1 }],
        resources: { limits: { cpu: '500m' } },
        livenessProbe: { httpGet: { port: 'http' }, timeoutSeconds: 3 },
        env: [{ name: 'A', valueFrom: { configMapKeyRef: { name: 'cm', key: 'k', optional: false } } }],
      },
    ],
    terminationGracePeriodSeconds: 9007199254740991,
    volumes: [{ name: 'v', emptyDir: { sizeLimit: '1Gi' } }],
    hostNetwork: true,
  },
  status: { conditions: [{ type: 'Ready', status: 'True', lastProbeTime: null, lastTransitionTime: '2026-01-01T00:00:00Z' }] },
});
const named = { ...example, kind: 'Pod', apiVersion: 'v1' };

describe('examples of the tables', () => {
  it.each(wireVectors().map((vector, index) => [`${index} ${vector.kind}`, vector] as const))('%s', (_name, vector) => {
    const bytes = Buffer.from(vector.protobufBase64, 'base64');
    const struct = types.struct(vector.type);
    const expected = vector.json as Record<string, unknown>;
    expect(encodeProtobuf(struct, canonicalize(struct, expected), vector).toString('base64')).toBe(vector.protobufBase64);
    const { kind: _kind, apiVersion: _apiVersion, ...rest } = expected;
    const { kind, apiVersion, ...decoded } = decodeMessage(struct, protobufMessage(bytes)) as Record<string, unknown>;
    expect([kind, apiVersion]).toEqual([undefined, undefined]);
    expect(decoded).toEqual(rest);
    const { group, version } = parseApiVersion(vector.apiVersion)!;
    if (types.kind(group, version, vector.kind)) {
      expect(decodeProtobuf(types, bytes).object).toEqual(expected);
    }
  });
});

/** The same tables as a schema of protobufjs, for the types that `name` reaches. */
function protobufjsRoot(name: string): protobuf.Type {
  const root = new protobuf.Root();
  const words: Record<string, [string, string, number][]> = {
    time: [
      ['seconds', 'int64', 1],
      ['nanos', 'int32', 2],
    ],
    microTime: [
      ['seconds', 'int64', 1],
      ['nanos', 'int32', 2],
    ],
    duration: [['duration', 'int64', 1]],
    quantity: [['string', 'string', 1]],
    intOrString: [
      ['type', 'int64', 1],
      ['intVal', 'int32', 2],
      ['strVal', 'string', 3],
    ],
    fieldsV1: [['Raw', 'bytes', 1]],
    rawExtension: [['raw', 'bytes', 1]],
    json: [['raw', 'bytes', 1]],
  };
  for (const [word, fields] of Object.entries(words)) {
    const type = new protobuf.Type(word);
    for (const [field, fieldType, number] of fields) type.add(new protobuf.Field(field, number, fieldType, 'optional'));
    root.add(type);
  }
  const done = new Map<string, protobuf.Type>();
  const add = (typeName: string): string => {
    const short = typeName.replaceAll(/[^A-Za-z0-9]/g, '_');
    if (done.has(short)) return short;
    const type = new protobuf.Type(short);
    done.set(short, type);
    root.add(type);
    for (const { schema, type: node } of types.struct(typeName).wireFields) {
      const element = node.kind === 'list' || node.kind === 'map' ? node.element : node;
      let inner = element.kind === 'struct' ? add(element.name) : element.kind === 'primitive' ? element.primitive : '';
      if (inner === 'float64') inner = 'double';
      if (node.kind === 'map') type.add(new protobuf.MapField(schema.name, schema.number!, 'string', inner));
      else type.add(new protobuf.Field(schema.name, schema.number!, inner, node.kind === 'list' ? 'repeated' : 'optional'));
    }
    return short;
  };
  return root.lookupType(add(name));
}

describe('against protobufjs', () => {
  const reference = protobufjsRoot('io.k8s.api.core.v1.Pod');

  it('writes what protobufjs reads and writes again byte by byte', () => {
    const bytes = encodeMessage(podType, example);
    const message = reference.decode(bytes);
    expect((message as unknown as { metadata: { name: string } }).metadata.name).toBe('näme');
    expect(Buffer.from(reference.encode(message).finish()).equals(bytes)).toBe(true);
  });

  it('reads what protobufjs writes', () => {
    const bytes = reference
      .encode(
        reference.fromObject({
          metadata: { name: 'x', labels: { a: 'b' } },
          spec: { containers: [{ name: 'c' }], nodeName: 'n' },
        }),
      )
      .finish();
    expect(decodeMessage(podType, Buffer.from(bytes))).toMatchObject({
      metadata: { name: 'x', labels: { a: 'b' } },
      spec: { containers: [{ name: 'c', resources: {} }], nodeName: 'n' },
      status: {},
    });
  });
});

describe('round trip', () => {
  it('gives the object that went in', () => {
    expect(decodeProtobuf(types, encodeProtobuf(podType, named))).toEqual({ kind: 'Pod', apiVersion: 'v1', object: named });
  });

  it('agrees with JSON decoding', () => {
    const json = decodeObject(podType, Buffer.from(JSON.stringify(named)), { kind: { group: '', version: 'v1', kind: 'Pod' } });
    expect(JSON.stringify(decodeProtobuf(types, encodeProtobuf(podType, named)).object)).toBe(JSON.stringify(json.object));
  });

  it('keeps whole numbers of 64 bits', () => {
    for (const seconds of [2n ** 63n - 1n, -(2n ** 63n), 2n ** 53n + 1n, 2 ** 53 - 1, -(2 ** 53) + 1, 2 ** 32, -1]) {
      const pod = canonicalize(podType, {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: {},
        spec: { terminationGracePeriodSeconds: seconds, containers: [] },
      });
      const { object } = decodeProtobuf(types, encodeProtobuf(podType, pod));
      expect(object).toMatchObject({ spec: { terminationGracePeriodSeconds: seconds } });
    }
  });

  it('makes a list of messages', () => {
    const head = { kind: 'PodList', apiVersion: 'v1', metadata: { resourceVersion: '7', remainingItemCount: 3 } };
    const message = encodeMessage(podType, example);
    expect(message.equals(protobufMessage(encodeProtobuf(podType, named)))).toBe(true);
    const { object } = decodeProtobuf(types, Buffer.concat(encodeProtobufList(head, [message, message])));
    expect(object).toMatchObject({ metadata: { resourceVersion: '7', remainingItemCount: 3 } });
    expect((object as unknown as { items: unknown[] }).items).toEqual([example, example]);
  });

  it('frames watch events', () => {
    const object = encodeProtobuf(podType, named);
    const frame = encodeWatchFrame('ADDED', object);
    expect(frame.readUInt32BE(0)).toBe(frame.length - 4);
    const event = new protobuf.Root();
    const raw = new protobuf.Type('Raw').add(new protobuf.Field('raw', 1, 'bytes'));
    const type = new protobuf.Type('Event')
      .add(new protobuf.Field('type', 1, 'string'))
      .add(new protobuf.Field('object', 2, 'Raw'));
    event.add(raw).add(type);
    const read = type.decode(frame.subarray(4)) as unknown as { type: string; object: { raw: Uint8Array } };
    expect(read.type).toBe('ADDED');
    expect(Buffer.from(read.object.raw).equals(object)).toBe(true);
  });
});

describe('broken bytes', () => {
  it('are BadRequest, whatever is broken', () => {
    const good = encodeProtobuf(podType, named);
    let seed = 42;
    const random = (below: number): number => (seed = (seed * 1103515245 + 12345) & 0x7fffffff) % below;
    let refused = 0;
    for (let round = 0; round < 3000; round++) {
      let bytes = Buffer.from(good);
      for (let changes = 1 + random(4); changes > 0; changes--) bytes[4 + random(bytes.length - 4)] = random(256);
      if (random(4) === 0) bytes = bytes.subarray(0, random(bytes.length));
      try {
        decodeProtobuf(types, bytes);
      } catch (error) {
        if (!isStatusError(error, 'BadRequest')) throw error;
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(500);
  });

  it('say what is wrong', () => {
    expect(() => decodeProtobuf(types, Buffer.from('{}'))).toThrow(
      'provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]',
    );
    const unknown = encodeProtobuf(podType, example, { kind: 'Nope', apiVersion: 'v1' });
    expect(() => decodeProtobuf(types, unknown)).toThrow('no kind "Nope" is registered for version "v1" in scheme');
  });

  it('are refused when nested without end', () => {
    const schema = types.struct('io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps');
    const not = wirePlan(schema).fields.find(field => field.name === 'not')!;
    let bytes = Buffer.alloc(0);
    for (let depth = 0; depth < 3000; depth++) {
      const writer = protobuf.Writer.create();
      bytes = Buffer.from(writer.uint32(not.tag).bytes(bytes).finish());
    }
    expect(() => decodeMessage(schema, bytes)).toThrow('nested too deep');
  });
});

it('knows a wire form for every type of the tables', () => {
  const words = new Set<string>();
  const visit = (value: WireValue): void => {
    if (value.primitive) words.add(value.primitive);
    if (value.wrappedList) visit(value.wrappedList);
  };
  for (const name of types.names()) for (const field of wirePlan(types.struct(name)).fields) visit(field.value);
  expect(words.size).toBeGreaterThan(8);
});
