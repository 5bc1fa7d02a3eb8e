import type { AgentOptions, RequestOptions } from 'node:http';
import { Agent } from 'node:http';
import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import { checkServerIdentity, connect as connectTls } from 'node:tls';
import { callbackify } from 'node:util';
import type { Clock } from '../../base/clock.js';
import { CodedError } from '../../base/errors.js';
import type { ClusterDialer, DialTarget } from '../../contracts/cluster-dialer.js';

export interface TlsAgentOptions {
  readonly dialer: ClusterDialer;
  readonly clock: Clock;
  /** What the certificate has to be for. */
  readonly serverName: string;
  /** Absent: the authorities that the system trusts. */
  readonly caPem?: string | undefined;
  /** Whoever answers is believed. */
  readonly insecure?: boolean | undefined;
  readonly client?: { readonly certPem: string; readonly keyPem: string } | undefined;
  /** Where a new connection leads, by the options of its request. Throws when nowhere. */
  readonly locate: (options: TargetedOptions) => DialTarget;
}

/** Options of a request whose sender knows where it shall go. */
export type TargetedOptions = RequestOptions & { readonly target?: DialTarget };

const maximumIdleConnections = 25;
const idleMs = 90_000;
const handshakeMs = 10_000;

/** Connections to one TLS server, through the dialer; idle ones are kept for a while. */
export class TlsAgent extends Agent {
  readonly #options: TlsAgentOptions;
  readonly #connect: (options: TargetedOptions, done: (error: Error | null, socket: Duplex) => void) => void;

  constructor(options: TlsAgentOptions) {
    super({ keepAlive: true, maxFreeSockets: maximumIdleConnections, timeout: idleMs } satisfies AgentOptions);
    this.#options = options;
    this.#connect = callbackify((target: TargetedOptions) => this.connect(target));
  }

  override createConnection(options: RequestOptions, done?: (error: Error | null, socket: Duplex) => void): undefined {
    this.#connect(options, (error, socket) => done?.(error, socket));
  }

  /** A connection outside of the pool. Rejects with errors of the dialer and of TLS. */
  async connect(options: TargetedOptions, signal?: AbortSignal): Promise<Duplex> {
    const { dialer, clock, serverName, caPem, insecure, client, locate } = this.#options;
    const plain = await dialer.dial(locate(options), signal);
    return new Promise((done, fail) => {
      const socket = connectTls({
        socket: plain,
        host: serverName,
        ...(isIP(serverName) ? {} : { servername: serverName }),
        ...(caPem === undefined ? {} : { ca: caPem }),
        ...(insecure ? { rejectUnauthorized: false } : {}),
        ...(client ? { cert: client.certPem, key: client.keyPem } : {}),
        ALPNProtocols: ['http/1.1'],
        checkServerIdentity: (host, certificate) => {
          const fault = checkServerIdentity(host, certificate);
          if (fault || certificate.subjectaltname) return fault;
          // Names are no longer looked for in the subject.
          return Object.assign(new Error('no alternative names'), {
            code: 'ERR_TLS_CERT_ALTNAME_INVALID',
            host,
            cert: certificate,
          });
        },
      });
      const timer = clock.setTimer(handshakeMs, () => {
        socket.destroy(new CodedError('TLS_HANDSHAKE', 'net/http: TLS handshake timeout'));
      });
      const failed = (error: Error): void => {
        void timer.dispose();
        plain.destroy();
        fail(error);
      };
      socket.once('error', failed);
      socket.once('secureConnect', () => {
        void timer.dispose();
        socket.off('error', failed);
        done(socket);
      });
    });
  }

  /** Requests under way go on, each on a connection that is not kept. */
  retire(): void {
    Object.assign(this, { keepAlive: false });
    for (const sockets of Object.values(this.freeSockets)) for (const socket of sockets ?? []) socket.destroy();
  }
}
