import { createSocket } from 'node:dgram';
import type { RemoteInfo, Socket as UdpSocket } from 'node:dgram';
import { createServer, isIP } from 'node:net';
import type { Server, Socket } from 'node:net';
import { encodeRefusal, parseQuery, udpLimit } from './wire.js';
import type { Query } from './wire.js';

export interface DnsServerOptions {
  readonly address: string;
  /** 0: the system chooses, the same for UDP and TCP. */
  readonly port: number;
  isAllowed(address: string): boolean;
  answer(query: Query, limitBytes: number): Buffer | Promise<Buffer>;
  onQuery?(query: Query, transport: 'udp' | 'tcp'): void;
  log(level: 'warn' | 'debug', message: string, fields?: Readonly<Record<string, unknown>>): void;
}

const tcpIdleMs = 10_000;
const maximumConnections = 1000;
const maximumOutstandingOfConnection = 100;
const maximumTcpBytes = 65_535;
const receiveBufferBytes = 2 * 1024 * 1024;
const bindTries = 10;

/** One address on which questions are answered, over UDP and TCP. Who may not ask gets no answer at all. */
export class DnsServer {
  readonly #options: DnsServerOptions;
  readonly #connections = new Set<Socket>();
  #udp: UdpSocket | undefined;
  #tcp: Server | undefined;
  #port = 0;

  constructor(options: DnsServerOptions) {
    this.#options = options;
  }

  get port(): number {
    return this.#port;
  }

  /** Binds both, or neither. Other processes of ours may be bound to the same address while one takes over from the other. */
  async start(): Promise<void> {
    const { port } = this.#options;
    for (let tries = 1; ; tries++) {
      try {
        this.#port = await this.#bindUdp(port);
        await this.#listenTcp(this.#port);
        return;
      } catch (error) {
        await this.stop();
        // The port that UDP was given may be somebody's over TCP.
        if (port !== 0 || tries >= bindTries) throw error;
      }
    }
  }

  async stop(): Promise<void> {
    const udp = this.#udp;
    const tcp = this.#tcp;
    this.#udp = undefined;
    this.#tcp = undefined;
    for (const socket of this.#connections) socket.end();
    await Promise.all([
      new Promise<void>(resolve => (udp ? udp.close(resolve) : resolve())),
      new Promise<void>(resolve => (tcp?.listening ? tcp.close(() => resolve()) : resolve())),
    ]);
  }

  #bindUdp(port: number): Promise<number> {
    const { address, log } = this.#options;
    const socket = createSocket({ type: isIP(address) === 6 ? 'udp6' : 'udp4', reusePort: true });
    this.#udp = socket;
    return new Promise((resolve, reject) => {
      socket.once('error', reject);
      socket.bind({ address, port, exclusive: true }, () => {
        socket.removeListener('error', reject);
        socket.on('error', error => log('warn', 'DNS over UDP', { error: error.message }));
        socket.on('message', (message, from) => this.#datagram(socket, message, from));
        try {
          socket.setRecvBufferSize(receiveBufferBytes);
        } catch (error) {
          log('debug', 'the receive buffer stays as it is', { error: String(error) });
        }
        resolve(socket.address().port);
      });
    });
  }

  #listenTcp(port: number): Promise<void> {
    const { address, log } = this.#options;
    const server = createServer(socket => this.#connection(socket));
    server.maxConnections = maximumConnections;
    this.#tcp = server;
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host: address, port, reusePort: true }, () => {
        server.removeListener('error', reject);
        server.on('error', error => log('warn', 'DNS over TCP', { error: error.message }));
        resolve();
      });
    });
  }

  #datagram(socket: UdpSocket, message: Buffer, from: RemoteInfo): void {
    if (!this.#options.isAllowed(from.address)) return;
    const reply = (answer: Buffer): void => {
      if (socket === this.#udp) socket.send(answer, from.port, from.address, ignoreSendError);
    };
    this.#handle(message, 'udp', reply);
  }

  #connection(socket: Socket): void {
    const peer = socket.remoteAddress;
    if (peer === undefined || !this.#options.isAllowed(peer)) {
      socket.destroy();
      return;
    }
    this.#connections.add(socket);
    socket.setTimeout(tcpIdleMs, () => socket.destroy());
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#connections.delete(socket));
    let received: Buffer = Buffer.alloc(0);
    let outstanding = 0;
    const read = (): void => {
      while (received.length >= 2 && outstanding < maximumOutstandingOfConnection) {
        const size = received.readUInt16BE(0);
        if (received.length < 2 + size) return;
        const message = received.subarray(2, 2 + size);
        received = received.subarray(2 + size);
        outstanding += 1;
        this.#handle(message, 'tcp', answer => {
          outstanding -= 1;
          if (socket.writable) {
            const framed = Buffer.allocUnsafe(2 + answer.length);
            framed.writeUInt16BE(answer.length, 0);
            answer.copy(framed, 2);
            socket.write(framed);
          }
          if (socket.isPaused()) {
            socket.resume();
            read();
          }
        });
      }
      if (outstanding >= maximumOutstandingOfConnection) socket.pause();
    };
    socket.on('data', chunk => {
      received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
      read();
    });
  }

  #handle(message: Buffer, transport: 'udp' | 'tcp', reply: (answer: Buffer) => void): void {
    const query = parseQuery(message);
    if (query === undefined) return;
    if (typeof query === 'number') return reply(encodeRefusal(message, query));
    this.#options.onQuery?.(query, transport);
    const answer = this.#options.answer(query, transport === 'udp' ? udpLimit(query) : maximumTcpBytes);
    if (Buffer.isBuffer(answer)) reply(answer);
    else {
      answer.then(reply, (error: unknown) => this.#options.log('warn', 'a question was not answered', { error: String(error) }));
    }
  }
}

/** A datagram may get lost anyway; the asker asks again. */
function ignoreSendError(): void {}
