import type { Clock } from '../../base/clock.js';
import type { AdmissionPlugin } from '../../contracts/admission.js';
import type { CallerIdentity } from '../../contracts/api-transport.js';
import type { KubeObject } from '../../machinery/object.js';
import type { ObjectCache } from '../storage/resource-cache.js';
import type { StorageHub } from '../storage/storage-hub.js';
import type { RequestContext, ResourceDefinition, ResourceStores } from './resource-definition.js';
import type { ResourceStore } from './resource-store.js';
import type { FieldOwnership } from './write-call.js';

export interface ResourceStoreOptions<T extends KubeObject> {
  readonly definition: ResourceDefinition<T>;
  readonly hub: StorageHub;
  readonly clock: Clock;
  readonly ownership: FieldOwnership<T>;
  readonly admission: () => readonly AdmissionPlugin[];
  readonly stores: ResourceStores;
  /** What it is to keep an object and to read it again, in place: defaults see what validation let through. */
  readonly settle?: ((draft: T) => void) | undefined;
  readonly allows: (caller: CallerIdentity, attributes: Parameters<RequestContext['allows']>[0]) => Promise<boolean>;
  /** The store of the objects that `definition.viewOf` names. */
  readonly viewed?: ResourceStore | undefined;
  /** Where the objects are kept by somebody else, who says in which form. */
  readonly kept?: KeptObjects<T> | undefined;
}

export interface KeptObjects<T extends KubeObject> {
  readonly cache: ObjectCache<T>;
  toStored(draft: T): KubeObject | Promise<KubeObject>;
  /** What was just written cannot be read from the cache at once: a webhook would have to convert it back. */
  readonly converts: boolean;
}
