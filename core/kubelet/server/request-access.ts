import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import type { Clock } from '../../base/clock.js';
import { SubjectAccessReviews, TokenReviews } from '../../api/generated/resources.js';
import type { SubjectAccessReview, TokenReview } from '../../api/generated/types.js';
import type { Client } from '../../client/client.js';
import { HttpProblem } from './http-problem.js';

interface Caller {
  readonly name: string;
  readonly uid?: string;
  readonly groups: readonly string[];
  readonly extra?: Readonly<Record<string, readonly string[]>>;
}

export interface RequestAccessOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly nodeName: string;
}

interface Remembered<T> {
  readonly untilMs: number;
  readonly value: Promise<T>;
}

const rememberMs = 10_000;
const rememberedLimit = 1000;
const verbs: Readonly<Record<string, string>> = { POST: 'create', GET: 'get', PUT: 'update', PATCH: 'patch', DELETE: 'delete' };

/**
 * Who calls the kubelet, and whether they may: client certificates and tokens, and the API server's word on `nodes/...`.
 * Source: pkg/kubelet/server/auth.go, KEP-2862 (finer subresources).
 */
export class RequestAccess {
  readonly #options: RequestAccessOptions;
  readonly #callers = new Map<string, Remembered<Caller | undefined>>();
  readonly #verdicts = new Map<string, Remembered<boolean>>();

  constructor(options: RequestAccessOptions) {
    this.#options = options;
  }

  /** Throws HttpProblem 401 or 403. */
  async check(request: IncomingMessage, path: string): Promise<void> {
    const caller = certificateCaller(request.socket as TLSSocket) ?? (await this.#tokenCaller(request.headers.authorization));
    if (!caller) throw new HttpProblem(401, 'Unauthorized');
    const verb = verbs[request.method ?? ''] ?? '';
    const subresources = nodeSubresources(path);
    for (const subresource of subresources) if (await this.#mayCall(caller, verb, subresource)) return;
    const asked = `resource=nodes, subresource(s)=[${subresources.join(' ')}]`;
    throw new HttpProblem(403, `Forbidden (user=${caller.name}, verb=${verb}, ${asked})`);
  }

  async #tokenCaller(authorization: string | undefined): Promise<Caller | undefined> {
    const token = /^bearer +(\S+)$/i.exec(authorization ?? '')?.[1];
    if (token === undefined) return undefined;
    const key = createHash('sha256').update(token).digest('base64');
    return this.#remember(this.#callers, key, async () => {
      const review: TokenReview = {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenReview',
        metadata: {},
        spec: { token },
        status: { user: {} },
      };
      const { status } = await this.#options.client.resource(TokenReviews).create(review);
      if (!status?.authenticated || !status.user) return undefined;
      const { username = '', uid, groups = [], extra } = status.user;
      return { name: username, groups, ...(uid ? { uid } : {}), ...(extra ? { extra } : {}) };
    });
  }

  #mayCall(caller: Caller, verb: string, subresource: string): Promise<boolean> {
    const key = JSON.stringify([caller, verb, subresource]);
    return this.#remember(this.#verdicts, key, async () => {
      const { name, uid, groups, extra } = caller;
      const review: SubjectAccessReview = {
        apiVersion: 'authorization.k8s.io/v1',
        kind: 'SubjectAccessReview',
        metadata: {},
        spec: {
          user: name,
          groups: [...groups],
          ...(uid ? { uid } : {}),
          ...(extra ? { extra: Object.fromEntries(Object.entries(extra).map(([at, values]) => [at, [...values]])) } : {}),
          resourceAttributes: { verb, version: 'v1', resource: 'nodes', subresource, name: this.#options.nodeName },
        },
        status: { allowed: false },
      };
      const { status } = await this.#options.client.resource(SubjectAccessReviews).create(review);
      return status?.allowed ?? false;
    });
  }

  #remember<T>(table: Map<string, Remembered<T>>, key: string, ask: () => Promise<T>): Promise<T> {
    const nowMs = this.#options.clock.monotonicMs();
    const known = table.get(key);
    if (known && known.untilMs > nowMs) return known.value;
    if (table.size >= rememberedLimit) table.clear();
    const value = ask();
    const entry = { untilMs: nowMs + rememberMs, value };
    table.set(key, entry);
    // A question that failed is asked again.
    value.catch(() => {
      if (table.get(key) === entry) table.delete(key);
    });
    return value;
  }
}

function certificateCaller(socket: TLSSocket): Caller | undefined {
  if (!socket.authorized) return undefined;
  const { subject } = socket.getPeerCertificate() as { subject?: { CN?: string | string[]; O?: string | string[] } };
  const [name] = listOf(subject?.CN);
  if (!name) return undefined;
  return { name, groups: [...listOf(subject?.O), 'system:authenticated'] };
}

function listOf(value: string | string[] | undefined): string[] {
  if (value === undefined) return [];
  return Array.isArray(value) ? value : [value];
}

const isBelow = (path: string, root: string): boolean => path === root || path.startsWith(`${root}/`);

/** One of these must be allowed. */
export function nodeSubresources(path: string): string[] {
  if (isBelow(path, '/stats')) return ['stats'];
  if (isBelow(path, '/metrics')) return ['metrics'];
  if (isBelow(path, '/logs')) return ['log'];
  if (isBelow(path, '/checkpoint')) return ['checkpoint'];
  if (isBelow(path, '/pods') || isBelow(path, '/runningpods')) return ['pods', 'proxy'];
  if (isBelow(path, '/healthz')) return ['healthz', 'proxy'];
  if (isBelow(path, '/configz')) return ['configz', 'proxy'];
  return ['proxy'];
}
