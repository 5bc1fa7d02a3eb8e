import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import type { AllocationResult, Device, DeviceClass, Node, ResourceClaim, ResourceSlice } from '../../api/generated/types.js';
import { errorText } from '../../base/errors.js';
import { compileDeviceSelector } from '../../machinery/cel/device-selector.js';
import { DeviceAllocator } from './device-allocator.js';
import { HeldDevices } from './held-devices.js';
import { SelectorPrograms } from './selector-programs.js';

function testdata<T>(name: string): T {
  const file = new URL(`../../../../core/api/generated/testdata/${name}.json`, import.meta.url);
  return JSON.parse(readFileSync(file, 'utf8')) as T;
}

interface SelectorVectors {
  readonly devices: readonly Device[];
  readonly selectors: readonly {
    readonly expression: string;
    readonly error?: string;
    readonly maxCost?: number;
    readonly answers?: readonly string[];
  }[];
}

/** scripts/schema/devices_test.go asks upstream. */
describe('selectors, beside what upstream answers', () => {
  const { devices, selectors } = testdata<SelectorVectors>('device-selectors');
  it.each(selectors.map(vector => [vector.expression, vector] as const))('%s', (expression, { error, maxCost, answers }) => {
    const compiled = compileDeviceSelector(expression);
    if ('fault' in compiled) return expect(compiled.fault.detail).toBe(error);
    expect(error).toBeUndefined();
    // Upstream's largest number has no double.
    expect(compiled.program.estimatedCost).toBe(Number(maxCost ?? 0));
    const ours = devices.map(device => {
      const match = compiled.program.matches({ ...device, driver: 'a.example.com' });
      return 'error' in match ? match.error : String(match.matches);
    });
    expect(ours).toEqual(answers);
  });
});

interface AllocationVectors {
  readonly classes: readonly DeviceClass[];
  readonly nodes: readonly Node[];
  readonly cases: readonly {
    readonly slices: readonly ResourceSlice[] | null;
    readonly holders?: readonly ResourceClaim[];
    readonly claims: readonly ResourceClaim[];
    readonly node: string;
    readonly results?: readonly AllocationResult[];
    readonly error?: string;
  }[];
}

/** Go writes empty lists as null, and shares have made-up names. */
function comparable(results: readonly AllocationResult[] | undefined): unknown {
  if (!results) return undefined;
  const share = (key: string, value: unknown): unknown => (key === 'shareID' ? 'share' : (value ?? undefined));
  return JSON.parse(JSON.stringify(results, share));
}

describe('allocation, beside what upstream allocates', () => {
  const { classes, nodes, cases } = testdata<AllocationVectors>('device-allocations');
  it.each(cases.map((vector, index) => [index, vector] as const))('case %i', (_index, vector) => {
    const held = new HeldDevices();
    for (const [index, { status }] of (vector.holders ?? []).entries()) held.set(String(index), status.allocation);
    const allocator = new DeviceAllocator({
      allocated: held,
      slices: vector.slices ?? [],
      classOf: name => classes.find(({ metadata }) => metadata.name === name),
      selectors: new SelectorPrograms(),
      now: () => 0,
      newShareId: () => 'share',
    });
    const node = nodes.find(({ metadata }) => metadata.name === vector.node)!;
    let results: AllocationResult[] | undefined;
    let error: string | undefined;
    try {
      results = allocator.allocate(node, vector.claims);
    } catch (thrown) {
      error = errorText(thrown);
    }
    expect({ error, results: comparable(results) }).toEqual({ error: vector.error, results: comparable(vector.results) });
  });
});
