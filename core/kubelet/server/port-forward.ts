import { errorText } from '../../base/errors.js';
import type { ContainerRuntime } from '../../contracts/container-runtime.js';
import type { ChannelSocket } from './channel-socket.js';

/** The subprotocol whose messages are the bytes of a SPDY connection. Source: KEP-4006. */
export const tunnelProtocol = 'SPDY/3.1+portforward.k8s.io';
export const portForwardProtocols = ['v4.channel.k8s.io', 'v4.base64.channel.k8s.io'] as const;

/** Two channels a port, data and error, each beginning with the port in two bytes. Source: cri streaming portforward/websocket.go. */
export function servePorts(
  socket: ChannelSocket,
  ports: readonly number[],
  to: { readonly runtime: ContainerRuntime; readonly sandboxId: string; readonly podText: string; readonly podUid: string },
): void {
  const inputs = ports.map((port, index) => {
    const head = Buffer.alloc(2);
    head.writeUInt16LE(port);
    socket.send(index * 2, head);
    socket.send(index * 2 + 1, head);
    const failed = (error: unknown): void => {
      const subject = `error forwarding port ${port} to pod ${to.podText}, uid ${to.podUid}`;
      socket.send(index * 2 + 1, Buffer.from(`${subject}: ${errorText(error)}`));
    };
    const stream = to.runtime.portForward(to.sandboxId, port);
    stream.then(
      opened => {
        opened.on('error', failed);
        opened.on('data', (chunk: Buffer) => {
          socket.send(index * 2, chunk, () => opened.resume());
          opened.pause();
        });
      },
      (error: unknown) => failed(error),
    );
    return stream;
  });
  socket.listen((channel, data) => {
    const input = channel % 2 === 0 ? inputs[channel / 2] : undefined;
    if (!input || data.length === 0) return true;
    const go = (): void => socket.resume();
    input.then(
      stream => {
        if (stream.write(data)) return go();
        stream.once('drain', go);
        stream.once('close', go);
      },
      () => go(),
    );
    return false;
  });
  socket.onClose(() => {
    for (const input of inputs) {
      input.then(
        stream => stream.end(),
        () => undefined,
      );
    }
  });
}
