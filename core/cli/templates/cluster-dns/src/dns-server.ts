import { createSocket } from 'node:dgram';
import type { Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { addressRecords } from './zone.js';
import type { Zone } from './zone.js';
import { codes, encodeReply, parseQuestion } from './dns-message.js';
import type { DnsRecord, Question, Reply } from './dns-message.js';
import { framed } from './upstream.js';
import type { Upstream } from './upstream.js';

const idleMs = 10_000;
const longestChain = 8;
const bindTries = 10;

/** Answers over UDP and TCP on the same port. */
export class DnsServer {
  readonly #zone: Zone;
  readonly #upstream: Upstream;
  readonly #connections = new Set<Socket>();
  readonly #tcp = createServer(socket => this.#connection(socket));
  #udp: UdpSocket | undefined;

  constructor(zone: Zone, upstream: Upstream) {
    this.#zone = zone;
    this.#upstream = upstream;
  }

  /** Resolves the port. */
  async listen(address: string, port: number): Promise<number> {
    for (let tries = 1; ; tries++) {
      try {
        this.#tcp.listen(port, address);
        await once(this.#tcp, 'listening');
        const bound = (this.#tcp.address() as AddressInfo).port;
        const udp = createSocket(address.includes(':') ? 'udp6' : 'udp4');
        this.#udp = udp;
        udp.bind(bound, address);
        await once(udp, 'listening');
        udp.on('error', () => undefined);
        udp.on('message', (message, from) => {
          void this.#answer(message, false).then(answer => {
            if (answer && this.#udp === udp) udp.send(answer, from.port, from.address, () => undefined);
          });
        });
        return bound;
      } catch (error) {
        await this.close();
        // What is free for TCP may be somebody's over UDP.
        if (port !== 0 || tries === bindTries) throw error;
      }
    }
  }

  async close(): Promise<void> {
    const udp = this.#udp;
    this.#udp = undefined;
    const closed = new Promise<void>(resolve => this.#tcp.close(() => resolve()));
    for (const socket of this.#connections) socket.destroy();
    await Promise.all([closed, new Promise<void>(resolve => (udp ? udp.close(resolve) : resolve()))]);
  }

  #connection(socket: Socket): void {
    this.#connections.add(socket);
    socket.setTimeout(idleMs, () => socket.destroy());
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#connections.delete(socket));
    let received: Buffer = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
        const end = 2 + received.readUInt16BE(0);
        const message = received.subarray(2, end);
        received = received.subarray(end);
        void this.#answer(message, true).then(answer => answer && socket.writable && socket.write(framed(answer)));
      }
    });
  }

  /** Undefined for what is no question. Never rejects. */
  async #answer(message: Buffer, isTcp: boolean): Promise<Buffer | undefined> {
    const question = parseQuestion(message);
    if (!question) return undefined;
    const limitBytes = isTcp ? 65_535 : question.datagramBytes;
    const reply = await this.#reply(question).catch((): Reply => ({ code: codes.serverFailure, records: [] }));
    if (reply) return encodeReply(message, question, reply, limitBytes);
    const relayed = await this.#upstream.relay(message, isTcp);
    return relayed ?? encodeReply(message, question, { code: codes.serverFailure, records: [] }, limitBytes);
  }

  /** Undefined for names outside of the cluster. */
  async #reply({ name, type }: Question): Promise<Reply | undefined> {
    let found = this.#zone.lookUp(name, type);
    if (found?.alias === undefined) return found;
    const records: DnsRecord[] = [...found.records];
    for (let steps = 0; found?.alias !== undefined && steps < longestChain; steps++) {
      const { alias }: { alias?: string } = found;
      found = this.#zone.lookUp(alias!, type);
      if (found) {
        records.push(...found.records);
        continue;
      }
      const addresses = await this.#upstream.addresses(alias!, type);
      if (!addresses) return { code: codes.serverFailure, records: [] };
      records.push(...addressRecords(alias!, addresses));
    }
    return { code: codes.none, records };
  }
}
