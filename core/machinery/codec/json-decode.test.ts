import { describe, expect, it } from '@jest/globals';
import { isStatusError } from '../status-error.js';
import { canonicalize, decodeObject, decodeValue, strictErrorText, zeroFill } from './json-decode.js';
import { encodeJsonText } from './json-encode.js';
import { fixtureTypes, wireVectors } from './schema-fixture.js';

const types = fixtureTypes('', 'apps', 'apiextensions.k8s.io', 'coordination.k8s.io', 'admission.k8s.io');
const pod = { group: '', version: 'v1', kind: 'Pod' };
const deployment = { group: 'apps', version: 'v1', kind: 'Deployment' };
const podType = types.kind('', 'v1', 'Pod')!;
const deploymentType = types.kind('apps', 'v1', 'Deployment')!;

const decodePod = (body: unknown): Record<string, unknown> =>
  decodeObject(podType, Buffer.from(JSON.stringify(body)), { kind: pod }).object as unknown as Record<string, unknown>;

function failure(text: string, kind = deployment, type = deploymentType): string {
  try {
    decodeObject(type, Buffer.from(text), { kind, fieldValidation: 'Strict' });
  } catch (error) {
    if (isStatusError(error, 'BadRequest')) return error.message;
    throw error;
  }
  throw new Error('was taken');
}

