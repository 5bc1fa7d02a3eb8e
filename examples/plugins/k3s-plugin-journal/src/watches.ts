import type { DatastoreEvent, Disposable, WatchListener } from 'k3s-ts/plugin';
import type { History } from './history.js';

interface Watcher {
  readonly prefix: string;
  readonly listener: WatchListener;
  /** The listener was told everything up to here. */
  position: number;
  ended: boolean;
}

/** Tells watches what was committed, in order and without a gap: first out of the history, then live. */
export class Watches {
  readonly #history: History;
  readonly #onListenerError: (error: unknown) => void;
  readonly #watchers = new Set<Watcher>();
  readonly #live = new Set<Watcher>();
  #closed = false;
  /** What was published; the history may be ahead by what is not committed yet. */
  #revision: number;

  constructor(history: History, onListenerError: (error: unknown) => void) {
    this.#history = history;
    this.#onListenerError = onListenerError;
    this.#revision = history.revision;
  }

  watch(prefix: string, afterRevision: number, listener: WatchListener): Disposable {
    const watcher: Watcher = { prefix, listener, position: afterRevision, ended: false };
    this.#watchers.add(watcher);
    // Never from inside this call: the caller does not hold the disposable yet.
    queueMicrotask(() => this.#begin(watcher));
    return { dispose: () => this.#remove(watcher) };
  }

  /** Called once for each commit, before its writes are answered. */
  publish(events: readonly DatastoreEvent[], revision: number): void {
    this.#revision = revision;
    for (const watcher of [...this.#live]) this.#tell(watcher, events, revision);
  }

  /** Ends all watches, and those that come later. */
  close(error: Error | undefined): void {
    this.#closed = true;
    for (const watcher of [...this.#watchers]) this.#end(watcher, error);
  }

  #begin(watcher: Watcher): void {
    if (watcher.ended) return;
    if (this.#closed) return this.#end(watcher, undefined);
    try {
      const changes = this.#history.since(watcher.position, this.#revision);
      this.#live.add(watcher);
      this.#tell(
        watcher,
        changes.map(change => change.event),
        this.#revision,
      );
    } catch (error) {
      this.#end(watcher, error as Error);
    }
  }

  #tell(watcher: Watcher, events: readonly DatastoreEvent[], revision: number): void {
    // A watch from a revision that is not reached yet hears nothing before it.
    if (watcher.ended || revision < watcher.position) return;
    const { prefix, position } = watcher;
    watcher.position = revision;
    try {
      watcher.listener.batch(
        events.filter(event => event.revision > position && event.key.startsWith(prefix)),
        revision,
      );
    } catch (error) {
      this.#onListenerError(error);
      this.#end(watcher, error as Error);
    }
  }

  #end(watcher: Watcher, error: Error | undefined): void {
    if (watcher.ended) return;
    this.#remove(watcher);
    try {
      watcher.listener.end(error);
    } catch (failure) {
      this.#onListenerError(failure);
    }
  }

  #remove(watcher: Watcher): void {
    watcher.ended = true;
    this.#watchers.delete(watcher);
    this.#live.delete(watcher);
  }
}
