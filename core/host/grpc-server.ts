import { mkdir, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Server, ServerCredentials, status } from '@grpc/grpc-js';
import type { sendUnaryData, ServerUnaryCall, ServerWritableStream } from '@grpc/grpc-js';
import { CodedError, errorText } from '../base/errors.js';
import type { GrpcCalls, GrpcCodec, GrpcMethod } from './grpc-channel.js';

export interface GrpcServerOptions<Calls> {
  readonly methods: Readonly<Record<keyof Calls, GrpcMethod & { readonly stream?: boolean }>>;
  readonly codec: GrpcCodec;
}

/** A stream of answers: it ends when the caller goes or `end` is called. */
export interface AnswerStream<T> {
  send(message: T): void;
  end(): void;
  readonly gone: AbortSignal;
}

/** Linux takes no longer name of a socket. */
const longestPathBytes = 107;

/** Answers gRPC calls on a unix socket. */
export class GrpcServer<Calls extends GrpcCalls<Calls>> {
  readonly #options: GrpcServerOptions<Calls>;
  readonly #server = new Server();
  #socketPath: string | undefined;

  constructor(options: GrpcServerOptions<Calls>) {
    this.#options = options;
  }

  /**
   * What `answer` rejects with is told the caller as an unknown error, as servers written in Go do. `path`: where the same is asked for
   * under another name.
   */
  handle<M extends keyof Calls>(
    method: M,
    answer: (request: Calls[M]['request']) => Promise<Calls[M]['response']>,
    path?: string,
  ): this {
    const handler = async (call: ServerUnaryCall<object, object>, done: sendUnaryData<object>): Promise<void> => {
      let response: object;
      try {
        response = await answer(call.request);
      } catch (error) {
        done({ code: status.UNKNOWN, details: errorText(error) });
        return;
      }
      done(null, response);
    };
    return this.#add(method, false, handler, path);
  }

  handleStream<M extends keyof Calls>(
    method: M,
    answer: (request: Calls[M]['request'], stream: AnswerStream<Calls[M]['response']>) => void,
  ): this {
    const handler = (call: ServerWritableStream<object, object>): void => {
      const gone = new AbortController();
      call.on('cancelled', () => gone.abort());
      answer(call.request, { send: message => void call.write(message), end: () => call.end(), gone: gone.signal });
    };
    return this.#add(method, true, handler);
  }

  #add(method: keyof Calls, responseStream: boolean, handler: (...words: never[]) => unknown, otherPath?: string): this {
    const { codec, methods } = this.#options;
    const { path: ownPath, request, response } = methods[method];
    const path = otherPath ?? ownPath;
    const definition = {
      path,
      requestStream: false,
      responseStream,
      requestSerialize: (message: object) => codec.encode(request, message),
      requestDeserialize: (bytes: Buffer) => codec.decode(request, bytes),
      responseSerialize: (message: object) => codec.encode(response, message),
      responseDeserialize: (bytes: Buffer) => codec.decode(response, bytes),
    };
    this.#server.addService({ call: definition }, { call: handler as never });
    return this;
  }

  /** Makes the folder; what an earlier process left of the socket goes. Rejects `SOCKET_PATH` for a path that is too long. */
  async listen(socketPath: string): Promise<void> {
    if (Buffer.byteLength(socketPath) > longestPathBytes) {
      const mend = 'choose a shorter --data-dir';
      throw new CodedError('SOCKET_PATH', `${socketPath} is too long for a socket`, { mend });
    }
    await mkdir(dirname(socketPath), { recursive: true, mode: 0o750 });
    await rm(socketPath, { force: true });
    await new Promise<void>((resolve, reject) => {
      this.#server.bindAsync(`unix://${socketPath}`, ServerCredentials.createInsecure(), error =>
        error ? reject(error) : resolve(),
      );
    });
    this.#socketPath = socketPath;
  }

  /** Cuts running calls off. */
  async close(): Promise<void> {
    this.#server.forceShutdown();
    if (this.#socketPath) await rm(this.#socketPath, { force: true });
  }
}
