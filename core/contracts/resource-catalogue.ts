import type { Disposable } from '../base/disposable.js';
import type { ResourceReference } from '../api/resource-reference.js';

/** A resource that the API server serves, as discovery shows it. */
export interface CataloguedResource {
  readonly reference: ResourceReference;
  /** `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`. */
  readonly verbs: readonly string[];
}

/**
 * What the API server serves at this moment, built-in, custom and aggregated. The garbage collector, the namespace controller and
 * the quota controller ask again and again: custom resources come and go. Cheap; never throws.
 */
export interface ResourceCatalogue {
  /** Every served version of every resource, in no order. No subresources. */
  resources(): readonly CataloguedResource[];
  /** Hears, until disposed, when custom resources have come or gone. Must not throw. Absent where nothing ever changes. */
  onChange?(listener: () => void): Disposable;
}

export const ResourceCatalogue: unique symbol = Symbol.for('k3s/resource-catalogue@1');
