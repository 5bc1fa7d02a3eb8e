import { RealNode } from '../support/real-node.js';
import { countOutage } from '../support/outage.js';
import type { BenchResult } from './bench-result.js';

const seconds = 60;
const perSecond = 100;

/**
 * New connections through Ingress, ClusterIP and DNS (UDP, asked once) while the server is restarted three times and killed once, and
 * a route of an Ingress changes. Needs root; nothing may be lost.
 */
export async function run(): Promise<BenchResult[]> {
  const node = new RealNode('k3s-outage');
  try {
    await node.start();
    const counts = await countOutage(node, {
      seconds,
      perSecond,
      signals: ['SIGTERM', 'SIGTERM', 'SIGTERM', 'SIGKILL'],
      pauseMs: 10_000,
    });
    return Object.entries(counts).flatMap(([way, { answered, lost }]) => [
      { name: `restarts under load: ${way}, answered`, value: answered, unit: `of ${seconds * perSecond}` },
      { name: `restarts under load: ${way}, lost`, value: lost, unit: 'requests', budget: 0, must: 0 },
    ]);
  } finally {
    await node.remove();
  }
}
