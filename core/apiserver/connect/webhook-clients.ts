import type { Agent, IncomingMessage } from 'node:http';
import { request as httpRequest } from 'node:http';
import type { WebhookClientConfig } from '../../api/generated/types.js';
import type { Clock } from '../../base/clock.js';
import type { Disposable } from '../../base/disposable.js';
import { abortReason, CodedError, errorCode } from '../../base/errors.js';
import type { ClusterDialer, DialTarget } from '../../contracts/cluster-dialer.js';
import { quote } from '../../machinery/field-errors.js';
import { goTransportError } from './go-transport-errors.js';
import { TlsAgent } from './tls-agent.js';

export interface WebhookClientsOptions {
  readonly dialer: ClusterDialer;
  readonly clock: Clock;
  /** An endpoint of a Service now. Throws when there is none. */
  readonly resolve: (namespace: string, name: string, port: number) => DialTarget;
  readonly userAgent: string;
}

/** As many as upstream keeps. */
const maximumClients = 200;
/** No answer that is of use is larger: the datastore takes objects of a tenth of it. */
const answerLimitBytes = 16 * 1024 * 1024;
const errorTextBytes = 2048;
const httpsPort = 443;
/** Not of the transport. */
const ownCodes: ReadonlySet<string> = new Set(['WEBHOOK_STATUS', 'WEBHOOK_UNREADABLE']);

/**
 * Calls webhooks: JSON in, JSON out, over connections that are kept and verified by the configuration's own authorities.
 * Redirects are not followed: what answers is what was configured. Source: apiserver pkg/util/webhook/client.go.
 */
export class WebhookClients implements Disposable {
  readonly #options: WebhookClientsOptions;
  /** In the order of their last use. */
  readonly #agents = new Map<string, TlsAgent>();

  constructor(options: WebhookClientsOptions) {
    this.#options = options;
  }

  /**
   * The answer's text. Rejects with an error whose message is Go's: `Post "https://...": context deadline exceeded`, or for another
   * status than 2xx what client-go makes of it; `httpStatus` of the error is the status that came, if one did.
   */
  async post(config: WebhookClientConfig, body: string, timeoutSeconds: number): Promise<string> {
    const target = targetOf(config);
    const url = `https://${target.authority}${target.path}?timeout=${timeoutSeconds}s`;
    const stop = new AbortController();
    const timer = this.#options.clock.setTimer(timeoutSeconds * 1000, () => stop.abort());
    try {
      const answer = await this.#send(target, `${target.path}?timeout=${timeoutSeconds}s`, body, stop.signal);
      return await read(answer).catch((error: unknown) => {
        if (ownCodes.has(errorCode(error) ?? '')) throw error;
        const text = `unexpected error when reading response body. Please retry. Original error: ${fault(error, stop.signal)}`;
        throw new CodedError('WEBHOOK_UNREADABLE', text, { cause: error });
      });
    } catch (error) {
      if (ownCodes.has(errorCode(error) ?? '')) throw error;
      throw new CodedError('WEBHOOK_UNREACHABLE', `Post ${quote(url)}: ${fault(error, stop.signal)}`, { cause: error });
    } finally {
      await timer.dispose();
    }
  }

  dispose(): void {
    for (const agent of this.#agents.values()) agent.destroy();
    this.#agents.clear();
  }

  #agent(target: Target): TlsAgent {
    const { key } = target;
    let agent = this.#agents.get(key);
    this.#agents.delete(key);
    agent ??= this.#open(target);
    this.#agents.set(key, agent);
    for (const [oldest, other] of this.#agents) {
      if (this.#agents.size <= maximumClients) break;
      other.destroy();
      this.#agents.delete(oldest);
    }
    return agent;
  }

  #open({ serverName, port, service, caPem }: Target): TlsAgent {
    const { resolve, dialer, clock } = this.#options;
    const locate = (): DialTarget =>
      service ? resolve(service.namespace, service.name, port) : { type: 'url', host: serverName, port };
    return new TlsAgent({ dialer, clock, serverName, caPem, locate });
  }

