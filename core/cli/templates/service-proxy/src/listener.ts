import { createSocket } from 'node:dgram';
import type { Socket as DatagramSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import type { PlannedListener, Target } from './service-plan.js';

/** A UDP client that says nothing for so long is forgotten. */
const silenceMs = 60_000;

interface Flow {
  readonly target: Target;
  readonly socket: DatagramSocket;
  timer: NodeJS.Timeout;
}

/** One port of one address, and whoever comes to it. */
export class Listener {
  #plan: PlannedListener;
  #turn = 0;
  readonly #stuck = new Map<string, { target: Target; untilMs: number }>();
  readonly #connections = new Set<Socket>();
  readonly #flows = new Map<string, Flow>();
  #server: Server | DatagramSocket | undefined;

  constructor(plan: PlannedListener) {
    this.#plan = plan;
  }

  /** Rejects when somebody else has the port. */
  async open(): Promise<void> {
    const { protocol, address, port } = this.#plan;
    if (protocol === 'TCP') {
      const server = createServer({ allowHalfOpen: true }, client => this.#connect(client));
      this.#server = server;
      await once(server.listen(port, address), 'listening');
    } else {
      const socket = createSocket('udp4');
      this.#server = socket;
      socket.on('message', (data, from) => this.#forward(socket, data, from.address, from.port));
      socket.bind(port, address);
      await once(socket, 'listening');
    }
    this.#server.on('error', () => undefined);
  }

  /** Connections go on where they are; datagrams go to nobody who is not a target any more. */
  update(plan: PlannedListener): void {
    this.#plan = plan;
    const kept = new Set(plan.targets.map(textOf));
    for (const [client, { target }] of this.#stuck) if (!kept.has(textOf(target))) this.#stuck.delete(client);
    for (const [client, { target }] of this.#flows) if (!kept.has(textOf(target))) this.#forget(client);
  }

  async close(): Promise<void> {
    for (const client of [...this.#flows.keys()]) this.#forget(client);
    for (const socket of this.#connections) socket.destroy();
    const server = this.#server;
    this.#server = undefined;
    if (server) await new Promise<void>(resolve => server.close(() => resolve()));
  }

  #choose(client: string): Target {
    const { targets, affinityMs } = this.#plan;
    const nowMs = Date.now();
    const stuck = this.#stuck.get(client);
    const target = affinityMs > 0 && stuck && stuck.untilMs > nowMs ? stuck.target : targets[this.#turn++ % targets.length]!;
    if (affinityMs > 0) this.#stuck.set(client, { target, untilMs: nowMs + affinityMs });
    return target;
  }

  #connect(client: Socket): void {
    const { address, port } = this.#choose(client.remoteAddress ?? '');
    const server = connect({ host: address, port, allowHalfOpen: true });
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#connections.add(socket);
      socket.on('error', () => other.destroy());
      socket.on('close', () => this.#connections.delete(socket));
      socket.pipe(other);
    }
  }

  #forward(listener: DatagramSocket, data: Buffer, address: string, port: number): void {
    const client = `${address} ${port}`;
    let flow = this.#flows.get(client);
    if (!flow) {
      const socket = createSocket('udp4');
      const opened: Flow = { target: this.#choose(address), socket, timer: setTimeout(() => this.#forget(client), silenceMs) };
      socket.on('message', answer => {
        opened.timer.refresh();
        listener.send(answer, port, address);
      });
      // Nobody listens there: the next datagram tries anew.
      socket.on('error', () => this.#forget(client));
      this.#flows.set(client, opened);
      flow = opened;
    }
    flow.timer.refresh();
    flow.socket.send(data, flow.target.port, flow.target.address);
  }

  #forget(client: string): void {
    const flow = this.#flows.get(client);
    if (!flow) return;
    this.#flows.delete(client);
    clearTimeout(flow.timer);
    flow.socket.close();
  }
}

function textOf({ address, port }: Target): string {
  return `${address} ${port}`;
}
