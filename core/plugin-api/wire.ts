/** Protobuf by tables, for plugins that speak gRPC. A door of its own, so that others do not load it. */
export { WireCodec } from '../machinery/codec/wire-codec.js';
export type { MethodTable, WireField, WireTable } from '../machinery/codec/wire-codec.js';
