import { Agent as HttpAgent } from 'node:http';
import { connect } from 'node:http2';
import type { ClientHttp2Session } from 'node:http2';
import { Agent as HttpsAgent } from 'node:https';
import type { Scheme } from './state.js';

export const connectTimeoutMs = 5000;
const idleMs = 90_000;
const maximumIdlePerEndpoint = 200;
const agentOptions = { keepAlive: true, maxFreeSockets: maximumIdlePerEndpoint, timeout: idleMs, scheduling: 'lifo' } as const;

/** Kept connections to endpoints: HTTP/1.1 by Node's agents, HTTP/2 as one session each. */
export class Pools {
  readonly http = new HttpAgent(agentOptions);
  https = new HttpsAgent(agentOptions);
  #takesAnyCertificate = false;
  readonly #sessions = new Map<string, ClientHttp2Session>();
  readonly #connectTimeoutMs: number;

  constructor(limitMs = connectTimeoutMs) {
    this.#connectTimeoutMs = limitMs;
  }

  /** Whether certificates of endpoints are looked at. Kept connections made under the other rule are closed once idle. */
  setVerification(insecureSkipVerify: boolean): void {
    if (insecureSkipVerify === this.#takesAnyCertificate) return;
    this.#takesAnyCertificate = insecureSkipVerify;
    this.https.destroy();
    this.https = new HttpsAgent({ ...agentOptions, rejectUnauthorized: !insecureSkipVerify });
    for (const [key, session] of this.#sessions) {
      if (!key.startsWith('https:')) continue;
      this.#sessions.delete(key);
      session.close();
    }
  }

  /** What a connection outside the pool needs to follow the same rule. */
  get tlsOptions(): { readonly rejectUnauthorized: boolean } {
    return { rejectUnauthorized: !this.#takesAnyCertificate };
  }

  /** A session that takes new streams. It may not be connected yet; a failure shows at its streams. */
  session(scheme: Scheme, address: string, port: number): ClientHttp2Session {
    const host = address.includes(':') ? `[${address}]` : address;
    const key = `${scheme === 'h2c' ? 'http' : 'https'}://${host}:${port}`;
    const known = this.#sessions.get(key);
    if (known && !known.closed && !known.destroyed) return known;
    // By ALPN, where there is TLS: an endpoint that only speaks HTTP/1.1 is refused there.
    const session = connect(key, scheme === 'h2c' ? {} : this.tlsOptions);
    const forget = (): void => {
      if (this.#sessions.get(key) === session) this.#sessions.delete(key);
    };
    const limitMs = this.#connectTimeoutMs;
    const timer = setTimeout(() => {
      session.destroy(Object.assign(new Error(`no connection in ${limitMs} ms`), { code: 'CONNECT_TIMEOUT' }));
    }, limitMs);
    session.once('connect', () => clearTimeout(timer));
    session.once('close', () => clearTimeout(timer));
    session.setTimeout(idleMs, () => session.close());
    session.on('error', forget);
    session.on('goaway', forget);
    session.on('close', forget);
    this.#sessions.set(key, session);
    return session;
  }

  /** Closes idle connections to endpoints that are gone; ones at work end by themselves. */
  prune(isWanted: (address: string, port: number) => boolean): void {
    for (const agent of [this.http, this.https]) {
      for (const sockets of Object.values(agent.freeSockets)) {
        for (const socket of sockets ?? []) {
          const { remoteAddress, remotePort } = socket;
          if (remoteAddress !== undefined && remotePort !== undefined && !isWanted(remoteAddress, remotePort)) socket.destroy();
        }
      }
    }
    for (const session of this.#sessions.values()) {
      const { remoteAddress, remotePort } = session.destroyed ? {} : session.socket;
      if (remoteAddress !== undefined && remotePort !== undefined && !isWanted(remoteAddress, remotePort)) session.close();
    }
  }

  destroy(): void {
    this.http.destroy();
    this.https.destroy();
    for (const session of this.#sessions.values()) session.destroy();
  }
}
