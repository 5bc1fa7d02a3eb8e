import { startCluster } from '../../core/testing/index.js';
import type { BenchResult } from './bench-result.js';

const runs = 20;

/** How long a test waits for a cluster of its own: from the call of `startCluster` until every part is ready, the API among them. */
export async function run(): Promise<BenchResult[]> {
  const timesMs: number[] = [];
  for (let at = 0; at <= runs; at++) {
    const beganMs = performance.now();
    const cluster = await startCluster({ preset: 'sandbox' });
    timesMs.push(performance.now() - beganMs);
    await cluster.stop();
  }
  const [first, ...rest] = timesMs;
  rest.sort((a, b) => a - b);
  return [
    { name: 'startCluster, the first of a process', value: first!, unit: 'ms', budget: 1000 },
    { name: `startCluster, median of ${runs}`, value: (rest[runs / 2 - 1]! + rest[runs / 2]!) / 2, unit: 'ms', budget: 300 },
  ];
}
