import { createServer } from 'node:https';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { createAuthority } from '../../core/pki/certificate-authority.js';
import type { CertificateAuthority } from '../../core/pki/certificate-authority.js';
import { generatePrivateKeyPem } from '../../core/pki/private-key.js';

/** The request of an AdmissionReview, as loosely as a webhook's author has it. */
export interface ReviewedRequest {
  readonly uid: string;
  readonly kind: { readonly group: string; readonly version: string; readonly kind: string };
  readonly operation: string;
  readonly name?: string;
  readonly namespace?: string;
  readonly subResource?: string;
  readonly object: ReviewedObject | null;
  readonly oldObject: ReviewedObject | null;
  readonly options: Readonly<Record<string, unknown>> | null;
  readonly [field: string]: unknown;
}

export interface ReviewedObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name?: string; readonly [field: string]: unknown };
  readonly [field: string]: unknown;
}

export interface Verdict {
  readonly allowed?: boolean;
  readonly status?: object;
  readonly warnings?: readonly string[];
  readonly auditAnnotations?: Readonly<Record<string, string>>;
  /** A JSON patch as a value. */
  readonly patch?: unknown;
}

export type Judge = (request: ReviewedRequest) => Verdict | Promise<Verdict>;

/** A webhook on this machine, whose certificate is of an authority of its own. */
export class WebhookServer {
  readonly caBundle: string;
  readonly authority: CertificateAuthority;
  /** Requests by path, in the order of their arrival. */
  readonly requests: ReviewedRequest[] = [];
  connections = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #answers = new Map<
    string,
    (request: IncomingMessage, response: ServerResponse, body: string) => void | Promise<void>
  >();

  private constructor(server: Server, authority: CertificateAuthority) {
    this.#server = server;
    this.authority = authority;
    this.caBundle = Buffer.from(authority.certificatePem).toString('base64');
    server.on('secureConnection', (socket: Socket) => {
      this.connections++;
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    server.on('tlsClientError', () => undefined);
    server.on('request', (request: IncomingMessage, response: ServerResponse) => void this.#serve(request, response));
  }

  static async start(names: readonly string[] = ['127.0.0.1']): Promise<WebhookServer> {
    const authority = await createAuthority('webhook-authority');
    const key = generatePrivateKeyPem();
    const cert = await authority.issue(key, { commonName: 'webhook', subjectAltNames: names, usages: ['server'] });
    const server = createServer({ key, cert });
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
    return new WebhookServer(server as unknown as Server, authority);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  url(path: string): string {
    return `https://127.0.0.1:${this.port}${path}`;
  }

  /** A webhook that answers in order. */
  judge(path: string, judge: Judge): void {
    this.answer(path, async (_request, response, body) => {
      const { apiVersion, request } = JSON.parse(body) as { apiVersion: string; request: ReviewedRequest };
      this.requests.push(request);
      const { patch, allowed = true, ...rest } = await judge(request);
      const patched = patch === undefined ? {} : { patch: encode(patch), patchType: 'JSONPatch' };
      const answer = { uid: request.uid, allowed, ...rest, ...patched };
      response.setHeader('Content-Type', 'application/json');
      response.end(JSON.stringify({ kind: 'AdmissionReview', apiVersion, response: answer }));
    });
  }

  answer(path: string, answer: (request: IncomingMessage, response: ServerResponse, body: string) => void | Promise<void>): void {
    this.#answers.set(path, answer);
  }

  /** Breaks off whatever is open; the port stays. */
  breakConnections(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async stop(): Promise<void> {
    this.breakConnections();
    await new Promise(resolve => this.#server.close(resolve));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await text(request);
    const answer = this.#answers.get((request.url ?? '').split('?')[0]!);
    if (answer) await answer(request, response, body);
    else response.writeHead(404).end();
  }
}

const encode = (patch: unknown): string =>
  Buffer.from(typeof patch === 'string' ? patch : JSON.stringify(patch)).toString('base64');
