import { GrpcChannel as UnixGrpcChannel } from '../../../../core/host/grpc-channel.js';
import { WireCodec } from '../../../../core/plugin-api/wire.js';
import { methods, tables } from './generated/tables.js';
import type { Calls, NamedMessages } from './generated/tables.js';

export type Method = keyof Calls;

const codec = new WireCodec(tables);

/** Calls to containerd over its unix socket: CRI and containerd's own services in the namespace that CRI works in. */
export class GrpcChannel extends UnixGrpcChannel<Calls> {
  constructor(socketPath: string) {
    super({ socketPath, methods, codec, metadata: { 'containerd-namespace': 'k8s.io' } });
  }
}

/** A message that came inside another as bytes, like an event's. */
export function decodeNamed<N extends keyof NamedMessages>(name: N, bytes: Uint8Array): NamedMessages[N] {
  return codec.decode(name, bytes) as NamedMessages[N];
}
