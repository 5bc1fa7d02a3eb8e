/** Names a served resource and carries its object's type: `client.resource(Pods)` gives Pods. */
export interface ResourceReference<T = unknown> {
  /** Empty for the core group. */
  readonly group: string;
  readonly version: string;
  /** The plural name, as in URLs. */
  readonly resource: string;
  readonly kind: string;
  readonly namespaced: boolean;
  /** Never set; it only carries the type. */
  readonly __type?: T;
}
