import type { JsonValue } from '../machinery/object.js';

/**
 * The lean child process that serves what needs a listener on this node: cluster DNS, Ingress, TLS. It goes on while the control
 * process restarts, and is adopted at the next start. Plugins publish state to a module of theirs that the child has imported.
 *
 * Order on one channel: a full snapshot, then changes, each with the next generation. The module acknowledges generations; after a
 * restart of the child (or of us) the snapshot is published again. State holds no secrets by value but key material by reference to
 * 0600 files that the publisher keeps.
 */
export interface Dataplane {
  /** Opens the channel of one module; the same name twice is an error. The child imports `moduleUrl` (its `createModule`). */
  channel<State extends JsonValue, Change extends JsonValue>(options: ChannelOptions<State>): DataplaneChannel<Change>;
}

export const Dataplane: unique symbol = Symbol.for('k3s/dataplane@1');

export interface ChannelOptions<State> {
  /** Plugin id. */
  readonly name: string;
  /** As `import.meta.resolve` gives it. */
  readonly moduleUrl: string;
  /** The whole state now; called for the first publication and whenever the child has lost it. */
  snapshot(): State;
  /** What the module reports: listeners that are bound, faults. */
  onReport?(report: JsonValue): void;
}

export interface DataplaneChannel<Change> {
  /** Publishes a change that `snapshot()` contains from now on. Never blocks; changes are coalesced while the child is away. */
  change(change: Change): void;
  /** Resolves when the module has acknowledged everything published so far. Rejects DATAPLANE_UNAVAILABLE after `timeoutMs`. */
  settled(timeoutMs: number): Promise<void>;
  close(): Promise<void>;
}

/** What a dataplane module exports as `createModule`. Runs in the child; imports nothing of the control process. */
export interface DataplaneModule<State, Change> {
  /** Replaces all state; binds and unbinds listeners as it says. Errors are reported and leave the old state in force. */
  snapshot(state: State): Promise<void>;
  change(change: Change): Promise<void>;
  /** Stops listening; running connections may end within `graceMs`. */
  drain(graceMs: number): Promise<void>;
}

export interface DataplaneModuleContext {
  report(report: JsonValue): void;
  log(level: 'debug' | 'info' | 'warn' | 'error', message: string, fields?: Readonly<Record<string, unknown>>): void;
}
