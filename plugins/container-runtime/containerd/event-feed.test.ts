import { describe, expect, it } from '@jest/globals';
import { FakeClock } from '../../../core/base/fake-clock.js';
import { silentLogger } from '../../../core/base/logger.js';
import { EventFeed } from './event-feed.js';
import { WireCodec } from '../../../core/plugin-api/wire.js';
import { tables } from './wire/generated/tables.js';
import type { EventsEnvelope } from './wire/generated/tables.js';
import type { GrpcChannel } from './wire/grpc-channel.js';

const codec = new WireCodec(tables);

it('leaves no stream behind whose lists could not be had', async () => {
  const clock = new FakeClock();
  let open = 0;
  let failures = 2;
  const ends: (() => void)[] = [];
  const channel = {
    call: async () => {
      if (failures-- > 0) throw new Error('server is not initialized yet');
      return {};
    },
    stream: (_method: string, _request: object, listener: { end(error: Error | undefined): void }) => {
      open++;
      ends.push(() => listener.end(undefined));
      let cancelled = false;
      return {
        cancel: () => {
          if (!cancelled) open--;
          cancelled = true;
        },
      };
    },
  } as unknown as GrpcChannel;
  const feed = new EventFeed(channel, clock, silentLogger);
  await expect(feed.start()).rejects.toThrow('not initialized');
  expect(open).toBe(0);
  failures = 0;
  let lost = 0;
  feed.watch({ event: () => undefined, lost: () => void lost++ });
  await feed.start();
  expect([open, lost]).toEqual([1, 1]);
  // The daemon is started anew, and is not ready at once.
  open--;
  failures = 4;
  ends.at(-1)!();
  for (let turn = 0; turn < 10; turn++) await clock.advance(1000);
  expect([open, lost]).toEqual([1, 2]);
  feed.stop();
});

describe('what containerd tells of ends', () => {
  const make = async () => {
    const clock = new FakeClock();
    let tell: (envelope: EventsEnvelope) => void = () => undefined;
    const answers: Record<string, object> = {
      ListPodSandbox: { items: [{ id: 'sandbox' }] },
      ListContainers: { containers: [{ id: 'container' }] },
    };
    const channel = {
      call: async (method: string) => answers[method],
      stream: (_method: string, _request: object, listener: { message: typeof tell }) => {
        tell = listener.message;
        return { cancel: () => undefined };
      },
    } as unknown as GrpcChannel;
    const feed = new EventFeed(channel, clock, silentLogger);
    const told: string[] = [];
    feed.watch({ event: ({ type, kind, id }) => void told.push(`${type} ${kind} ${id}`), lost: () => undefined });
    await feed.start();
    const send = async (topic: string, type: 'TaskExit' | 'TaskOOM' | 'ContainerDelete', event: object): Promise<void> => {
      tell({ namespace: 'k8s.io', topic, event: { value: codec.encode(`containerd.events.${type}`, event) } } as EventsEnvelope);
      await clock.advance(0);
    };
    const exit = (id: string, exitStatus: number): Promise<void> =>
      send('/tasks/exit', 'TaskExit', { containerId: id, id, exitStatus });
    return { feed, told, send, exit };
  };

  it('is known of containers and sandboxes until they are removed', async () => {
    const { feed, told, send, exit } = await make();
    await exit('container', 3);
    await exit('sandbox', 137);
    expect(feed.exitOf('container')).toMatchObject({ exitCode: 3, outOfMemory: false });
    expect(feed.exitOf('sandbox')).toMatchObject({ exitCode: 137 });
    await send('/containers/delete', 'ContainerDelete', { id: 'sandbox' });
    expect(feed.exitOf('sandbox')).toBeUndefined();
    expect(told).toEqual(['exited container container', 'exited sandbox sandbox', 'removed sandbox sandbox']);
    feed.stop();
  });

  it.each([
    ['before', true],
    ['after', false],
  ])('is for want of memory where that comes %s the end', async (_when, first) => {
    const { feed, told, send, exit } = await make();
    const oom = (): Promise<void> => send('/tasks/oom', 'TaskOOM', { containerId: 'container' });
    if (first) await oom();
    await exit('container', 137);
    if (!first) await oom();
    expect(feed.exitOf('container')).toMatchObject({ exitCode: 137, outOfMemory: true });
    expect([...told].sort()).toEqual(['exited container container', 'oom container container']);
    feed.stop();
  });
});
