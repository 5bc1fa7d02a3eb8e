import { createSocket } from 'node:dgram';
import type { Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';

export const dnsType = { A: 1, PTR: 12, TXT: 16 } as const;

export interface Place {
  readonly address: string;
  readonly port: number;
}

export interface UpstreamRecord {
  readonly type: number;
  readonly data: Buffer;
}

const headerBytes = 12;
const truncatedBit = 0x02_00;

export function encodeName(name: string): Buffer {
  const labels = name.split('.').filter(label => label !== '');
  return Buffer.concat([...labels.map(label => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)])), Buffer.of(0)]);
}

/** A question with nothing that says how large an answer may be: 512 bytes over UDP. */
export function encodeQuestion(name: string, type: number, id: number): Buffer {
  const header = Buffer.alloc(headerBytes);
  header.writeUInt16BE(id, 0);
  header.writeUInt16BE(0x01_00, 2);
  header.writeUInt16BE(1, 4);
  return Buffer.concat([header, encodeName(name), Buffer.of(0, type, 0, 1)]);
}

export interface DnsHeader {
  readonly id: number;
  readonly isResponse: boolean;
  readonly isTruncated: boolean;
  readonly rcode: number;
  readonly answers: number;
  readonly bytes: number;
}

export function readHeader(message: Buffer): DnsHeader {
  const flags = message.readUInt16BE(2);
  return {
    id: message.readUInt16BE(0),
    isResponse: flags >= 0x80_00,
    isTruncated: (flags & truncatedBit) !== 0,
    rcode: flags & 0xf,
    answers: message.readUInt16BE(6),
    bytes: message.length,
  };
}

function framed(message: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  return Buffer.concat([length, message]);
}

/** Calls `take` for each message that came whole. */
function eachMessage(socket: Socket, take: (message: Buffer) => void): void {
  let received: Buffer = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
    while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
      const end = 2 + received.readUInt16BE(0);
      take(received.subarray(2, end));
      received = received.subarray(end);
    }
  });
}

/** The answer to one message over UDP. Rejects when there is none. */
export async function askByUdp({ address, port }: Place, message: Buffer, timeoutMs: number): Promise<Buffer> {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  try {
    const answer = once(socket, 'message', { signal: AbortSignal.timeout(timeoutMs) }) as Promise<[Buffer]>;
    socket.connect(port, address, () => socket.send(message));
    return (await answer)[0];
  } finally {
    socket.close();
  }
}

/** As many answers as messages, over one connection. Rejects when they do not come. */
export async function askByTcp({ address, port }: Place, messages: readonly Buffer[], timeoutMs: number): Promise<Buffer[]> {
  const socket = connect(port, address);
  try {
    return await new Promise((resolve, reject) => {
      const answers: Buffer[] = [];
      socket.setTimeout(timeoutMs, () => reject(new Error('no answer over TCP in time')));
      socket.on('error', reject);
      socket.on('close', () => reject(new Error('the connection was closed before the answer')));
      eachMessage(socket, answer => {
        if (answers.push(answer) === messages.length) resolve(answers);
      });
      socket.write(Buffer.concat(messages.map(framed)));
    });
  } finally {
    socket.destroy();
  }
}

/** A server on the loopback for names outside of a cluster, with records that the test puts in; what is not there is NXDOMAIN. */
export class DnsUpstream {
  /** By name. Names with more than `datagramAnswers` are told over TCP only. */
  readonly records = new Map<string, readonly UpstreamRecord[]>();
  /** All names that were asked for. */
  readonly asked: string[] = [];
  readonly #udp: UdpSocket = createSocket('udp4');
  readonly #tcp: Server = createServer(socket => {
    this.#connections.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#connections.delete(socket));
    eachMessage(socket, message => socket.write(framed(this.#answer(message, true))));
  });
  readonly #connections = new Set<Socket>();
  #isStopped = false;

  /** `address:port`. */
  async start(): Promise<string> {
    // The system knows a port that is free for TCP; that it is for UDP is as good as certain.
    this.#tcp.listen(0, '127.0.0.1');
    await once(this.#tcp, 'listening');
    const { port } = this.#tcp.address() as AddressInfo;
    this.#udp.on('message', (message, from) => {
      this.#udp.send(this.#answer(message, false), from.port, from.address);
    });
    this.#udp.bind(port, '127.0.0.1');
    await once(this.#udp, 'listening');
    return `127.0.0.1:${port}`;
  }

  /** Twice is safe. */
  stop(): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#udp.close();
    this.#tcp.close();
    for (const socket of this.#connections) socket.destroy();
  }

  #answer(message: Buffer, isTcp: boolean): Buffer {
    const labels: string[] = [];
    let at = headerBytes;
    for (let length = message[at]!; length > 0; length = message[at]!) {
      labels.push(message.toString('latin1', at + 1, at + 1 + length));
      at += 1 + length;
    }
    const type = message.readUInt16BE(at + 1);
    const name = labels.join('.').toLowerCase();
    this.asked.push(name);
    const known = this.records.get(name);
    const found = (known ?? []).filter(record => record.type === type);
    const isTruncated = !isTcp && found.length > datagramAnswers;
    const answers = (isTruncated ? [] : found).map(({ data }) => {
      const fixed = Buffer.from([0xc0, headerBytes, 0, type, 0, 1, 0, 0, 0, 60, 0, 0]);
      fixed.writeUInt16BE(data.length, 10);
      return Buffer.concat([fixed, data]);
    });
    const header = Buffer.from(message.subarray(0, headerBytes));
    header.writeUInt16BE(0x81_80 | (isTruncated ? truncatedBit : 0) | (known ? 0 : 3), 2);
    header.writeUInt16BE(answers.length, 6);
    header.fill(0, 8);
    return Buffer.concat([header, message.subarray(headerBytes, at + 5), ...answers]);
  }
}

const datagramAnswers = 10;
