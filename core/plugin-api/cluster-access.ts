/** How a plugin reads and writes the cluster's objects, with the types of the built-in kinds. Re-exported by `index.ts`. */
export { ApiTransport } from '../contracts/api-transport.js';
export type {
  CallerIdentity,
  DeleteOptions,
  ListResult,
  ObjectEntry,
  PatchType,
  WatchEvent,
} from '../contracts/api-transport.js';
export { Client } from '../client/client.js';
export type { ResourceClient } from '../client/client.js';
export { ApiEventRecorder } from '../client/event-recorder.js';
export type { EventRecorder } from '../client/event-recorder.js';
export { SharedInformer } from '../client/informer.js';
export { SharedInformerFactory } from '../client/informer-factory.js';
export type { Informer, InformerFactory, InformerHandler } from '../client/informer-types.js';
export { whenEstablished } from '../client/when-established.js';
export { WorkQueue } from '../client/work-queue.js';
export type * from '../api/generated/types.js';
export { firstUntoleratedTaint, keepsPodsAway } from '../api/taints.js';
export type { ResourceReference } from '../api/resource-reference.js';
export * as Resources from '../api/generated/resources.js';
export { isStatusError } from '../machinery/status-error.js';
export { cloneJson, jsonEqual, produce } from '../machinery/object.js';
export type { KubeObject } from '../machinery/object.js';
export { silentLogger } from '../base/logger.js';
export { Quantity } from '../machinery/quantity.js';
export { NodeEndpoints, serviceAccountIdentity } from './node-endpoints.js';
export type { NodeEndpointsOptions, NodeListeners } from './node-endpoints.js';