describe('the canonical form', () => {
  it('puts fields in the order of Go, sorts maps, drops and fills in zero values', () => {
    const object = decodePod({
      status: {},
      spec: {
        nodeName: '',
        containers: [{ image: 'i', name: 'n', resources: { requests: { memory: '1024Mi', cpu: 0.5 } }, args: [] }],
      },
      metadata: { labels: { b: '2', a: '1' }, name: 'x', creationTimestamp: null, finalizers: null },
    });
    expect(encodeJsonText(object)).toBe(
      '{"kind":"Pod","apiVersion":"v1","metadata":{"name":"x","labels":{"a":"1","b":"2"}},"spec":{"containers":[{"name":"n","image":"i","resources":{"requests":{"cpu":"500m","memory":"1Gi"}}}]},"status":{}}',
    );
    expect(decodePod(null)).toEqual({ kind: 'Pod', apiVersion: 'v1', metadata: {}, spec: { containers: null }, status: {} });
    expect(zeroFill(types.kind('', 'v1', 'Service')!)).toEqual({ metadata: {}, spec: {}, status: { loadBalancer: {} } });
  });

  it('keeps what pointers point to and null elements as zeros', () => {
    const object = decodePod({
      spec: { containers: [null], terminationGracePeriodSeconds: 0, tolerations: [{ key: null }], activeDeadlineSeconds: null },
    });
    expect(object.spec).toEqual({
      containers: [{ name: '', resources: {} }],
      terminationGracePeriodSeconds: 0,
      tolerations: [{}],
    });
  });

  it('keeps lists and maps without elements when asked to, but no other empty value', () => {
    const pod = types.kind('', 'v1', 'Pod')!;
    const body = { spec: { overhead: {}, tolerations: [], nodeSelector: null, hostname: '', containers: [] } };
    const kind = { group: '', version: 'v1', kind: 'Pod' };
    const { spec } = decodeObject(pod, JSON.stringify(body), { kind, keepsEmpties: true }).object as unknown as { spec: object };
    expect(spec).toEqual({ containers: [], overhead: {}, tolerations: [] });
    const without = decodeObject(pod, JSON.stringify(body), { kind }).object as unknown as { spec: object };
    expect(without.spec).toEqual({ containers: [] });
  });

  it('cuts integers down to 32 bits where it is told to, as upstream does with applies', () => {
    const lease = types.kind('coordination.k8s.io', 'v1', 'Lease')!;
    const spec = { leaseDurationSeconds: 2 ** 31, leaseTransitions: 7 };
    expect(canonicalize(lease, { spec }, { wraps: true })).toMatchObject({
      spec: { leaseDurationSeconds: -(2 ** 31), leaseTransitions: 7 },
    });
    expect(() => canonicalize(lease, { spec })).toThrow('leaseDurationSeconds');
    const wide = { leaseDurationSeconds: 2n ** 63n - 1n };
    expect(canonicalize(lease, { spec: wide }, { wraps: true })).toMatchObject({ spec: { leaseDurationSeconds: -1 } });
  });

  it('names no fields in what was untyped', () => {
    const lease = types.kind('coordination.k8s.io', 'v1', 'Lease')!;
    const service = types.kind('', 'v1', 'Service')!;
    const options = { wraps: true };
    expect(() => canonicalize(lease, { spec: { leaseDurationSeconds: 2.5 } }, options)).toThrow(
      /^cannot convert float64 to int32$/,
    );
    const targetPort = (value: unknown): object => ({ spec: { ports: [{ port: 80, targetPort: value }] } });
    expect(() => canonicalize(service, targetPort(true), options)).toThrow(
      /^json: cannot unmarshal bool into Go value of type int32$/,
    );
    expect(() => canonicalize(service, targetPort(1.5))).toThrow('ServicePort.spec.ports.targetPort of type int32');
  });

  it('normalises times, base64, quantities and the choices of JSON schemas', () => {
    const secret = types.kind('', 'v1', 'Secret')!;
    expect(
      canonicalize(secret, {
        data: { a: 'YR==', b: 'YWJj\nZGVm' },
        metadata: { deletionTimestamp: '2020-01-01T02:00:00.5+02:00' },
      }),
    ).toEqual({
      metadata: { deletionTimestamp: '2020-01-01T00:00:00Z' },
      data: { a: 'YQ==', b: 'YWJjZGVm' },
    });
    const lease = types.kind('coordination.k8s.io', 'v1', 'Lease')!;
    expect(canonicalize(lease, { spec: { renewTime: '2020-01-01T00:00:00.000001Z' } })).toEqual({
      metadata: {},
      spec: { renewTime: '2020-01-01T00:00:00.000001Z' },
    });
    const schema = types.struct('io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps');
    const choices = {
      items: [{ type: 'a' }],
      additionalProperties: true,
      dependencies: { x: ['y'], z: { type: '' } },
      additionalItems: {},
    };
    expect(canonicalize(schema, choices)).toEqual({
      items: [{ type: 'a' }],
      additionalProperties: true,
      additionalItems: {},
      dependencies: { x: ['y'], z: {} },
    });
  });

  it('gives what upstream gives for the examples of the tables', () => {
    const all = fixtureTypes(
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
    let compared = 0;
    for (const { type, json } of wireVectors()) {
      expect(JSON.parse(JSON.stringify(canonicalize(all.struct(type), json as object)))).toEqual(json);
      compared++;
    }
    expect(compared).toBeGreaterThan(50);
  });

  it('does not change when read again', () => {
    const once = decodePod({
      metadata: { annotations: { z: '', a: 'x' } },
      spec: { containers: [{ name: 'a', ports: [{ containerPort: 80 }] }] },
    });
    expect(encodeJsonText(decodePod(once))).toBe(encodeJsonText(once));
  });

  it('keeps __proto__ as data in maps and pollutes nothing', () => {
    const text = '{"metadata":{"labels":{"__proto__":"x","constructor":"y"}},"__proto__":{"polluted":true}}';
    const { object, strictErrors } = decodeObject(podType, Buffer.from(text), { kind: pod, fieldValidation: 'Warn' });
    expect(JSON.stringify(object.metadata)).toBe('{"labels":{"__proto__":"x","constructor":"y"}}');
    expect(strictErrors).toEqual(['unknown field "__proto__"']);
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });
});

describe('field validation', () => {
  const text =
    '{"spec":{"foo":1,"replicas":1,"replicas":2,"template":{"spec":{"containers":[{"name":"a","bar":{"x":1,"x":2}}]}}},"metadata":{"labels":{"a":"1","a":"2"}},"2":1}';

  it('reports unknown and duplicate fields in the order of the text', () => {
    const { strictErrors } = decodeObject(deploymentType, Buffer.from(text), { kind: deployment, fieldValidation: 'Warn' });
    expect(strictErrors).toEqual([
      'unknown field "spec.foo"',
      'duplicate field "spec.replicas"',
      'unknown field "spec.template.spec.containers[0].bar"',
      'duplicate field "metadata.labels.a"',
      'unknown field "2"',
    ]);
    expect(failure(text)).toBe(`Deployment in version "v1" cannot be handled as a Deployment: ${strictErrorText(strictErrors)}`);
  });

  it('says nothing where it is off or the values are opaque', () => {
    expect(decodeObject(deploymentType, Buffer.from(text), { kind: deployment }).strictErrors).toEqual([]);
    const revision = { group: 'apps', version: 'v1', kind: 'ControllerRevision' };
    const opaque = Buffer.from('{"data":{"a":1,"a":2},"revision":1}');
    expect(
      decodeObject(types.kind('apps', 'v1', 'ControllerRevision')!, opaque, { kind: revision, fieldValidation: 'Strict' })
        .strictErrors,
    ).toEqual([]);
  });

  it('reports unknown fields of values that are no text', () => {
    const { strictErrors } = decodeObject(podType, { spec: { containers: [], x: 1 } }, { kind: pod, fieldValidation: 'Warn' });
    expect(strictErrors).toEqual(['unknown field "spec.x"']);
  });

  it('stops at a hundred', () => {
    const many = Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`x${i}`, 1]));
    expect(decodeValue(podType, JSON.stringify(many), { strict: true }).strictErrors).toHaveLength(100);
  });
});

