import { Client, connectivityState, credentials, Metadata, status } from '@grpc/grpc-js';
import type { ServiceError } from '@grpc/grpc-js';
import { abortReason, CodedError } from '../base/errors.js';

export interface GrpcMethod {
  readonly path: string;
  /** Names of messages that the codec knows. */
  readonly request: string;
  readonly response: string;
}

export interface GrpcCodec {
  encode(typeName: string, message: object): Buffer;
  decode(typeName: string, bytes: Uint8Array): Record<string, unknown>;
}

export interface CallOptions {
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export interface StreamListener<T> {
  message(message: T): void;
  /** Called once; undefined when the other side ended it in order. */
  end(error: Error | undefined): void;
}

/** Request and answer of every method. */
export type GrpcCalls<Calls> = { readonly [M in keyof Calls]: { request: object; response: object } };

export interface GrpcChannelOptions<Calls> {
  readonly socketPath: string;
  readonly methods: Readonly<Record<keyof Calls, GrpcMethod>>;
  readonly codec: GrpcCodec;
  /** Sent with every call. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** A failed call as gRPC tells it. */
export class GrpcFailure extends CodedError {
  readonly status: keyof typeof status;
  readonly method: string;

  constructor(method: string, error: Pick<ServiceError, 'code' | 'details' | 'message'>) {
    const name = status[error.code] as keyof typeof status;
    super(`GRPC_${name}`, error.details || error.message, { cause: error });
    this.status = name;
    this.method = method;
  }
}

const defaultTimeoutMs = 2 * 60_000;
const maximumMessageBytes = 16 * 1024 * 1024;

/** Calls to a service on a unix socket. */
export class GrpcChannel<Calls extends GrpcCalls<Calls>> {
  readonly #options: GrpcChannelOptions<Calls>;
  readonly #metadata = new Metadata();
  readonly #running = new Set<{ cancel(): void }>();
  #open: Client | undefined;

  constructor(options: GrpcChannelOptions<Calls>) {
    this.#options = options;
    for (const [key, value] of Object.entries(options.metadata ?? {})) this.#metadata.set(key, value);
  }

  /** Connects when something is called. */
  get #client(): Client {
    this.#open ??= new Client(`unix://${this.#options.socketPath}`, credentials.createInsecure(), {
      'grpc.max_receive_message_length': maximumMessageBytes,
      'grpc.max_send_message_length': maximumMessageBytes,
      'grpc.default_authority': 'localhost',
      // A service that was restarted is to be found at once.
      'grpc.initial_reconnect_backoff_ms': 50,
      'grpc.max_reconnect_backoff_ms': 1000,
    });
    return this.#open;
  }

  call<M extends keyof Calls>(method: M, request: Calls[M]['request'], options: CallOptions = {}): Promise<Calls[M]['response']> {
    const { codec, methods } = this.#options;
    const { path, request: requestType, response: responseType } = methods[method];
    const { signal, timeoutMs = defaultTimeoutMs } = options;
    const deadline = timeoutMs === 0 ? Infinity : Date.now() + timeoutMs;
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(abortReason(signal));
      const call = this.#client.makeUnaryRequest(
        path,
        (message: object) => codec.encode(requestType, message),
        (bytes: Buffer) => codec.decode(responseType, bytes),
        request,
        this.#metadata,
        timeoutMs === 0 ? {} : { deadline },
        (error, response) => {
          signal?.removeEventListener('abort', onAbort);
          this.#running.delete(call);
          if (!error) resolve((response ?? {}) as Calls[M]['response']);
          else if (signal?.aborted) reject(abortReason(signal));
          // containerd 2 breaks off at the deadline itself, sometimes before our own clock does.
          else if (error.code === status.CANCELLED && Date.now() >= deadline)
            reject(new GrpcFailure(path, { ...error, code: status.DEADLINE_EXCEEDED }));
          else reject(new GrpcFailure(path, error));
        },
      );
      this.#running.add(call);
      const onAbort = (): void => call.cancel();
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  /** Messages until the stream ends or fails. */
  stream<M extends keyof Calls>(
    method: M,
    request: Calls[M]['request'],
    listener: StreamListener<Calls[M]['response']>,
  ): { cancel(): void } {
    const { codec, methods } = this.#options;
    const { path, request: requestType, response: responseType } = methods[method];
    const call = this.#client.makeServerStreamRequest(
      path,
      (message: object) => codec.encode(requestType, message),
      (bytes: Buffer) => codec.decode(responseType, bytes),
      request,
      this.#metadata,
    );
    let ended = false;
    const end = (error: Error | undefined): void => {
      if (ended) return;
      ended = true;
      this.#running.delete(call);
      listener.end(error);
    };
    this.#running.add(call);
    call.on('data', (message: Calls[M]['response']) => {
      if (!ended) listener.message(message);
    });
    call.on('error', (error: ServiceError) => end(new GrpcFailure(path, error)));
    call.on('end', () => end(undefined));
    return { cancel: () => call.cancel() };
  }

  /** Resolves when somebody answers on the socket; rejects `GRPC_UNAVAILABLE` when nobody does in time. */
  connect(timeoutMs: number): Promise<void> {
    const { socketPath } = this.#options;
    return new Promise((resolve, reject) => {
      this.#client.waitForReady(Date.now() + timeoutMs, error => {
        if (!error) return resolve();
        reject(new CodedError('GRPC_UNAVAILABLE', `nobody answers on ${socketPath}`, { cause: error }));
      });
    });
  }

  /** Keeps a connection and calls whenever it comes or goes, until `close`. */
  watchConnection(changed: (connected: boolean) => void): void {
    const client = this.#client;
    const channel = client.getChannel();
    let told = false;
    const look = (): void => {
      if (this.#open !== client) return;
      const state = channel.getConnectivityState(true);
      const connected = state === connectivityState.READY;
      if (connected !== told) {
        told = connected;
        changed(connected);
      }
      if (this.#open === client) channel.watchConnectivityState(state, Infinity, look);
    };
    look();
  }

  /** Ends running calls. A later call connects anew. */
  close(): void {
    const open = this.#open;
    this.#open = undefined;
    open?.close();
    // gRPC lets them go on, and with them the connection.
    for (const call of this.#running) call.cancel();
  }
}
