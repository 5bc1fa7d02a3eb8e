/** Options of a part that takes arguments of upstream's component (`core/cluster/arguments`). */
export interface ArgumentOptions {
  /** `name=value`, checked before anything is built. */
  readonly arguments: readonly string[];
}
