import { request as httpRequest } from 'node:http';
import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import type { Duplex } from 'node:stream';
import type { APIService } from '../../api/generated/types.js';
import type { Clock } from '../../base/clock.js';
import type { Disposable } from '../../base/disposable.js';
import { abortReason, errorCode } from '../../base/errors.js';
import type { ClusterDialer, DialTarget } from '../../contracts/cluster-dialer.js';
import { jsonEqual } from '../../machinery/object.js';
import type { CertificatePair } from '../../pki/cluster-certificates.js';
import type { UserInfo } from '../auth/user-info.js';
import type { TargetedOptions } from '../connect/tls-agent.js';
import { TlsAgent } from '../connect/tls-agent.js';
import { isAvailable } from '../resources/apiregistration/available-condition.js';
import { userHeaders } from './proxy-headers.js';

export interface ExtensionServerOptions {
  readonly dialer: ClusterDialer;
  readonly clock: Clock;
  /** An endpoint of a Service now. Throws when there is none. */
  readonly resolve: (namespace: string, name: string, port: number) => DialTarget;
  /** What this server shows of itself: the front proxy's certificate. */
  readonly client: () => CertificatePair;
}

export interface ExtensionRequest {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly user: UserInfo;
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: IncomingMessage | Buffer | undefined;
  readonly signal?: AbortSignal | undefined;
}

export type ExtensionService = Readonly<APIService> & {
  readonly spec: { readonly service: NonNullable<APIService['spec']['service']> };
};

const defaultPort = 443;

/** The server behind the Service that an APIService names: requests to it carry their user, and our proof that we may say who it is. */
export class ExtensionServer implements Disposable {
  readonly name: string;
  readonly group: string;
  readonly version: string;
  readonly service: { readonly namespace: string; readonly name: string; readonly port: number };
  isAvailable: boolean;
  readonly #options: ExtensionServerOptions;
  readonly #spec: ExtensionService['spec'];
  readonly #agent: TlsAgent;

  constructor(service: ExtensionService, options: ExtensionServerOptions) {
    const { spec, metadata } = service;
    this.#options = options;
    this.#spec = spec;
    this.name = metadata.name!;
    this.group = spec.group ?? '';
    this.version = spec.version ?? '';
    const { namespace = '', name = '', port = defaultPort } = spec.service;
    this.service = { namespace, name, port };
    this.isAvailable = isAvailable(service);
    const { dialer, clock } = options;
    this.#agent = new TlsAgent({
      dialer,
      clock,
      serverName: `${name}.${namespace}.svc`,
      caPem: spec.caBundle ? Buffer.from(spec.caBundle, 'base64').toString() : undefined,
      insecure: spec.insecureSkipTLSVerify,
      client: options.client(),
      locate: ({ target }) => target!,
    });
  }

  /** Whether an APIService that was changed still means this server, reached in the same way. */
  isStill({ spec }: ExtensionService): boolean {
    return (
      jsonEqual(spec.service, this.#spec.service) &&
      spec.caBundle === this.#spec.caBundle &&
      (spec.insecureSkipTLSVerify ?? false) === (this.#spec.insecureSkipTLSVerify ?? false)
    );
  }

  /** An endpoint. Throws StatusErrors and others when the Service has none. */
  locate(): DialTarget {
    const { namespace, name, port } = this.service;
    return this.#options.resolve(namespace, name, port);
  }

  /** Resolves with the head of the answer. Rejects with errors of the dialer, of TLS and of the connection. */
  async request(request: ExtensionRequest, target = this.locate()): Promise<IncomingMessage> {
    const { method, path, user, headers, body, signal } = request;
    const options: TargetedOptions = {
      agent: this.#agent,
      method,
      path,
      host: target.host,
      port: target.port,
      target,
      headers: {
        'user-agent': 'kube-aggregator',
        ...headers,
        host: authority(target),
        ...userHeaders(user),
        ...(Buffer.isBuffer(body) ? { 'content-length': body.length } : {}),
      },
      ...(signal ? { signal } : {}),
    };
    for (;;) {
      let reused = false;
      try {
        return await new Promise((resolve, reject) => {
          const call = httpRequest(options);
          // A request that still waits for its connection does not tell that it was given up.
          const giveUp = (): void => reject(abortReason(signal!));
          if (signal?.aborted) giveUp();
          signal?.addEventListener('abort', giveUp, { once: true });
          call.once('close', () => signal?.removeEventListener('abort', giveUp));
          call.once('response', resolve);
          call.on('error', error => {
            reused = call.reusedSocket;
            reject(error);
          });
          if (body && !Buffer.isBuffer(body)) body.pipe(call);
          else call.end(body);
        });
      } catch (error) {
        // The other side closed a connection that was kept, before it saw the request.
        const isReplayable = (method === 'GET' || method === 'HEAD') && (!body || Buffer.isBuffer(body));
        if (!reused || !isReplayable || errorCode(error) !== 'ECONNRESET' || signal?.aborted) throw error;
      }
    }
  }

  /** A connection of its own, for upgrades. */
  connect(target: DialTarget, signal?: AbortSignal): Promise<Duplex> {
    return this.#agent.connect({ target }, signal);
  }

  /** Nothing new goes there; what is under way ends by itself. */
  retire(): void {
    this.#agent.retire();
  }

  dispose(): void {
    this.#agent.destroy();
  }
}

export function authority({ host, port }: DialTarget): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
