/**
 * The lean child process that serves what needs a listener on this node: cluster DNS, Ingress, TLS. It goes on while the control
 * process restarts, and is adopted at the next start. A plugin names a module in its descriptor (`dataplane`); the child imports it
 * while the plugin is enabled. The plugin publishes the module's state as entries by key.
 *
 * Order on one channel: a full snapshot, then changes, each with the next generation; the module acknowledges generations. After a
 * restart of the child, or of us, the snapshot is published again, and the child hands only the differences on. State holds no
 * secrets by value but references to 0600 files that the publisher keeps. Values are plain JSON.
 */
export interface Dataplane {
  /**
   * Opens the channel of one plugin, when its whole state is known: what is absent from the first snapshot is forgotten by the
   * child. Throws DATAPLANE_CHANNEL when the name is open already, or when no enabled plugin of this name has a dataplane module.
   */
  channel<Value>(options: DataplaneChannelOptions<Value>): DataplaneChannel<Value>;
}

export const Dataplane: unique symbol = Symbol.for('k3s/dataplane@1');

export interface DataplaneChannelOptions<Value> {
  /** Plugin id. */
  readonly name: string;
  /** All entries now. Called whenever a child has to be told everything; must agree with what was set and deleted before. */
  snapshot(): Iterable<readonly [key: string, value: Value]>;
  /** What the module reports (listeners that are bound, faults); the last report comes again after an adoption. */
  onReport?(report: unknown): void;
}

export interface DataplaneChannel<Value> {
  /** Publishes an entry. Never blocks; what happens in one turn of the event loop goes out as one change, the last word by key. */
  set(key: string, value: Value): void;
  delete(key: string): void;
  /**
   * Resolves when the module has acknowledged everything published so far. Rejects DATAPLANE_UNAVAILABLE after `timeoutMs`, and
   * DATAPLANE_FAULT when the module could not apply it.
   */
  settled(timeoutMs: number): Promise<void>;
  /** No more is published; the module goes on with what it has. Twice is safe. */
  close(): void;
}

/**
 * What a dataplane module exports as `createModule(context)`. Runs in the child; imports `plugin-api/dataplane.js` at most, nothing
 * that needs the container or the control process.
 */
export interface DataplaneModule<Value> {
  /** Calls never overlap. Errors are reported to the publisher; the next change comes all the same. */
  apply(change: DataplaneChange<Value>): void | Promise<void>;
  /** Stops listening at once; running connections may end within `graceMs`. */
  drain(graceMs: number): Promise<void>;
}

export type CreateDataplaneModule<Value> = (context: DataplaneModuleContext) => DataplaneModule<Value>;

export interface DataplaneChange<Value> {
  /** New entries and those whose value is another one. */
  readonly set: ReadonlyMap<string, Value>;
  readonly deleted: readonly string[];
}

export interface DataplaneModuleContext {
  report(report: unknown): void;
  log(level: 'debug' | 'info' | 'warn' | 'error', message: string, fields?: Readonly<Record<string, unknown>>): void;
}
