import { setMaxListeners } from 'node:events';
import type { BackoffOptions } from '../base/backoff.js';
import { SystemClock } from '../base/clock.js';
import type { Clock } from '../base/clock.js';
import { deferred } from '../base/deferred.js';
import type { Deferred } from '../base/deferred.js';
import { toDisposable } from '../base/disposable.js';
import type { Disposable } from '../base/disposable.js';
import { errorText } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import { Clock as ClockToken } from '../contracts/clock.js';
import { Ledger as LedgerToken } from '../contracts/ledger.js';
import { Logger as LoggerToken } from '../contracts/logger.js';
import { PartReporter as PartReporterToken } from '../contracts/part.js';
import { PluginOptions as PluginOptionsToken } from '../contracts/plugin-options.js';
import { loadModule, PartContainers } from './containers.js';
import type { Binding } from './containers.js';
import { isRefusal, joinErrors, kernelError } from './kernel-errors.js';
import type { LedgerFile } from './ledger-file.js';
import { PartRunner } from './part-runner.js';
import type { PartStatus } from './part-status.js';
import { phaseDeadlinesMs } from './phase.js';
import type { PhaseDeadlines } from './phase.js';
import type { WiringPlan } from './wiring.js';

export interface KernelOptions {
  readonly plan: WiringPlan;
  readonly logger: Logger;
  readonly clock?: Clock;
  /** Absent: parts that inject the Ledger cannot be built. */
  readonly ledger?: LedgerFile;
  /** Values that every part may inject (ClusterSettings, ClusterPaths ...). */
  readonly bindings?: readonly Binding[];
  readonly deadlinesMs?: Partial<PhaseDeadlines>;
  readonly restartBackoff?: BackoffOptions;
}

type KernelState = 'new' | 'starting' | 'running' | 'stopping' | 'stopped';

/**
 * Runs the parts of one plan. Holds no state outside the object: several live in one process.
 *
 * `start`: load all modules, build all parts (a missing binding shows before anything runs), `init` all at once, then `start` and
 * `ready` each as soon as what it requires is ready. `stop`: `drain` all at once, `stop` each after those that require it, unbind.
 */
export class Kernel {
  /** Resolves after `stop`; rejects, after everything was stopped, when a vital part failed. */
  readonly finished: Promise<void>;
  readonly #finished: Deferred<void> = deferred();
  readonly #options: KernelOptions;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #containers: PartContainers;
  readonly #runners: PartRunner[] = [];
  readonly #listeners = new Set<(status: PartStatus) => void>();
  readonly #stopping = new AbortController();
  readonly #vitalFailure: Deferred<never> = deferred<never>();
  readonly #failures: unknown[] = [];
  #state: KernelState = 'new';
  #stopped: Promise<void> | undefined;

