import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { RealNode } from '../support/real-node.js';
import type { BenchResult } from './bench-result.js';
import { idleCost, processesWith, residentMb } from './process-figures.js';

const idleMinutes = 5;
const idleSeconds = 60;
const pods = 20;

/** What `npm start` runs: a server with a real node and all batteries. Needs root. */
export async function run(): Promise<BenchResult[]> {
  const node = new RealNode('k3s-bench');
  try {
    await node.start();
    const results: BenchResult[] = [
      { name: 'node: Ready, from exec, first start', value: node.launchMs, unit: 'ms', budget: 3000, must: 5000 },
    ];
    const script = fileURLToPath(new URL('./pod-starts.js', import.meta.url));
    const [program, ...before] = node.inside;
    const words = [...before, process.execPath, script, node.kubeconfig, node.image, String(pods)];
    const { stdout } = await promisify(execFile)(program!, words);
    const times = (JSON.parse(stdout) as number[]).sort((a, b) => a - b);
    results.push(
      { name: `node: pod created to Running, p50 of ${pods}`, value: times[pods / 2]!, unit: 'ms', budget: 300 },
      { name: `node: pod created to Running, slowest of ${pods}`, value: times.at(-1)!, unit: 'ms' },
    );
    await new Promise(resolve => setTimeout(resolve, idleMinutes * 60_000));
    const { cpuPercent, diskWritesPerSecond } = await idleCost(node.pid, idleSeconds);
    results.push(
      {
        name: `node: resident, all batteries, ${idleMinutes} min on`,
        value: residentMb(node.pid),
        unit: 'MB',
        budget: 150,
        must: 200,
      },
      { name: 'node: idle, processor', value: cpuPercent, unit: '% of a core', budget: 1 },
      { name: 'node: idle, disk writes', value: diskWritesPerSecond, unit: '1/s', budget: 1 },
    );
    const dataplanes = processesWith('core/dataplane/');
    for (const pid of processesWith(node.dataDirectory).filter(pid => dataplanes.includes(pid)))
      results.push({ name: 'node: dataplane resident', value: residentMb(pid), unit: 'MB', budget: 75 });
    await node.stop('SIGTERM');
    await node.launch();
    results.push({ name: 'node: Ready, from exec, next start', value: node.launchMs, unit: 'ms', budget: 3000, must: 5000 });
    return results;
  } finally {
    await node.remove();
  }
}
