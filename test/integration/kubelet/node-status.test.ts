import { expect, it } from '@jest/globals';
import { silentLogger } from '../../../core/base/logger.js';
import type { PressureCondition } from '../../../core/kubelet/eviction/signals.js';
import { NodeManager } from '../../../core/kubelet/node/node-manager.js';
import { KubeletFixture, testHost, testSettings } from '../../support/kubelet-fixture.js';

it('what changes while the node’s status is written is written right after', async () => {
  const fixture = new KubeletFixture();
  const { client, clock, recorder, runtime, transport } = fixture;
  let pressure = new Set<PressureCondition>();
  const node = new NodeManager({
    context: { settings: testSettings('node-a'), client, clock, recorder, runtime, logger: silentLogger },
    networkReady: () => undefined,
    pressure: () => pressure,
    hostFacts: () => Promise.resolve(testHost),
  });
  await node.inspect();
  await node.start();
  let isFirst = true;
  transport.reactors.push(({ verb, resource }) => {
    if (verb !== 'patch' || resource !== 'nodes' || !isFirst) return;
    isFirst = false;
    pressure = new Set(['MemoryPressure']);
    void node.update();
  });
  pressure = new Set(['DiskPressure']);
  await node.update();
  const status = Object.fromEntries((await fixture.node()).status.conditions!.map(({ type, status: is }) => [type, is]));
  expect(status).toMatchObject({ MemoryPressure: 'True', DiskPressure: 'False' });
  node.stop();
  expect(clock.pendingTimers).toBe(0);
});
