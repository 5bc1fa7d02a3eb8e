import { request as httpRequest } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { CodedError, errorCode } from '../base/errors.js';
import type { HttpCredentials } from './http-transport.js';
import { agentFor, authorization, staleConnectionCodes } from './http-transport.js';

export interface JsonPosterOptions {
  readonly credentials: HttpCredentials;
  readonly userAgent: string;
  /** Silence after which a call fails. */
  readonly timeoutMs: number;
}

const saidCharacters = 1024;

/** Posts JSON to one URL, the server of a kubeconfig, over kept connections. */
export class JsonPoster {
  readonly #options: JsonPosterOptions;
  readonly #url: URL;
  readonly #agent: ReturnType<typeof agentFor>;

  constructor(options: JsonPosterOptions) {
    this.#options = options;
    this.#url = new URL(options.credentials.server);
    this.#agent = agentFor(this.#url, options.credentials);
  }

  /** Resolves for an answer of 2xx. Rejects with POST_REFUSED for others, with what Node says where there is none. */
  async post(body: string): Promise<void> {
    const answer = await this.#send(Buffer.from(body));
    const chunks: Buffer[] = [];
    for await (const chunk of answer) chunks.push(chunk as Buffer);
    const { statusCode = 500 } = answer;
    if (statusCode >= 200 && statusCode < 300) return;
    const said = Buffer.concat(chunks).toString().trim().slice(0, saidCharacters);
    throw new CodedError('POST_REFUSED', `${this.#url.href} answered ${statusCode}${said ? `: ${said}` : ''}`);
  }

  close(): void {
    this.#agent.destroy();
  }

  #send(body: Buffer): Promise<IncomingMessage> {
    const { credentials, userAgent, timeoutMs } = this.#options;
    const send = this.#url.protocol === 'http:' ? httpRequest : httpsRequest;
    return new Promise((resolve, reject) => {
      const outgoing = send(
        this.#url,
        {
          agent: this.#agent,
          method: 'POST',
          headers: {
            accept: 'application/json, */*',
            'content-type': 'application/json',
            'content-length': body.length,
            'user-agent': userAgent,
            ...authorization(credentials),
          },
        },
        resolve,
      );
      outgoing.on('error', error => {
        // Closed by the other side before it saw the request.
        if (outgoing.reusedSocket && staleConnectionCodes.has(errorCode(error) ?? '')) this.#send(body).then(resolve, reject);
        else reject(error);
      });
      outgoing.setTimeout(timeoutMs, () => outgoing.destroy(new Error('no answer in time')));
      outgoing.end(body);
    });
  }
}