describe('failures', () => {
  const prefix = 'Deployment in version "v1" cannot be handled as a Deployment: ';
  it.each([
    [
      '{"spec":{"replicas":"3"}}',
      'json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32',
    ],
    [
      '{"spec":{"replicas":1.0}}',
      'json: cannot unmarshal number 1.0 into Go struct field DeploymentSpec.spec.replicas of type int32',
    ],
    [
      '{"spec":{"replicas":3000000000}}',
      'json: cannot unmarshal number 3000000000 into Go struct field DeploymentSpec.spec.replicas of type int32',
    ],
    ['{"spec":[]}', 'json: cannot unmarshal array into Go struct field Deployment.spec of type v1.DeploymentSpec'],
    [
      '{"metadata":{"labels":{"a":1}}}',
      'json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string',
    ],
    ['{"metadata":{"creationTimestamp":"x"}}', 'parsing time "x" as "2006-01-02T15:04:05Z07:00": cannot parse "x" as "2006"'],
    [
      '{"metadata":{"creationTimestamp":1}}',
      'json: cannot unmarshal number into Go struct field ObjectMeta.metadata.creationTimestamp of type string',
    ],
    [
      '{"spec":{"template":{"spec":{"containers":{}}}}}',
      'json: cannot unmarshal object into Go struct field PodSpec.spec.template.spec.containers of type []v1.Container',
    ],
    [
      '{"spec":{"template":{"spec":{"volumes":[{"configMap":1}]}}}}',
      'json: cannot unmarshal number into Go struct field Volume.spec.template.spec.volumes.VolumeSource.configMap of type v1.ConfigMapVolumeSource',
    ],
    [
      '{"spec":{"template":{"spec":{"containers":[{"resources":{"limits":{"cpu":"1x"}}}]}},"replicas":"3"}}',
      "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
    ],
    [
      '{"spec":{"paused":1,"replicas":"3"}}',
      'json: cannot unmarshal number into Go struct field DeploymentSpec.spec.paused of type bool',
    ],
  ])('%s', (text, message) => expect(failure(text)).toBe(prefix + message));

  it.each([
    ['', 'unexpected end of JSON input (<empty>)'],
    ['{', 'unexpected end of JSON input ({)'],
    ['{"a":}', 'invalid character \'}\' looking for beginning of value ({"a":})'],
    ['{"a":1}x', 'invalid character \'x\' after top-level value ({"a":1}x)'],
    [
      '[1]',
      'json: cannot unmarshal array into Go value of type struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" } (5b315d)',
    ],
    ['{"kind":1}', 'json: cannot unmarshal number into Go struct field .kind of type string ({"kind":1})'],
  ])('%j is not recognised', (text, message) => {
    const start =
      "the object provided is unrecognized (must be of type Deployment): couldn't get version/kind; json parse error: ";
    expect(failure(text)).toBe(start + message);
  });

  it('refuses other kinds and versions', () => {
    expect(failure('{"kind":"Pod","apiVersion":"v1"}')).toBe(
      'Pod in version "v1" cannot be handled as a Deployment: converting (v1.Pod) to (apps.Deployment): unknown conversion',
    );
    expect(failure('{"apiVersion":"apps/v2"}')).toBe(
      'the API version in the data (apps/v2) does not match the expected API version (apps/v1)',
    );
    expect(failure('{"apiVersion":"a/b/c"}')).toContain('unexpected GroupVersion string: a/b/c');
  });

  it('refuses bad base64 and numbers that are no bytes', () => {
    const secret = { group: '', version: 'v1', kind: 'Secret' };
    const type = types.kind('', 'v1', 'Secret')!;
    expect(failure('{"data":{"a":"abc"}}', secret, type)).toContain('illegal base64 data at input byte 0');
    expect(failure('{"data":{"a":"YWJj*"}}', secret, type)).toContain('illegal base64 data at input byte 4');
    expect(failure('{"data":{"a":[300]}}', secret, type)).toContain(
      'cannot unmarshal number 300 into Go struct field Secret.data of type uint8',
    );
  });

  it('refuses what is nested too deep, and does not fall over just below', () => {
    expect(failure(`{"a":${'['.repeat(20000)}`)).toContain("invalid character '[' exceeded max depth");
    const deep = (levels: number): string =>
      `{"spec":{"versions":[{"schema":{"openAPIV3Schema":${'{"not":'.repeat(levels)}{}${'}'.repeat(levels)}}}]}}`;
    const definition = { group: 'apiextensions.k8s.io', version: 'v1', kind: 'CustomResourceDefinition' };
    const type = types.kind('apiextensions.k8s.io', 'v1', 'CustomResourceDefinition')!;
    expect(() => decodeObject(type, deep(500), { kind: definition, fieldValidation: 'Strict' })).not.toThrow();
    expect(failure(deep(9000), definition, type)).toContain('CustomResourceDefinition');
  });
});
