/**
 * Runs inside a network namespace of a test and speaks for it: listens, connects, sends. Requests come over the process channel,
 * one answer each.
 */
import { createSocket } from 'node:dgram';
import type { Socket as DatagramSocket } from 'node:dgram';
import { connect, createServer } from 'node:net';

export type AgentRequest =
  /** Listens and answers every connection or datagram with `NAME CLIENT_ADDRESS`. Answered when it listens. */
  | {
      readonly kind: 'listen';
      readonly protocol: 'tcp' | 'udp';
      readonly port: number;
      readonly name: string;
      readonly address?: string;
    }
  /** Resolves what the server said, or `error CODE` (`ECONNREFUSED`, `TIMEOUT`, `EHOSTUNREACH` ...). */
  | {
      readonly kind: 'ask';
      readonly protocol: 'tcp' | 'udp';
      readonly address: string;
      readonly port: number;
      readonly timeoutMs: number;
      readonly localPort?: number;
    };

const datagramClients = new Map<number, DatagramSocket>();

process.on('message', (message: { id: number; request: AgentRequest }) => {
  void handle(message.request).then(answer => process.send?.({ id: message.id, answer }));
});
process.on('disconnect', () => process.exit(0));
process.send?.({ id: 0, answer: 'ready' });

function handle(request: AgentRequest): Promise<string> {
  if (request.kind === 'listen') return request.protocol === 'tcp' ? listenTcp(request) : listenUdp(request);
  return request.protocol === 'tcp' ? askTcp(request) : askUdp(request);
}

function listenTcp({ port, name, address }: AgentRequest & { kind: 'listen' }): Promise<string> {
  return new Promise(resolve => {
    const server = createServer(socket => {
      socket.on('error', () => undefined);
      socket.end(`${name} ${plain(socket.remoteAddress)}`);
    });
    server.on('error', error => resolve(`error ${codeOf(error)}`));
    server.listen(port, address ?? '::', () => resolve('listening'));
  });
}

function listenUdp({ port, name, address }: AgentRequest & { kind: 'listen' }): Promise<string> {
  return new Promise(resolve => {
    const socket = createSocket(address?.includes(':') ? 'udp6' : 'udp4');
    socket.on('error', error => resolve(`error ${codeOf(error)}`));
    socket.on('message', (_text, from) => socket.send(`${name} ${from.address}`, from.port, from.address));
    socket.bind(port, address, () => resolve('listening'));
  });
}

function askTcp({ address, port, timeoutMs }: AgentRequest & { kind: 'ask' }): Promise<string> {
  return new Promise(resolve => {
    let text = '';
    const socket = connect({ host: address, port });
    const timer = setTimeout(() => {
      resolve('error TIMEOUT');
      socket.destroy();
    }, timeoutMs);
    socket.on('data', chunk => (text += chunk.toString()));
    socket.on('error', error => resolve(`error ${codeOf(error)}`));
    socket.on('close', () => {
      clearTimeout(timer);
      resolve(text);
    });
  });
}

/** With `localPort` the same socket asks again next time, as a resolver's does. */
function askUdp({ address, port, timeoutMs, localPort }: AgentRequest & { kind: 'ask' }): Promise<string> {
  return new Promise(resolve => {
    const known = localPort === undefined ? undefined : datagramClients.get(localPort);
    const socket = known ?? createSocket(address.includes(':') ? 'udp6' : 'udp4');
    const finish = (answer: string): void => {
      clearTimeout(timer);
      socket.removeAllListeners('message');
      socket.removeAllListeners('error');
      if (localPort === undefined) socket.close();
      else socket.on('error', () => undefined);
      resolve(answer);
    };
    const timer = setTimeout(() => finish('error TIMEOUT'), timeoutMs);
    socket.on('message', text => finish(text.toString()));
    socket.on('error', error => finish(`error ${codeOf(error)}`));
    const send = (): void => socket.send('?', port, address, error => error && finish(`error ${codeOf(error)}`));
    if (known || localPort === undefined) return send();
    datagramClients.set(localPort, socket);
    socket.bind(localPort, send);
  });
}

function codeOf(error: Error): string {
  return (error as { code?: string }).code ?? error.message;
}

function plain(address: string | undefined): string {
  return (address ?? '').replace(/^::ffff:/, '');
}
