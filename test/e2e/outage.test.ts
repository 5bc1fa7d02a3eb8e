import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { hostLeftovers } from '../support/host-leftovers.js';
import { countOutage } from '../support/outage.js';
import { RealNode } from '../support/real-node.js';

const required = process.env['K3S_TEST_REQUIRE'] === '1';
const runsHere = process.platform === 'linux' && process.arch === 'x64' && (process.getuid?.() === 0 || required);
const mark = 'k3s-short-outage';

/** The short form of `test/bench/outage-bench.ts`. */
(runsHere ? describe : describe.skip)('an upgrade is not an outage (needs root)', () => {
  let node: RealNode;

  beforeAll(async () => {
    expect(hostLeftovers(mark)).toEqual([]);
    node = new RealNode(mark);
    await node.start();
  }, 120_000);

  afterAll(async () => {
    await node.remove();
    expect(hostLeftovers(mark)).toEqual([]);
  }, 60_000);

  it('two restarts and a kill -9, with a route changed after each, lose no new connection', async () => {
    const [seconds, perSecond] = [15, 50];
    const signals = ['SIGTERM', 'SIGKILL', 'SIGTERM'] as const;
    const counts = await countOutage(node, { seconds, perSecond, signals, pauseMs: 1500 });
    const none = { answered: seconds * perSecond, lost: 0 };
    expect(counts).toEqual({ ingress: none, clusterIp: none, dns: none });
  }, 90_000);
});
