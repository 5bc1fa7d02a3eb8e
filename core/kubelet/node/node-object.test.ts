import { expect, it } from '@jest/globals';
import type { HostFacts } from '../../host/host-facts.js';
import type { KubeletSettings } from '../kubelet-context.js';
import type { KubeletTuning } from '../kubelet-tuning.js';
import { nodeResources } from './node-object.js';

const mebibyte = 2 ** 20;
const host = { cpus: 4, memoryBytes: 1024 * mebibyte, storageBytes: 1000 * mebibyte } as HostFacts;

function resources(tuning?: KubeletTuning, runtime?: object): ReturnType<typeof nodeResources> {
  const settings = { maximumPods: 110, tuning } as KubeletSettings;
  return nodeResources({ settings, host, runtime: runtime as never });
}

it('leaves pods all but what K3s keeps of the disk', () => {
  const { capacity, allocatable } = resources();
  expect(capacity).toMatchObject({ cpu: '4', memory: '1048576Ki', pods: '110' });
  expect(allocatable).toEqual({ ...capacity, 'ephemeral-storage': String(950 * mebibyte) });
});

it('takes away what is reserved and what lies below the limits of eviction, down to nothing', () => {
  const memory = {
    signal: 'memory.available',
    condition: 'MemoryPressure',
    resource: 'memory',
    limit: { bytes: 24 * mebibyte },
  } as const;
  const reserved = { cpu: 0.5, memory: 200 * mebibyte, 'ephemeral-storage': 2 ** 40 };
  const { capacity, allocatable } = resources({ reserved, evictionThresholds: [memory] });
  expect(capacity['memory']).toBe('1048576Ki');
  // 1024 - 200 - 24 MiB; the disk has no limit of its own any more, and less than is reserved.
  expect(allocatable).toMatchObject({ cpu: '3500m', memory: '800Mi', 'ephemeral-storage': '0' });
});

it('counts the pods that the user wants also where the runtime tells its own capacity', () => {
  const runtime = { capacity: { cpu: '32', pods: '500' } };
  expect(resources(undefined, runtime).allocatable).toMatchObject({ cpu: '32', pods: '500' });
  expect(resources({ maximumPods: 7, reserved: { cpu: 1 } }, runtime)).toMatchObject({
    capacity: { cpu: '32', pods: '7' },
    allocatable: { cpu: '31', pods: '7' },
  });
});
