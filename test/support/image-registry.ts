import { createServer as createHttpServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { boxManifest, boxParts, digest, manifestType } from './box-image.js';

export interface RegistryOptions {
  /** Names with tags, like `team/box:1`; each is an image of its own. */
  readonly images: readonly string[];
  readonly tls?: { readonly key: string; readonly cert: string };
  readonly credentials?: { readonly username: string; readonly password: string };
}

/** A registry of images on loopback: enough of the distribution protocol to pull from. */
export class ImageRegistry {
  /** Method and path of every request, and whether it was let in. */
  readonly requests: string[] = [];
  readonly #options: RegistryOptions;
  readonly #content = new Map<string, { readonly type: string; readonly body: Buffer }>();
  #server: ReturnType<typeof createHttpServer> | undefined;

  constructor(options: RegistryOptions) {
    this.#options = options;
  }

  /** `127.0.0.1:PORT` */
  get host(): string {
    return `127.0.0.1:${(this.#server!.address() as AddressInfo).port}`;
  }

  async start(): Promise<this> {
    for (const image of this.#options.images) {
      const [name, tag] = image.split(':') as [string, string];
      const parts = await boxParts({ salt: image });
      const manifest = boxManifest(parts);
      for (const reference of [tag, digest(manifest)]) {
        this.#content.set(`/v2/${name}/manifests/${reference}`, { type: manifestType, body: manifest });
      }
      for (const body of [parts.layer, parts.config]) {
        this.#content.set(`/v2/${name}/blobs/${digest(body)}`, { type: 'application/octet-stream', body });
      }
    }
    const { tls } = this.#options;
    const answer = (request: IncomingMessage, response: ServerResponse): void => this.#answer(request, response);
    const server = tls ? createHttpsServer(tls, answer) : createHttpServer(answer);
    this.#server = server;
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
    return this;
  }

  async stop(): Promise<void> {
    const server = this.#server;
    if (!server) return;
    server.closeAllConnections();
    await new Promise(resolve => server.close(resolve));
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const path = new URL(request.url ?? '/', 'http://registry').pathname;
    const { credentials } = this.#options;
    const expected = credentials && `Basic ${Buffer.from(`${credentials.username}:${credentials.password}`).toString('base64')}`;
    const allowed = expected === undefined || request.headers.authorization === expected;
    this.requests.push(`${request.method} ${path} ${allowed ? 'allowed' : 'refused'}`);
    if (!allowed) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="registry"' }).end();
      return;
    }
    const found = this.#content.get(path);
    if (path === '/v2/') response.writeHead(200).end('{}');
    else if (!found) response.writeHead(404).end('{"errors":[{"code":"MANIFEST_UNKNOWN"}]}');
    else {
      response.writeHead(200, {
        'content-type': found.type,
        'content-length': found.body.length,
        'docker-content-digest': digest(found.body),
      });
      response.end(request.method === 'HEAD' ? undefined : found.body);
    }
  }
}