  async #send(target: Target, path: string, body: string, signal: AbortSignal): Promise<IncomingMessage> {
    const agent = this.#agent(target);
    for (;;) {
      const sent = new Sent();
      try {
        return await sent.run(agent, { authority: target.authority, path, body, signal, userAgent: this.#options.userAgent });
      } catch (error) {
        // The other side closed a connection that was kept, before it saw the request.
        if (!sent.reused || errorCode(error) !== 'ECONNRESET' || signal.aborted) throw error;
      }
    }
  }
}

function fault(error: unknown, signal: AbortSignal): string {
  return signal.aborted ? 'context deadline exceeded' : goTransportError(error);
}

interface Target {
  readonly key: string;
  readonly authority: string;
  readonly path: string;
  readonly serverName: string;
  readonly port: number;
  readonly service: { readonly namespace: string; readonly name: string } | undefined;
  /** Undefined: the authorities that the system trusts. */
  readonly caPem: string | undefined;
}

function targetOf({ url, service, caBundle }: WebhookClientConfig): Target {
  const caPem = caBundle ? Buffer.from(caBundle, 'base64').toString() : undefined;
  if (service) {
    const { namespace, name, path = '', port = httpsPort } = service;
    const serverName = `${name}.${namespace}.svc`;
    const authority = `${serverName}:${port}`;
    const key = `${authority} ${caBundle ?? ''}`;
    return { key, authority, path: cleanPath(path), serverName, port, service: { namespace, name }, caPem };
  }
  if (!url) throw new CodedError('WEBHOOK_CONFIGURATION', 'webhook configuration must have either service or URL');
  const parsed = new URL(url);
  const serverName = parsed.hostname.replace(/^\[(.*)\]$/, '$1');
  const port = parsed.port ? Number(parsed.port) : httpsPort;
  // As the user wrote it, whose port is not left out where it is the usual one.
  const authority = /^[a-z]+:\/\/([^/]*)/i.exec(url)?.[1] ?? parsed.host;
  const key = `url ${authority} ${caBundle ?? ''}`;
  return { key, authority, path: cleanPath(parsed.pathname), serverName, port, service: undefined, caPem };
}

/** Source: Go's path.Join, which client-go sends paths through. */
function cleanPath(path: string): string {
  const kept: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..') kept.pop();
    else if (part !== '' && part !== '.') kept.push(part);
  }
  return `/${kept.join('/')}`;
}

class Sent {
  reused = false;

  run(
    agent: Agent,
    {
      authority,
      path,
      body,
      signal,
      userAgent,
    }: {
      readonly authority: string;
      readonly path: string;
      readonly body: string;
      readonly signal: AbortSignal;
      readonly userAgent: string;
    },
  ): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const call = httpRequest({
        agent,
        method: 'POST',
        path,
        signal,
        headers: {
          host: authority,
          'user-agent': userAgent,
          accept: 'application/json, */*',
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(body),
        },
      });
      // A request that still waits for its connection does not tell that it was given up.
      const giveUp = (): void => reject(abortReason(signal));
      signal.addEventListener('abort', giveUp, { once: true });
      call.once('close', () => signal.removeEventListener('abort', giveUp));
      call.once('response', resolve);
      call.on('error', (error: Error) => {
        this.reused = call.reusedSocket;
        reject(error);
      });
      call.end(body);
    });
  }
}

async function read(answer: IncomingMessage): Promise<string> {
  const { statusCode = 0, headers } = answer;
  const isGood = statusCode >= 200 && statusCode <= 206;
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > answerLimitBytes) {
      answer.destroy();
      throw new CodedError('WEBHOOK_UNREADABLE', `the answer is larger than ${answerLimitBytes} bytes`);
    }
    chunks.push(chunk);
  }
  const bytes = Buffer.concat(chunks);
  if (!isGood) throw statusError(statusCode, bytes, headers['content-type']);
  if (length === 0) {
    const type = headers['content-type'] ?? 'application/json';
    const text = `0-length response with status code: ${statusCode} and content type: ${type}`;
    throw new CodedError('WEBHOOK_UNREADABLE', text);
  }
  return bytes.toString();
}

/** Why a webhook's answer has no review: the status that it had. */
export class WebhookStatusError extends CodedError {
  readonly httpStatus: number;

  constructor(httpStatus: number, message: string) {
    super('WEBHOOK_STATUS', message);
    this.httpStatus = httpStatus;
  }
}

/** Source: apimachinery NewGenericServerResponse. */
function statusError(status: number, body: Buffer, contentType: string | undefined): WebhookStatusError {
  const own = statusMessage(body);
  if (own !== undefined) return new WebhookStatusError(status, own);
  const isText = contentType === undefined || contentType.startsWith('text/');
  const said = isText ? body.subarray(0, errorTextBytes).toString().trim() : 'unknown';
  const words: Readonly<Record<number, string>> = {
    400: 'the server rejected our request for an unknown reason',
    401: 'the server has asked for the client to provide credentials',
    403: said,
    404: 'the server could not find the requested resource',
    405: 'the server does not allow this method on the requested resource',
    406: said && said !== 'unknown' ? said : 'the server was unable to respond with a content type that the client supports',
    409: 'the server reported a conflict',
    415: said,
    422: 'the server rejected our request due to an error in our request',
    429: 'the server has received too many requests and has asked us to try again later',
    503: 'the server is currently unable to handle the request',
    504: 'the server was unable to return a response in the time allotted, but may still be processing the request',
  };
  const other =
    status >= 500
      ? `an error on the server (${quote(said)}) has prevented the request from succeeding`
      : `the server responded with the status code ${status} but did not return more information`;
  return new WebhookStatusError(status, words[status] ?? other);
}

/** What a Status in place of an answer says. */
function statusMessage(body: Buffer): string | undefined {
  if (body[0] !== 0x7b) return undefined;
  try {
    const { kind, message, status } = JSON.parse(body.toString()) as Record<string, unknown>;
    return kind === 'Status' && status === 'Failure' && typeof message === 'string' ? message : undefined;
  } catch (error) {
    // Whatever else it is, the status code says enough.
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
