import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { getServers } from 'node:dns';
import { Resolver } from 'node:dns/promises';
import { connect } from 'node:net';
import { errorCode } from 'k3s-ts/plugin';
import { types } from './dns-message.js';

const attemptMs = 2000;

/** Asks other servers for what is outside of the cluster. */
export class Upstream {
  readonly #servers: readonly string[];

  /** `server` is an address, also with a port; empty: whom this machine asks. */
  constructor(server: string) {
    this.#servers = server === '' ? getServers() : [server];
    // Says at once what is no address.
    new Resolver().setServers(this.#servers);
  }

  /** Carries the message there and the answer back, both as they are. Undefined: nobody answered. */
  async relay(message: Buffer, isTcp: boolean): Promise<Buffer | undefined> {
    for (const server of this.#servers) {
      // A number that nobody can guess.
      const question = Buffer.from(message);
      question.writeUInt16BE(randomInt(65_536), 0);
      const answer = await (isTcp ? overTcp : overUdp)(server, question).catch(() => undefined);
      if (!answer) continue;
      const back = Buffer.from(answer);
      message.copy(back, 0, 0, 2);
      return back;
    }
    return undefined;
  }

  /** None when there are none; undefined when nobody answered. */
  async addresses(name: string, type: number): Promise<string[] | undefined> {
    const resolver = new Resolver({ timeout: attemptMs, tries: 2 });
    resolver.setServers(this.#servers);
    try {
      return await (type === types.A ? resolver.resolve4(name) : resolver.resolve6(name));
    } catch (error) {
      return ['ENOTFOUND', 'ENODATA'].includes(errorCode(error) ?? '') ? [] : undefined;
    }
  }
}

function placeOf(server: string): { host: string; port: number } {
  const match = /^(?:\[(.+)\]|([^:]+)):(\d+)$/.exec(server);
  return { host: match?.[1] ?? match?.[2] ?? server, port: Number(match?.[3] ?? 53) };
}

function overUdp(server: string, question: Buffer): Promise<Buffer> {
  const { host, port } = placeOf(server);
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
  return new Promise<Buffer>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('no answer in time')), attemptMs);
    socket.on('close', () => clearTimeout(timer));
    socket.on('error', reject);
    socket.on('message', answer => {
      if (answer.length >= 12 && answer.readUInt16BE(0) === question.readUInt16BE(0)) resolve(answer);
    });
    // A connected socket hears this server only.
    socket.connect(port, host, () => socket.send(question));
  }).finally(() => socket.close());
}

function overTcp(server: string, question: Buffer): Promise<Buffer> {
  const socket = connect(placeOf(server));
  return new Promise<Buffer>((resolve, reject) => {
    let received: Buffer = Buffer.alloc(0);
    socket.setTimeout(attemptMs, () => reject(new Error('no answer in time')));
    socket.on('error', reject);
    socket.on('close', () => reject(new Error('closed before the answer')));
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      if (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) return;
      const answer = received.subarray(2, 2 + received.readUInt16BE(0));
      if (answer.length >= 12 && answer.readUInt16BE(0) === question.readUInt16BE(0)) resolve(answer);
      else reject(new Error('the answer to another question'));
    });
    socket.write(framed(question));
  }).finally(() => socket.destroy());
}

/** A message as it is sent over TCP. */
export function framed(message: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  return Buffer.concat([length, message]);
}
