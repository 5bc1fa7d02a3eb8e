import { GrpcChannel } from '../../host/grpc-channel.js';
import { GrpcServer } from '../../host/grpc-server.js';
import { WireCodec } from '../../machinery/codec/wire-codec.js';
import { methods, tables } from './generated/wire-tables.js';
import type { Calls } from './generated/wire-tables.js';

/** Of all that the kubelet and the plugins of its node say to each other. */
export const pluginCodec = new WireCodec(tables);

export type PluginChannel = GrpcChannel<Calls>;
export type PluginServer = GrpcServer<Calls>;

/** A plugin's socket. Connects when something is called. */
export function pluginChannel(socketPath: string): PluginChannel {
  return new GrpcChannel<Calls>({ socketPath, methods, codec: pluginCodec });
}

export function pluginServer(): PluginServer {
  return new GrpcServer<Calls>({ methods, codec: pluginCodec });
}
