import { Client, Metadata, credentials, status } from '@grpc/grpc-js';
import type { ServiceError } from '@grpc/grpc-js';
import { abortReason, CodedError } from '../../../../core/plugin-api/index.js';
import { WireCodec } from './codec.js';
import { methods, tables } from './generated/tables.js';
import type { Calls, NamedMessages } from './generated/tables.js';

export type Method = keyof Calls;

export interface CallOptions {
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** A failed call as gRPC tells it. `RuntimeErrors` turns it into what the contract promises. */
export class GrpcFailure extends CodedError {
  readonly status: keyof typeof status;
  readonly method: string;

  constructor(method: string, error: ServiceError) {
    const name = status[error.code] as keyof typeof status;
    super(`GRPC_${name}`, error.details || error.message, { cause: error });
    this.status = name;
    this.method = method;
  }
}

const defaultTimeoutMs = 2 * 60_000;
const maximumMessageBytes = 16 * 1024 * 1024;
const codec = new WireCodec(tables);

/** Calls to containerd over its unix socket: CRI and containerd's own services in the namespace that CRI works in. */
export class GrpcChannel {
  readonly #address: string;
  readonly #metadata = new Metadata();
  #open: Client | undefined;

  constructor(socketPath: string) {
    this.#address = `unix://${socketPath}`;
    this.#metadata.set('containerd-namespace', 'k8s.io');
  }

  /** Connects when something is called. */
  get #client(): Client {
    this.#open ??= new Client(this.#address, credentials.createInsecure(), {
      'grpc.max_receive_message_length': maximumMessageBytes,
      'grpc.max_send_message_length': maximumMessageBytes,
      'grpc.default_authority': 'localhost',
      // A containerd that was restarted is to be found at once.
      'grpc.initial_reconnect_backoff_ms': 50,
      'grpc.max_reconnect_backoff_ms': 1000,
    });
    return this.#open;
  }

  call<M extends Method>(method: M, request: Calls[M]['request'], options: CallOptions = {}): Promise<Calls[M]['response']> {
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
          if (!error) resolve((response ?? {}) as Calls[M]['response']);
          else if (signal?.aborted) reject(abortReason(signal));
          // containerd 2 breaks off at the deadline itself, sometimes before our own clock does.
          else if (error.code === status.CANCELLED && Date.now() >= deadline)
            reject(new GrpcFailure(path, { ...error, code: status.DEADLINE_EXCEEDED }));
          else reject(new GrpcFailure(path, error));
        },
      );
      const onAbort = (): void => call.cancel();
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  /** Messages until the stream ends or fails; `end` is called once. */
  stream<M extends Method>(
    method: M,
    request: Calls[M]['request'],
    listener: { message(message: Calls[M]['response']): void; end(error: Error | undefined): void },
  ): { cancel(): void } {
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
      listener.end(error);
    };
    call.on('data', (message: Calls[M]['response']) => {
      if (!ended) listener.message(message);
    });
    call.on('error', (error: ServiceError) => end(new GrpcFailure(path, error)));
    call.on('end', () => end(undefined));
    return { cancel: () => call.cancel() };
  }

  /** Ends running calls. A later call connects anew. */
  close(): void {
    this.#open?.close();
    this.#open = undefined;
  }
}

/** A message that came inside another as bytes, like an event's. */
export function decodeNamed<N extends keyof NamedMessages>(name: N, bytes: Uint8Array): NamedMessages[N] {
  return codec.decode(name, bytes) as NamedMessages[N];
}
