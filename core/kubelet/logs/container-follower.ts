import { watch } from 'node:fs';
import { dirname } from 'node:path';
import type { Clock } from '../../base/clock.js';
import { deferred } from '../../base/deferred.js';
import type { Disposable } from '../../base/disposable.js';
import { errorCode } from '../../base/errors.js';
import type { ContainerRuntime } from '../../contracts/container-runtime.js';
import type { LogFollower } from './log-file.js';

/** How long the last lines may come after the end of the process. */
const lingerMs = 200;

/** Wakes a reader when the container's log changes or the container ends. */
export class ContainerFollower implements LogFollower, Disposable {
  readonly #held: Disposable[] = [];
  #pending = deferred();
  #ended = false;
  #ending = false;
  #disposed = false;

  get ended(): boolean {
    return this.#ended;
  }

  changed(): Promise<void> {
    return this.#pending.promise;
  }

  reset(): void {
    this.#pending = deferred();
  }

  /** Rejects when the log's directory is not there. */
  async start(
    options: { readonly runtime: ContainerRuntime; readonly clock: Clock; readonly containerId: string; readonly path: string },
    signal: AbortSignal,
  ): Promise<void> {
    const { runtime, clock, containerId, path } = options;
    const watcher = watch(dirname(path), { persistent: false }, () => this.#pending.resolve());
    // A directory that goes away takes the container's log with it.
    watcher.on('error', () => this.#end(clock));
    this.#held.push({ dispose: () => watcher.close() });
    const events = runtime.watch({
      event: ({ kind, id, type }) => {
        if (kind === 'container' && id === containerId && (type === 'exited' || type === 'removed')) this.#end(clock);
      },
      lost: () => void this.#look(runtime, clock, containerId),
    });
    this.#held.push(events);
    // Whoever asked may leave before anybody has begun to read.
    const abort = (): void => this.dispose();
    signal.addEventListener('abort', abort, { once: true });
    this.#held.push({ dispose: () => signal.removeEventListener('abort', abort) });
    await this.#look(runtime, clock, containerId);
    if (signal.aborted) this.dispose();
  }

  dispose(): void {
    this.#disposed = true;
    for (const held of this.#held.splice(0)) void held.dispose();
    this.#pending.resolve();
  }

  async #look(runtime: ContainerRuntime, clock: Clock, containerId: string): Promise<void> {
    try {
      const { state } = await runtime.container(containerId);
      if (state === 'exited') this.#end(clock);
    } catch (error) {
      // A runtime that does not answer says so again by its events.
      if (errorCode(error) === 'RUNTIME_NOT_FOUND') this.#end(clock);
    }
  }

  #end(clock: Clock): void {
    if (this.#ending || this.#disposed) return;
    this.#ending = true;
    const timer = clock.setTimer(lingerMs, () => {
      this.#ended = true;
      this.#pending.resolve();
    });
    this.#held.push(timer);
  }
}
