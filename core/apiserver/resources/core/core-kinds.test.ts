import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { FakeClock } from '../../../base/fake-clock.js';
import { fixtureTypes } from '../../../machinery/codec/schema-fixture.js';
import { decodeObject } from '../../../machinery/codec/json-decode.js';
import { FieldErrors } from '../../../machinery/field-errors.js';
import type { KubeObject } from '../../../machinery/object.js';
import { isStatusError } from '../../../machinery/status-error.js';
import type { RequestContext, ResourceDefinition } from '../../registry/resource-definition.js';
import { coreDefinitions } from './index.js';
import { InMemoryServiceAllocator } from './service-allocator.js';

/** Answers of upstream's own API server, v1.36: what it stores of an input, or the causes of its refusal. */
interface Case {
  readonly name: string;
  readonly input: { kind: string };
  readonly causes?: readonly Cause[];
  readonly expected?: object;
  readonly warnings?: readonly string[];
}
interface Cause {
  readonly reason?: string;
  readonly message?: string;
  readonly field?: string;
}

const types = fixtureTypes('');
const clock = new FakeClock(Date.parse('2026-01-01T00:00:00Z'));
const definitions = coreDefinitions({
  serviceAllocator: new InMemoryServiceAllocator({ cidrs: ['10.43.0.0/16'], nodePorts: { first: 30000, last: 32767 }, clock }),
});

interface Outcome {
  readonly object?: KubeObject;
  readonly causes: readonly Cause[];
  readonly warnings: readonly string[];
}

async function create(definition: ResourceDefinition, input: object): Promise<Outcome> {
  const { object } = decodeObject(types.kind('', 'v1', definition.reference.kind)!, JSON.parse(JSON.stringify(input)), {
    kind: definition.reference,
    fieldValidation: 'Ignore',
  });
  const warnings: string[] = definition.deprecation === undefined ? [] : [definition.deprecation];
  const context: RequestContext = {
    caller: { name: 'tester', groups: [] },
    operation: 'CREATE',
    namespace: 'kc',
    name: object.metadata.name ?? '',
    subresource: '',
    dryRun: true,
    nowMs: clock.now(),
    warn: text => void warnings.push(text),
    stores: { get: () => undefined },
    allows: async () => true,
  };
  definition.defaults?.(object);
  const errors = new FieldErrors();
  try {
    await definition.prepareForCreate?.(object, context);
  } catch (error) {
    if (!isStatusError(error, 'Invalid')) throw error;
    return { causes: error.status.details?.causes ?? [], warnings };
  }
  await definition.validate?.(object, errors, context);
  warnings.push(...(definition.warnings?.(object, undefined, context) ?? []));
  return { object, causes: errors.list.map(({ type, body, field }) => ({ reason: type, message: body, field })), warnings };
}

const causeText = ({ reason, field, message }: Cause): string => `${field}: ${reason}: ${message}`;

/** What differs from run to run stands as a letter in the recorded answers. */
function comparable(object: KubeObject): unknown {
  const copy = JSON.parse(JSON.stringify(object)) as Record<string, unknown> & {
    metadata?: unknown;
    status?: Record<string, unknown>;
  };
  const labels = object.metadata.labels;
  delete copy.metadata;
  if (object.kind === 'ReplicationController' && labels) copy['labels'] = labels;
  if (object.kind === 'PersistentVolume') delete copy.status?.['lastPhaseTransitionTime'];
  if (object.kind !== 'Service') return copy;
  const spec = copy['spec'] as {
    clusterIP?: string;
    clusterIPs?: string[];
    healthCheckNodePort?: unknown;
    ports?: { nodePort?: unknown }[];
  };
  if (spec.clusterIP && spec.clusterIP !== 'None') {
    spec.clusterIP = 'X';
    spec.clusterIPs = spec.clusterIPs!.map(() => 'X');
  }
  for (const port of spec.ports ?? []) if (port.nodePort) port.nodePort = 'N';
  if (spec.healthCheckNodePort) spec.healthCheckNodePort = 'H';
  return copy;
}

describe.each(['pods', 'kinds'])('answers of upstream: %s', file => {
  const cases = JSON.parse(readFileSync(`core/apiserver/resources/core/testdata/${file}.json`, 'utf8')) as Case[];

  it.each(cases.map(example => [`${example.input.kind}: ${example.name}`, example] as const))('%s', async (_name, example) => {
    const definition = definitions.find(({ reference }) => reference.kind === example.input.kind)!;
    const outcome = await create(definition, example.input);
    if (example.causes) {
      expect(outcome.causes.map(causeText).sort()).toEqual(example.causes.map(causeText).sort());
      return;
    }
    expect(outcome.causes.map(causeText)).toEqual([]);
    expect(comparable(outcome.object!)).toEqual(example.expected);
    expect([...new Set(outcome.warnings)].sort()).toEqual([...new Set(example.warnings ?? [])].sort());
  });
});

describe('speed', () => {
  it('defaults and validates a typical pod in well under a tenth of a millisecond', async () => {
    const cases = JSON.parse(readFileSync('core/apiserver/resources/core/testdata/pods.json', 'utf8')) as Case[];
    const pod = definitions.find(({ reference }) => reference.kind === 'Pod')!;
    const { object } = await create(pod, cases.find(({ name }) => name === 'full')!.input);
    const run = (): void => void pod.validate!(object!, new FieldErrors(), {} as RequestContext);
    for (let i = 0; i < 2000; i++) run();
    const started = performance.now();
    for (let i = 0; i < 1000; i++) run();
    // The bound is generous: machines that run tests are busy. The pod has twelve volumes.
    expect((performance.now() - started) / 1000).toBeLessThan(0.5);
  });
});
