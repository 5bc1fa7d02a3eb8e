import { createSocket } from 'node:dgram';
import { randomInt } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { connect, isIP } from 'node:net';
import type { DnsForward } from './state.js';
import { encodeQuery } from './wire.js';
import type { Query } from './wire.js';
import { readResponse } from './wire-response.js';
import type { StoredResponse } from './wire-response.js';

export interface Upstream {
  readonly address: string;
  readonly port: number;
}

export interface ForwarderOptions {
  /** Is this one of ours? Never asked: the question would come back. */
  isOwn(upstream: Upstream): boolean;
  log(level: 'warn' | 'debug', message: string, fields?: Readonly<Record<string, unknown>>): void;
}

const attemptMs = 2000;
const totalMs = 5000;
/** One that did not answer is asked last for so long. */
const avoidedMs = 2000;
const fileCheckMs = 5000;
const maximumOutstanding = 1000;
const defaultPort = 53;

/** Asks other servers: each question from a port and with a number of its own, so that nobody can guess an answer. */
export class Forwarder {
  readonly #options: ForwarderOptions;
  readonly #files = new Map<string, { checkedMs: number; changedMs: number; upstreams: readonly Upstream[] }>();
  readonly #failedMs = new Map<string, number>();
  #outstanding = 0;
  #next = 0;

  constructor(options: ForwarderOptions) {
    this.#options = options;
  }

  get outstanding(): number {
    return this.#outstanding;
  }

  /** Undefined when nobody answered. */
  async ask(query: Query, forward: DnsForward): Promise<StoredResponse | undefined> {
    if (this.#outstanding >= maximumOutstanding) return undefined;
    this.#outstanding += 1;
    try {
      const upstreams = await this.#ordered(forward);
      const endMs = performance.now() + totalMs;
      // Two rounds: a lost packet is likelier than a dead server.
      for (const upstream of [...upstreams, ...upstreams]) {
        const leftMs = endMs - performance.now();
        if (leftMs <= 0) break;
        const answer = await this.#attempt(query, upstream, forward.forceTcp, Math.min(attemptMs, leftMs));
        if (answer) {
          this.#failedMs.delete(nameOf(upstream));
          return answer;
        }
        this.#failedMs.set(nameOf(upstream), performance.now());
      }
      return undefined;
    } finally {
      this.#outstanding -= 1;
    }
  }

  async #attempt(query: Query, upstream: Upstream, forceTcp: boolean, timeoutMs: number): Promise<StoredResponse | undefined> {
    try {
      if (!forceTcp) {
        const answer = await askUdp(query, upstream, timeoutMs);
        if (!answer?.truncated) return answer;
      }
      return await askTcp(query, upstream, timeoutMs);
    } catch (error) {
      this.#options.log('debug', 'an upstream server did not answer', { server: nameOf(upstream), error: String(error) });
      return undefined;
    }
  }

  async #ordered({ to, policy }: DnsForward): Promise<Upstream[]> {
    const lists = await Promise.all(
      to.map(async target => (target.startsWith('/') ? this.#fromFile(target) : [parseUpstream(target)])),
    );
    const upstreams = lists.flat().filter((one): one is Upstream => one !== undefined && !this.#options.isOwn(one));
    if (policy !== 'sequential' && upstreams.length > 1) {
      const first = policy === 'random' ? randomInt(upstreams.length) : this.#next++ % upstreams.length;
      upstreams.push(...upstreams.splice(0, first));
    }
    const nowMs = performance.now();
    const failed = (one: Upstream): number => (nowMs - (this.#failedMs.get(nameOf(one)) ?? -Infinity) < avoidedMs ? 1 : 0);
    return upstreams.sort((left, right) => failed(left) - failed(right));
  }

  async #fromFile(path: string): Promise<readonly Upstream[]> {
    const known = this.#files.get(path);
    const nowMs = performance.now();
    if (known && nowMs - known.checkedMs < fileCheckMs) return known.upstreams;
    try {
      const { mtimeMs } = await stat(path);
      if (known?.changedMs === mtimeMs) {
        known.checkedMs = nowMs;
        return known.upstreams;
      }
      const upstreams = nameServers(await readFile(path, 'utf8'));
      this.#files.set(path, { checkedMs: nowMs, changedMs: mtimeMs, upstreams });
      return upstreams;
    } catch (error) {
      this.#options.log('warn', 'the list of upstream servers cannot be read', { path, error: String(error) });
      return known?.upstreams ?? [];
    }
  }
}

/** `nameserver` lines of a resolv.conf. */
export function nameServers(text: string): Upstream[] {
  return text.split('\n').flatMap(line => {
    const [word, address] = line.trim().split(/\s+/);
    return word === 'nameserver' && address !== undefined && isIP(address.split('%')[0]!) !== 0
      ? [{ address, port: defaultPort }]
      : [];
  });
}

/** `address`, `address:port`, `[address]:port`, all also behind `dns://`. */
export function parseUpstream(text: string): Upstream | undefined {
  const plain = text.replace(/^dns:\/\//, '');
  if (isIP(plain)) return { address: plain, port: defaultPort };
  const match = /^(?:\[(.+)\]|([^:]+)):(\d{1,5})$/.exec(plain);
  const address = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  return address !== undefined && isIP(address) && port > 0 && port < 65_536 ? { address, port } : undefined;
}

function nameOf({ address, port }: Upstream): string {
  return `${address}#${port}`;
}

function askUdp(query: Query, { address, port }: Upstream, timeoutMs: number): Promise<ReturnType<typeof readResponse>> {
  return new Promise((resolve, reject) => {
    const id = randomInt(65_536);
    const socket = createSocket(isIP(address.split('%')[0]!) === 6 ? 'udp6' : 'udp4');
    const finish = (action: () => void): void => {
      clearTimeout(timer);
      socket.close();
      action();
    };
    const timer = setTimeout(() => finish(() => reject(new Error('no answer in time'))), timeoutMs);
    socket.on('error', error => finish(() => reject(error)));
    socket.on('message', message => {
      // What does not fit the question may be a forgery: the right one may still come.
      const answer = readResponse(message, query, id);
      if (answer) finish(() => resolve(answer));
    });
    // A connected socket hears this server only, and hears of it when it is not there.
    // Where there is no route to it, it is the callback that is told so.
    const connected = (error?: Error): void => {
      if (error) finish(() => reject(error));
      else socket.send(encodeQuery(query, id));
    };
    socket.connect(port, address, connected as () => void);
  });
}

function askTcp(query: Query, { address, port }: Upstream, timeoutMs: number): Promise<StoredResponse | undefined> {
  return new Promise((resolve, reject) => {
    const id = randomInt(65_536);
    const socket = connect({ host: address, port });
    let received = Buffer.alloc(0);
    const finish = (action: () => void): void => {
      clearTimeout(timer);
      socket.destroy();
      action();
    };
    const timer = setTimeout(() => finish(() => reject(new Error('no answer in time'))), timeoutMs);
    socket.on('error', error => finish(() => reject(error)));
    socket.on('end', () => finish(() => reject(new Error('the connection was closed'))));
    socket.on('connect', () => {
      const message = encodeQuery(query, id);
      const framed = Buffer.allocUnsafe(2 + message.length);
      framed.writeUInt16BE(message.length, 0);
      message.copy(framed, 2);
      socket.write(framed);
    });
    socket.on('data', chunk => {
      received = Buffer.concat([received, chunk]);
      if (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) return;
      const answer = readResponse(received.subarray(2, 2 + received.readUInt16BE(0)), query, id);
      finish(() => resolve(answer));
    });
  });
}
