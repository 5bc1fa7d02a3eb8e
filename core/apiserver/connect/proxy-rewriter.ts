import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';

const proxyPath = /^(\/api\/v1\/(?:namespaces\/[^/]+\/)?[^/]+\/[^/]+\/proxy)(\/.*)?$/;
/** Attributes that hold addresses. */
const linkAttributes =
  /(\s(?:href|src|action|cite|background|longdesc|usemap|formaction|icon|manifest|poster|data|codebase|profile)\s*=\s*)("[^"]*"|'[^']*')/gi;
const rewriteLimitBytes = 8 * 1024 * 1024;

/** Keeps clients of a proxied page on the proxy's path: redirects and links. Source: apimachinery pkg/util/proxy/transport.go. */
export class ProxyRewriter {
  readonly #request: IncomingMessage;
  readonly #authority: string;
  readonly #base: string;
  readonly #rest: string | undefined;
  readonly #search: string;

  constructor(request: IncomingMessage, authority: string) {
    this.#request = request;
    this.#authority = authority;
    const url = request.url ?? '/';
    const mark = url.indexOf('?');
    this.#search = mark < 0 ? '' : url.slice(mark);
    const match = proxyPath.exec(mark < 0 ? url : url.slice(0, mark));
    this.#base = match?.[1] ?? '';
    this.#rest = match ? (match[2] ?? '') : undefined;
  }

  /** Path and query for the backend, escaped as the client did. Undefined: the client is first sent to the path with a slash. */
  backendPath(given: string): string | undefined {
    if (this.#rest === '' && (this.#request.method === 'GET' || this.#request.method === 'HEAD')) return undefined;
    return `${this.#rest === undefined ? given : this.#rest || '/'}${this.#search}`;
  }

  withSlash(): string {
    return `${this.#base}/${this.#search}`;
  }

  forwardedHeaders(): OutgoingHttpHeaders {
    const { headers, socket } = this.#request;
    const before = headers['x-forwarded-for'];
    const client = socket.remoteAddress ?? '';
    return {
      'x-forwarded-for': before === undefined ? client : `${String(before)}, ${client}`,
      'x-forwarded-host': this.#host(),
      'x-forwarded-proto': 'https',
      'x-forwarded-uri': this.#base + (this.#rest ?? ''),
    };
  }

  rewriteLocation(headers: OutgoingHttpHeaders): void {
    const { location } = headers;
    if (typeof location === 'string') headers['location'] = this.#rewrite(location);
  }

  wantsBody(headers: OutgoingHttpHeaders): boolean {
    const encoding = headers['content-encoding'];
    const length = Number(headers['content-length'] ?? 0);
    return (
      String(headers['content-type'] ?? '').startsWith('text/html') &&
      (encoding === undefined || encoding === 'gzip') &&
      length <= rewriteLimitBytes
    );
  }

  /** The page with its links rewritten; `headers` learn its length. */
  async rewriteBody(answer: IncomingMessage, headers: OutgoingHttpHeaders): Promise<Buffer> {
    const isZipped = headers['content-encoding'] === 'gzip';
    const raw = await buffer(answer);
    if (raw.length === 0) return raw;
    const page = (isZipped ? await promisify(gunzip)(raw) : raw).toString('latin1');
    const rewritten = page.replace(linkAttributes, (_all, before: string, quoted: string) => {
      const quote = quoted[0]!;
      return `${before}${quote}${this.#rewrite(quoted.slice(1, -1))}${quote}`;
    });
    const plain = Buffer.from(rewritten, 'latin1');
    const body = isZipped ? await promisify(gzip)(plain) : plain;
    headers['content-length'] = body.length;
    return body;
  }

  #host(): string {
    const { headers } = this.#request;
    return String(headers.host ?? headers[':authority'] ?? '');
  }

  /** Addresses of the backend itself come below the proxy's path; others stay. */
  #rewrite(link: string): string {
    const match = /^(?:(https?:)?\/\/([^/?#]*))?([^?#]*)(.*)$/i.exec(link);
    if (!match || !this.#base) return link;
    const [, , host, path = '', rest = ''] = match;
    if (host !== undefined && host !== '' && host !== this.#authority) return link;
    if (path.startsWith(this.#base)) return link;
    if (host === undefined && !path.startsWith('/')) return link;
    const prefix = host === undefined ? '' : `https://${this.#host()}`;
    return `${prefix}${this.#base}${path.startsWith('/') ? path : `/${path}`}${rest}`;
  }
}
