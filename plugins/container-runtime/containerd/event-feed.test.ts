import { describe, expect, it } from '@jest/globals';
import { FakeClock } from '../../../core/base/fake-clock.js';
import { silentLogger } from '../../../core/base/logger.js';
import { EventFeed } from './event-feed.js';
import { WireCodec } from '../../../core/plugin-api/wire.js';
import { tables } from './wire/generated/tables.js';
import type { EventsEnvelope } from './wire/generated/tables.js';
import type { GrpcChannel } from './wire/grpc-channel.js';

const codec = new WireCodec(tables);

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
