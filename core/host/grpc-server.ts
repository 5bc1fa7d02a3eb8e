import type { Duplex } from 'node:stream';
import { Server, ServerCredentials, status } from '@grpc/grpc-js';
import type { ConnectionInjector, sendUnaryData, ServerUnaryCall, ServerWritableStream } from '@grpc/grpc-js';
import { errorText } from '../base/errors.js';
import type { GrpcCalls, GrpcCodec, GrpcMethod } from './grpc-channel.js';
import { listenAtSocket } from './unix-socket.js';
import type { UnixListener } from './unix-socket.js';

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

/** Answers gRPC calls on a unix socket. */
export class GrpcServer<Calls extends GrpcCalls<Calls>> {
  readonly #options: GrpcServerOptions<Calls>;
  readonly #server = new Server();
  #injector: ConnectionInjector | undefined;
  #listener: UnixListener | undefined;

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

  async listen(socketPath: string): Promise<void> {
    this.#listener = await listenAtSocket(socketPath, socket => this.accept(socket));
  }

  /** Answers on a connection that was made elsewhere. */
  accept(connection: Duplex): void {
    this.#injector ??= this.#server.createConnectionInjector(ServerCredentials.createInsecure());
    this.#injector.injectConnection(connection);
  }

  /** Cuts running calls off. */
  async close(): Promise<void> {
    this.#server.forceShutdown();
    await this.#listener?.close();
  }
}
