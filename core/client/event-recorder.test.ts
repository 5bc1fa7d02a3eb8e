import { beforeEach, describe, expect, it } from '@jest/globals';
import { FakeClock } from '../base/fake-clock.js';
import { silentLogger } from '../base/logger.js';
import type { ResourceReference } from '../api/resource-reference.js';
import { serviceUnavailable } from '../machinery/status-error.js';
import { Client } from './client.js';
import { ApiEventRecorder } from './event-recorder.js';
import type { CoreEvent } from './event-recorder.js';
import { FakeTransport } from './testing/fake-transport.js';
import { settle } from './testing/settle.js';

const Events: ResourceReference<CoreEvent> = { group: '', version: 'v1', resource: 'events', kind: 'Event', namespaced: true };
const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'web', namespace: 'ns', uid: 'u1', resourceVersion: '7' } };

describe('ApiEventRecorder', () => {
  let clock: FakeClock;
  let transport: FakeTransport;
  let recorder: ApiEventRecorder;
  const events = () => new Client(transport, { name: 'reader', groups: [] }).resource(Events, 'ns').objects();

  beforeEach(() => {
    clock = new FakeClock();
    transport = new FakeTransport(clock);
    const client = new Client(transport, { name: 'system:kube-scheduler', groups: [] });
    recorder = new ApiEventRecorder({ client, clock, logger: silentLogger, component: 'default-scheduler', host: 'n1' });
  });

  it('writes an event and counts its repetitions', async () => {
    recorder.event(pod, 'Normal', 'Scheduled', 'placed');
    await settle();
    await clock.advance(5000);
    recorder.event(pod, 'Normal', 'Scheduled', 'placed');
    await settle();
    const found = await events();
    expect(found).toHaveLength(1);
    expect(found[0]).toMatchObject({
      count: 2,
      firstTimestamp: '2026-01-01T00:00:00Z',
      lastTimestamp: '2026-01-01T00:00:05Z',
      involvedObject: { kind: 'Pod', namespace: 'ns', name: 'web', uid: 'u1', apiVersion: 'v1', resourceVersion: '7' },
      source: { component: 'default-scheduler', host: 'n1' },
      reportingComponent: 'default-scheduler',
      type: 'Normal',
      reason: 'Scheduled',
    });
    expect(found[0]!.metadata.name).toMatch(/^web\.[0-9a-f]{16}$/);
  });

  it('loses none of two recorders that speak of one object at the same moment', async () => {
    const client = new Client(transport, { name: 'system:kube-controller-manager', groups: [] });
    const other = new ApiEventRecorder({ client, clock, logger: silentLogger, component: 'controller' });
    recorder.event(pod, 'Normal', 'Scheduled', 'placed');
    other.event(pod, 'Normal', 'Seen', 'seen');
    await settle();
    expect((await events()).map(({ reason }) => reason).sort()).toEqual(['Scheduled', 'Seen']);
  });

  it('gives a name of its own to an event about what is called too long or in another way', async () => {
    for (const name of ['a'.repeat(253), 'system:node']) {
      recorder.event({ ...pod, metadata: { ...pod.metadata, name, uid: name } }, 'Normal', 'Scheduled', 'placed');
    }
    await settle();
    const names = (await events()).map(({ metadata }) => metadata.name);
    expect(names).toEqual([0, 1].map(() => expect.stringMatching(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)));
  });

  it('joins events that differ only in their message, from the tenth on', async () => {
    for (let i = 0; i < 12; i++) recorder.event(pod, 'Warning', 'Failed', `try ${i}`);
    await settle();
    const found = await events();
    expect(found).toHaveLength(10);
    expect(found.at(-1)).toMatchObject({ message: '(combined from similar events): try 11', count: 3 });
  });

  it('lets 25 events about one object through, then one in five minutes', async () => {
    for (let i = 0; i < 40; i++) recorder.event(pod, 'Warning', `Reason${i}`, 'x');
    await settle(60);
    expect(await events()).toHaveLength(25);
    await clock.advance(300_000);
    recorder.event(pod, 'Warning', 'Later', 'x');
    recorder.event(pod, 'Warning', 'Latest', 'x');
    await settle();
    expect(await events()).toHaveLength(26);
  });

  it('goes on after the clock was set back', async () => {
    recorder.event(pod, 'Warning', 'Before', 'x');
    clock.jump(-86_400_000 * 365);
    recorder.event(pod, 'Warning', 'After', 'x');
    await settle();
    expect(await events()).toHaveLength(2);
  });

  it('creates an event anew when the server has forgotten it', async () => {
    recorder.event(pod, 'Normal', 'Pulled', 'image');
    await settle();
    const [first] = await events();
    await new Client(transport, { name: 'x', groups: [] }).resource(Events, 'ns').delete(first!.metadata.name!);
    recorder.event(pod, 'Normal', 'Pulled', 'image');
    await settle();
    expect(await events()).toEqual([expect.objectContaining({ count: 2 })]);
  });

  it('tries again while the server does not answer', async () => {
    let refuse = true;
    transport.reactors.push(() => {
      if (refuse) throw serviceUnavailable('starting');
    });
    recorder.event(pod, 'Normal', 'Pulled', 'image');
    await settle();
    refuse = false;
    expect(await events()).toHaveLength(0);
    await clock.advance(10_000);
    expect(await events()).toHaveLength(1);
    await recorder.stop();
  });
});
