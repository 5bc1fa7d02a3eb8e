import type { Disposable } from '../base/disposable.js';
import type { ResourceReference } from '../api/resource-reference.js';

/** A resource that the API server serves, as discovery shows it. */
export interface CataloguedResource {
  readonly reference: ResourceReference;
  /** `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`. */
  readonly verbs: readonly string[];
}

/** A version that another server serves, behind an APIService. */
export interface ExtensionGroupVersion {
  readonly group: string;
  readonly version: string;
  /** False: the server does not answer, so that its resources are those of an earlier time, or none. */
  readonly isCurrent: boolean;
}

/**
 * What the API server serves at this moment, built-in, custom and aggregated. The garbage collector, the namespace controller and
 * the quota controller ask again and again: custom resources come and go. Cheap; never throws.
 */
export interface ResourceCatalogue {
  /** Every served version of every resource, in no order. No subresources. */
  resources(): readonly CataloguedResource[];
  /** The versions of extension servers, the preferred one of a group first. Absent where there can be none. */
  extensions?(): readonly ExtensionGroupVersion[];
  /** Hears, until disposed, when custom or aggregated resources have come or gone. Must not throw. Absent where nothing ever changes. */
  onChange?(listener: () => void): Disposable;
}

export const ResourceCatalogue: unique symbol = Symbol.for('k3s/resource-catalogue@1');
