import { describe, expect, it } from '@jest/globals';
import { Events, Nodes, Pods } from '../api/generated/resources.js';
import { FakeClock } from '../base/fake-clock.js';
import { silentLogger } from '../base/logger.js';
import { Client } from '../client/client.js';
import { settle } from '../client/testing/settle.js';
import { SchedulerPart } from './scheduler-part.js';
import { node, pod } from './testing/objects.js';
import { SchedulingTransport } from './testing/scheduling-transport.js';

describe('SchedulerPart', () => {
  it('starts, stops and starts again, with resources missing', async () => {
    const clock = new FakeClock();
    const transport = new SchedulingTransport(clock);
    const admin = new Client(transport, { name: 'admin', groups: [] });
    const catalogue = { resources: () => [Nodes, Pods].map(reference => ({ reference, verbs: ['list', 'watch'] })) };
    const part = new SchedulerPart({ transport, catalogue, clock, logger: silentLogger });
    for (const name of ['first', 'second']) {
      part.start();
      await part.ready(AbortSignal.timeout(5000));
      if (name === 'first') await admin.resource(Nodes).create(node('n1'));
      await admin.resource(Pods, 'default').create(pod(name));
      await settle(30);
      expect((await admin.resource(Pods, 'default').get(name)).spec.nodeName).toBe('n1');
      await part.stop();
      await part.stop();
    }
    const read = new Set(
      transport.actions.filter(({ verb }) => verb === 'list' || verb === 'watch').map(({ resource }) => resource),
    );
    expect(read).toEqual(new Set(['pods', 'nodes']));
    const events = await admin.resource(Events, 'default').objects();
    expect(events.map(({ reason, source }) => [reason, source])).toEqual([
      ['Scheduled', { component: 'default-scheduler' }],
      ['Scheduled', { component: 'default-scheduler' }],
    ]);
    expect(clock.pendingTimers).toBe(0);
  });

  it('is not ready as long as it cannot read the cluster', async () => {
    const clock = new FakeClock();
    const transport = new SchedulingTransport(clock);
    transport.reactors.push(({ resource }) => {
      if (resource === 'nodes') throw new Error('not yet');
    });
    const part = new SchedulerPart({
      transport,
      catalogue: { resources: () => [{ reference: Nodes, verbs: [] }] },
      clock,
      logger: silentLogger,
    });
    part.start();
    await expect(part.ready(AbortSignal.abort(new Error('too late')))).rejects.toThrow('too late');
    await part.stop();
  });
});
