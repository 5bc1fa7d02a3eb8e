import { cpus, release, totalmem } from 'node:os';
import type { BenchResult } from './bench-result.js';

/** Every benchmark by name; `npm run bench -- NAME ...` runs some of them. */
const benches: Readonly<Record<string, () => Promise<{ run(): Promise<BenchResult[]> }>>> = {
  dataplane: () => import('./dataplane-bench.js'),
  datastore: () => import('./datastore-bench.js'),
  embedding: () => import('./embedding-bench.js'),
  node: () => import('./node-bench.js'),
  outage: () => import('./outage-bench.js'),
  scale: () => import('./scale-bench.js'),
  server: () => import('./server-bench.js'),
  'service-proxy': () => import('./service-proxy-bench.js'),
};

const wanted = process.argv.slice(2);
let missedMusts = 0;
let unmeasured = 0;
console.log(
  `${cpus().length} x ${cpus()[0]?.model ?? 'processor'}, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}, Node ${process.version}\n`,
);
for (const [name, load] of Object.entries(benches)) {
  if (wanted.length && !wanted.includes(name)) continue;
  for (const result of await measured(name, load)) {
    const { value, unit, budget, must, atLeast } = result;
    const misses = (limit: number | undefined): boolean => limit !== undefined && (atLeast ? value < limit : value > limit);
    if (misses(must)) missedMusts++;
    const verdict = misses(must) ? 'MUST missed' : misses(budget) ? 'budget missed' : budget === undefined ? '' : 'ok';
    const limit = budget === undefined ? '' : `${atLeast ? '>=' : '<='} ${budget}`;
    console.log(
      `${result.name.padEnd(56)} ${value.toFixed(value < 10 ? 2 : 0).padStart(9)} ${unit.padEnd(12)} ${limit.padEnd(10)} ${verdict}`,
    );
  }
}
process.exitCode = missedMusts + unmeasured ? 1 : 0;

/** One that cannot run here (no root, no h2load) says why and does not keep the others from running; the run has failed. */
async function measured(name: string, load: () => Promise<{ run(): Promise<BenchResult[]> }>): Promise<BenchResult[]> {
  try {
    return await (await load()).run();
  } catch (error) {
    unmeasured++;
    console.log(`${name}: not measured: ${error instanceof Error ? error.message : String(error)}`);
    return [];
  }
}
