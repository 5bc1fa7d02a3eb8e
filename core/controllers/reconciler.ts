import type { BackoffOptions } from '../base/backoff.js';
import { DisposableStore } from '../base/disposable.js';
import { WorkQueue } from '../client/work-queue.js';
import type { Informer, InformerHandler } from '../client/informer-types.js';
import { isStatusError } from '../machinery/status-error.js';
import type { Controller, ControllerContext } from './controller.js';

export interface ReconcilerOptions {
  readonly name: string;
  /** Keys worked on at the same time; 5 when absent. */
  readonly workers?: number;
  /** A key is dropped after this many failures in a row; never when absent. */
  readonly maximumRetries?: number;
  /** Waits between tries of a key that fails; 5 ms doubling to 1000 s when absent. */
  readonly backoff?: BackoffOptions;
}

/**
 * A controller as a queue of keys: handlers enqueue, workers call `sync`. `sync` reads the informers and may run at any time and
 * any number of times; what it throws brings the key back with growing waits.
 */
export abstract class Reconciler implements Controller {
  protected readonly context: ControllerContext;
  protected readonly queue: WorkQueue<string>;
  readonly #options: ReconcilerOptions;
  readonly #registrations = new DisposableStore();
  readonly #informers = new Set<Informer<unknown>>();
  readonly #stopping = new AbortController();
  #workers: Promise<void>[] = [];

  constructor(context: ControllerContext, options: ReconcilerOptions) {
    this.context = context;
    this.#options = options;
    this.queue = new WorkQueue<string>({ clock: context.clock, backoff: options.backoff });
  }

  /** Calls `this.watch` for every informer whose changes or content matter. */
  protected abstract register(): void;

  /** Brings the world nearer to what the object behind `key` wants. Never called twice at a time for one key. */
  protected abstract sync(key: string): Promise<void>;

  /** Aborted when the controller is stopped. */
  protected get signal(): AbortSignal {
    return this.#stopping.signal;
  }

  /** Waits for the informer before work begins and calls `handler` on its changes. */
  protected watch<T>(informer: Informer<T>, handler: InformerHandler<T> = {}): void {
    this.#informers.add(informer as Informer<unknown>);
    this.#registrations.add(informer.addHandler(handler));
  }

  async start(): Promise<void> {
    this.register();
    try {
      await Promise.all(Array.from(this.#informers, informer => informer.whenSynced(this.#stopping.signal)));
    } catch (error) {
      if (!this.#stopping.signal.aborted) throw error;
    }
    if (this.#stopping.signal.aborted) return;
    for (let worker = 0; worker < (this.#options.workers ?? 5); worker++) this.#workers.push(this.#work());
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#registrations.dispose();
    await this.queue.shutDown();
    await Promise.all(this.#workers);
  }

  async #work(): Promise<void> {
    for (;;) {
      const key = await this.queue.take();
      if (key === undefined) return;
      try {
        await this.sync(key);
        this.queue.forget(key);
      } catch (error) {
        this.#failed(key, error);
      } finally {
        this.queue.done(key);
      }
    }
  }

  #failed(key: string, error: unknown): void {
    if (this.#stopping.signal.aborted) return;
    const { maximumRetries = Number.POSITIVE_INFINITY } = this.#options;
    const dropped = this.queue.requeues(key) >= maximumRetries;
    // Somebody else was faster: the next round sees it and no one needs to read about it.
    const expected = isStatusError(error, 'Conflict', 'AlreadyExists', 'NotFound');
    const message = dropped ? 'giving up on a key that keeps failing' : 'sync failed, trying again';
    if (dropped || !expected) this.context.logger.warn(message, { key, error });
    else this.context.logger.debug(message, { key, error });
    if (dropped) this.queue.forget(key);
    else this.queue.addRateLimited(key);
  }
}
