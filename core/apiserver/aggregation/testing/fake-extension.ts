import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import type { ExtensionRequest, ExtensionServer } from '../extension-server.js';

export interface FakeAnswer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

/** An extension server for tests: it answers as it is told, and remembers what it was asked. */
export class FakeExtension {
  isAvailable = true;
  readonly name: string;
  readonly group = 'fish.example.com';
  readonly version: string;
  readonly asked: ExtensionRequest[] = [];
  answer: (request: ExtensionRequest) => FakeAnswer | Promise<FakeAnswer>;

  constructor(answer: FakeExtension['answer'], version = 'v1') {
    this.answer = answer;
    this.version = version;
    this.name = `${version}.${this.group}`;
  }

  get server(): ExtensionServer {
    return this as unknown as ExtensionServer;
  }

  get paths(): string[] {
    return this.asked.map(({ path }) => path);
  }

  locate(): object {
    return { type: 'service', host: '192.0.2.9', port: 8443 };
  }

  async request(request: ExtensionRequest): Promise<IncomingMessage> {
    this.asked.push(request);
    const given = new Promise<FakeAnswer>((resolve, reject) => {
      request.signal?.addEventListener('abort', () => reject(request.signal!.reason as Error));
      void Promise.resolve(this.answer(request)).then(resolve, reject);
    });
    const { status = 200, headers = {}, body } = await given;
    const bytes = Buffer.from(typeof body === 'string' ? body : JSON.stringify(body ?? {}));
    return Object.assign(Readable.from([bytes]), { statusCode: status, headers }) as unknown as IncomingMessage;
  }
}
