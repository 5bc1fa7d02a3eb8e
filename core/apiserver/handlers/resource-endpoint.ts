import type { KubeObject } from '../../machinery/object.js';
import type { Operations } from './operations.js';
import type { ServedResource } from './served-resource.js';

/** One served resource with its operations: what a URL or a local call leads to. */
export interface ResourceEndpoint<T extends KubeObject = KubeObject> {
  readonly served: ServedResource<T>;
  readonly operations: Operations<T>;
}
