import type { GroupData } from '../api/schema-data.js';
import type { KubeObject } from '../machinery/object.js';

/**
 * An API group that a part serves beside the built-in ones: under `/apis/<group>`, through the same authentication, authorization,
 * discovery, OpenAPI, Tables, selectors, JSON and protobuf. Filled by parts in the slot `api-groups`, or promised by others in
 * `provides`. The API server reads it once, when it starts; the object itself must not need the API server to be made.
 */
export interface ApiGroup {
  /** Names, types and table columns, in the form of the generated tables. A type's name is unique among all groups. */
  readonly data: GroupData;
  /** How each resource of `data` behaves, by its plural name. One that is missing here is not served. */
  readonly resources: Readonly<Record<string, ApiResource>>;
  /** What its APIService says: its place in discovery, the larger the earlier. Absent: that of custom resources, 1000 and 100. */
  readonly priority?: { readonly group: number; readonly version: number };
}

export const ApiGroup: unique symbol = Symbol.for('k3s/api-groups@1');

export type ApiResource = StoredApiResource | VirtualApiResource;

interface ApiResourceCommon {
  /** Cells of one row of a Table, in the order of the resource's columns. Absent: name and creation time. */
  row?(object: Readonly<KubeObject>, context: { readonly nowMs: number }): readonly unknown[];
}

/** Objects kept in the datastore, with all verbs. */
export interface StoredApiResource extends ApiResourceCommon {
  readonly type: 'stored';
  /** Messages for what is wrong with an object that its schema allows, by dotted field. Empty: nothing. */
  validate?(
    object: Readonly<KubeObject>,
  ): readonly { readonly field: string; readonly value: unknown; readonly message: string }[];
}

/** Objects that exist only as answers, with the verbs `get` and `list`. */
export interface VirtualApiResource extends ApiResourceCommon {
  readonly type: 'virtual';
  /** Undefined: NotFound. May throw StatusErrors. `namespace` is '' for cluster-scoped resources. */
  get(namespace: string, name: string): Promise<KubeObject | undefined>;
  /** All objects of a namespace, or of all for ''. Selectors are applied to what comes back. May throw StatusErrors. */
  list(namespace: string): Promise<readonly KubeObject[]>;
}