  constructor(options: KernelOptions) {
    this.#options = options;
    this.#clock = options.clock ?? new SystemClock();
    this.#logger = options.logger;
    this.#containers = new PartContainers([{ token: ClockToken, value: this.#clock }, ...(options.bindings ?? [])]);
    this.finished = this.#finished.promise;
    // Every part listens while it works; the count has no bound worth a warning.
    setMaxListeners(0, this.#stopping.signal);
  }

  get state(): KernelState {
    return this.#state;
  }

  /** One for each part, dependencies first; empty before `start`. */
  status(): PartStatus[] {
    return this.#runners.map(runner => runner.status);
  }

  /** Called at every change of any part's state, also for ones that come while `start` runs. */
  onStatus(listener: (status: PartStatus) => void): Disposable {
    this.#listeners.add(listener);
    return toDisposable(() => void this.#listeners.delete(listener));
  }

  /** What a part bound to a contract token. Throws when nobody did. */
  get<T>(token: symbol): T {
    return this.#containers.get<T>(token);
  }

  /**
   * For an error that nobody caught: the part of a third party in whose files it was thrown has failed by it. False: it is nobody's
   * but ours.
   */
  blame(error: unknown): boolean {
    const stack = error instanceof Error ? decodeURI(error.stack ?? '') : '';
    const culprit = this.#runners.find(({ planned: { location } }) => location !== undefined && stack.includes(location));
    culprit?.failed(error);
    return culprit !== undefined;
  }

  /** All that parts bound to the token of an open slot. */
  getAll<T>(token: symbol): T[] {
    return this.#containers.getAll<T>(token);
  }

  /**
   * Resolves when every vital part is ready and every other is ready, has failed (and is being restarted), or waits for one that
   * has. When a vital part fails, or any refuses in its first `init`, everything is stopped and the promise rejects with its error, or
   * an AggregateError of all. The same when a plugin cannot be loaded or built: that is found before anything runs.
   */
  async start(): Promise<void> {
    if (this.#state !== 'new') throw kernelError('KERNEL_STATE', `a kernel starts once, this one is ${this.#state}`);
    this.#state = 'starting';
    await this.#startAll();
  }

  /** Orderly end, also in the middle of `start` (which then rejects). Twice gives the same promise. Rejects with what parts threw. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stopAll();
    return this.#stopped;
  }

  async #startAll(): Promise<void> {
    try {
      await this.#build();
      const run = this.#runParts();
      // When a vital part's failure wins the race, what becomes of the others is told by `stop`.
      run.catch(() => undefined);
      await Promise.race([run, this.#vitalFailure.promise]);
      this.#stopping.signal.throwIfAborted();
      this.#state = 'running';
    } catch (error) {
      if (error !== this.#stopping.signal.reason && !this.#failures.includes(error)) this.#failures.push(error);
      // Its errors are among the failures.
      await this.stop().catch(() => undefined);
      throw this.#failures.length === 0 ? error : joinErrors(this.#failures, errorText(error));
    }
  }

  async #build(): Promise<void> {
    const { plan } = this.#options;
    const modules = await settleAll(plan.parts.map(loadModule), 'plugins cannot be loaded');
    this.#stopping.signal.throwIfAborted();
    const kernelStartMs = this.#clock.monotonicMs();
    const runnerById = new Map<string, PartRunner>();
    for (const planned of plan.parts) {
      const dependencies = planned.dependencies.map(id => runnerById.get(id)!);
      const runner = new PartRunner(
        {
          planned,
          kernelStartMs,
          clock: this.#clock,
          logger: this.#logger.child('kernel'),
          deadlinesMs: { ...phaseDeadlinesMs, ...this.#options.deadlinesMs },
          restartBackoff: this.#options.restartBackoff ?? { initialMs: 1000, maximumMs: 60_000, jitter: 0.1 },
          stopping: this.#stopping.signal,
          onStatus: status => this.#notify(status),
          onVitalFailure: error => this.#onVitalFailure(error),
        },
        dependencies,
      );
      runnerById.set(runner.id, runner);
      this.#runners.push(runner);
    }
    // All bindings first: a part may inject what another, that it does not require to be ready, provides.
    const errors: unknown[] = [];
    const attempt = (action: () => void): void => {
      try {
        action();
      } catch (error) {
        errors.push(error);
      }
    };
    const resolvers: (() => void)[] = [];
    for (const [index, runner] of this.#runners.entries()) {
      attempt(() => {
        const resolve = this.#containers.add(runner.planned, modules[index]!, this.#ownBindings(runner));
        resolvers.push(() => runner.attach(resolve()));
      });
    }
    if (errors.length === 0) resolvers.forEach(attempt);
    if (errors.length > 0) throw joinErrors(errors, `${errors.length} plugins cannot be built`);
  }

  #ownBindings(runner: PartRunner): Binding[] {
    const bindings: Binding[] = [
      { token: LoggerToken, value: this.#logger.child(runner.id) },
      { token: PluginOptionsToken, value: runner.planned.options },
      { token: PartReporterToken, value: { failed: (error: unknown) => runner.failed(error) } },
    ];
    if (this.#options.ledger) bindings.push({ token: LedgerToken, value: this.#options.ledger.forOwner(runner.id) });
    return bindings;
  }

  async #runParts(): Promise<void> {
    await Promise.all(this.#runners.map(runner => runner.init()));
    this.#stopping.signal.throwIfAborted();
    // What a part refuses before anything runs only the user can mend; trying again by itself would hide it.
    for (const { status } of this.#runners) {
      if (status.state !== 'failed' || this.#failures.includes(status.error)) continue;
      if (status.vital || isRefusal(status.error)) this.#failures.push(status.error);
    }
    if (this.#failures.length > 0) throw this.#failures[0];
    for (const runner of this.#runners) runner.launch();
    await Promise.all(this.#runners.map(runner => runner.firstOutcome.promise));
  }

  #onVitalFailure(error: unknown): void {
    this.#failures.push(error);
    this.#vitalFailure.reject(error);
    if (this.#state !== 'running') return;
    this.#logger.error('a vital part failed, stopping', { error: errorText(error) });
    // The outcome, this failure included, is what `finished` rejects with.
    this.stop().catch(() => undefined);
  }

  async #stopAll(): Promise<void> {
    this.#state = 'stopping';
    this.#stopping.abort(kernelError('KERNEL_STOPPING', 'the kernel is stopping'));
    const errors: unknown[] = [];
    const collect = async (promises: readonly Promise<void>[]): Promise<void> => {
      for (const result of await Promise.allSettled(promises)) if (result.status === 'rejected') errors.push(result.reason);
    };
    await collect(this.#runners.map(runner => runner.drain()));
    await collect(this.#runners.map(runner => runner.stop()));
    await collect([this.#containers.unbindAll()]);
    this.#state = 'stopped';
    this.#failures.push(...errors);
    if (this.#failures.length > 0) this.#finished.reject(joinErrors(this.#failures, this.#failures.map(errorText).join('; ')));
    else this.#finished.resolve();
    if (errors.length > 0) throw joinErrors(errors, `${errors.length} parts did not stop cleanly`);
  }

  #notify(status: PartStatus): void {
    for (const listener of this.#listeners) {
      try {
        listener(status);
      } catch (error) {
        this.#logger.error('a status listener threw', { error: errorText(error) });
      }
    }
  }
}

/** Waits for all, then throws what failed: one error as it is, many as one AggregateError. */
async function settleAll<T>(promises: readonly Promise<T>[], message: string): Promise<T[]> {
  const results = await Promise.allSettled(promises);
  const errors = results.flatMap(result => (result.status === 'rejected' ? [result.reason as unknown] : []));
  if (errors.length > 0) throw joinErrors(errors, `${errors.length} ${message}`);
  return results.map(result => (result as PromiseFulfilledResult<T>).value);
}
