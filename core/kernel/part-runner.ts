import { backoffMs } from '../base/backoff.js';
import type { BackoffOptions } from '../base/backoff.js';
import { sleep } from '../base/clock.js';
import type { Clock } from '../base/clock.js';
import { deferred } from '../base/deferred.js';
import type { Deferred } from '../base/deferred.js';
import { errorText } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import type { Part, PartPhase, PartReporter } from '../contracts/part.js';
import { PartError } from './kernel-errors.js';
import { initialStatus } from './part-status.js';
import type { PartState, PartStatus } from './part-status.js';
import { runPhase } from './phase.js';
import type { PhaseDeadlines } from './phase.js';
import type { PlannedPart } from './wiring.js';

export interface RunnerOptions {
  readonly planned: PlannedPart;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly deadlinesMs: PhaseDeadlines;
  readonly restartBackoff: BackoffOptions;
  /** Aborts when the kernel stops. */
  readonly stopping: AbortSignal;
  /** `monotonicMs` of the kernel's start. */
  readonly kernelStartMs: number;
  onStatus(status: PartStatus): void;
  /** A vital part failed. */
  onVitalFailure(error: PartError): void;
}

/** A part that was ready for so long starts its back-off anew. */
const stableAfterMs = 120_000;

/** Drives one part through its life. Owned by the kernel; `dependencies` are the runners of what it requires. */
export class PartRunner implements PartReporter {
  readonly id: string;
  readonly dependents: PartRunner[] = [];
  /** Settles once: the part is ready, has failed, waits for one that has, or was stopped before. Never rejects. */
  readonly firstOutcome: Deferred<void> = deferred();
  readonly #options: RunnerOptions;
  readonly #dependencies: readonly PartRunner[];
  #part: Part | undefined;
  #status: PartStatus;
  #ready: Deferred<void> = deferred();
  #failure: Deferred<PartError> | undefined;
  #initialized = false;
  #touched = false;
  #run: Promise<void> | undefined;
  #stopped: Promise<void> | undefined;

  constructor(options: RunnerOptions, dependencies: readonly PartRunner[]) {
    this.id = options.planned.descriptor.id;
    this.#options = options;
    this.#dependencies = dependencies;
    this.#status = initialStatus(options.planned, options.clock.now());
    for (const dependency of dependencies) dependency.dependents.push(this);
  }

  get status(): PartStatus {
    return this.#status;
  }

  get planned(): PlannedPart {
    return this.#options.planned;
  }

  attach(part: Part): void {
    this.#part = part;
  }

  /** Resolves when the part is ready, now or after a restart. Stays open when that never happens. */
  whenReady(): Promise<void> {
    return this.#ready.promise;
  }

  failed(error: unknown): void {
    this.#failure?.resolve(new PartError(this.id, 'run', error));
  }

  /** Resolves also when `init` failed, which is then reported like any failure. */
  init(): Promise<void> {
    this.#run = this.#firstInit();
    return this.#run;
  }

  async #firstInit(): Promise<void> {
    this.#change('initializing');
    const beganMs = this.#options.clock.monotonicMs();
    try {
      await this.#initialize();
      this.#change('waiting', { tookMs: this.#sinceMs(beganMs) });
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Begins the life after `init`; returns at once. */
  launch(): void {
    this.#run = this.#live().finally(() => this.firstOutcome.resolve());
  }

  async drain(): Promise<void> {
    if (this.#status.state !== 'ready') return;
    this.#change('draining');
    await this.#phase('drain');
  }

  /** Stops after all dependents have. Rejects with what `stop` threw. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stopInOrder();
    return this.#stopped;
  }

  async #stopInOrder(): Promise<void> {
    // Their own callers hear of dependents' errors.
    await Promise.allSettled(this.dependents.map(dependent => dependent.stop()));
    await this.#run;
    if (!this.#touched) return this.#change('stopped');
    const failed = this.#status.state === 'failed';
    this.#change('stopping');
    try {
      await this.#phase('stop');
    } catch (error) {
      this.#change('failed', { error });
      throw error;
    }
    this.#change(failed ? 'failed' : 'stopped');
  }

  async #live(): Promise<void> {
    const { clock, stopping, planned, restartBackoff, logger } = this.#options;
    let failures = 0;
    while (!stopping.aborted) {
      if (this.#status.state !== 'failed') {
        const readyForMs = await this.#once();
        if (readyForMs > stableAfterMs) failures = 0;
      }
      if (stopping.aborted || planned.vital) return;
      failures++;
      const waitMs = backoffMs(restartBackoff, failures - 1);
      // Whoever listens to the status has told the failure.
      logger.debug(`${this.id} failed, next try in ${Math.round(waitMs)} ms`, { error: errorText(this.#status.error) });
      await this.#cleanUpFailure();
      this.#change('restarting', { restarts: this.#status.restarts + 1 });
      await sleep(clock, waitMs, stopping).catch(() => undefined);
    }
  }

  /** One try: resolves after a failure or when the kernel stops, with how long the part was ready. */
  async #once(): Promise<number> {
    const { clock, stopping, kernelStartMs } = this.#options;
    let readySinceMs: number | undefined;
    try {
      await this.#dependenciesReady();
      const beganMs = clock.monotonicMs() - (this.#status.restarts === 0 ? (this.#status.tookMs ?? 0) : 0);
      this.#failure = deferred<PartError>();
      const failure = this.#failure.promise;
      this.#change('starting');
      await this.#initialize();
      await this.#phase('start', stopping);
      await this.#phase('ready', stopping);
      readySinceMs = clock.monotonicMs();
      this.#change('ready', { error: undefined, tookMs: this.#sinceMs(beganMs), readyAfterMs: this.#sinceMs(kernelStartMs) });
      this.#ready.resolve();
      this.firstOutcome.resolve();
      const error = await raceAbort(failure, stopping);
      if (error) throw error;
    } catch (error) {
      this.#failure = undefined;
      this.#fail(error);
    }
    return readySinceMs === undefined ? 0 : this.#sinceMs(readySinceMs);
  }

  #fail(error: unknown): void {
    const { stopping, planned, onVitalFailure } = this.#options;
    this.#initialized = false;
    if (stopping.aborted) return;
    const failure = error instanceof PartError ? error : new PartError(this.id, 'run', error);
    if (planned.origin !== 'built-in') failure.origin = planned.origin;
    if (this.#status.state === 'ready') this.#ready = deferred();
    this.#change('failed', { error: failure });
    this.firstOutcome.resolve();
    if (planned.vital) onVitalFailure(failure);
  }

  async #cleanUpFailure(): Promise<void> {
    if (!this.#touched) return;
    try {
      await this.#phase('stop');
    } catch (error) {
      this.#options.logger.warn(`${this.id} did not stop cleanly after its failure`, { error: errorText(error) });
    }
  }

  async #dependenciesReady(): Promise<void> {
    for (const dependency of this.#dependencies) {
      await untilAborted(dependency.firstOutcome.promise, this.#options.stopping);
      if (dependency.status.state === 'ready') continue;
      const cause = dependency.status.error ?? new Error(`${dependency.id} is ${dependency.status.state}`);
      this.#change('waiting', { error: new Error(`waits for ${dependency.id}`, { cause }) });
      this.firstOutcome.resolve();
      await untilAborted(dependency.whenReady(), this.#options.stopping);
    }
  }

  async #initialize(): Promise<void> {
    if (this.#initialized) return;
    this.#touched = true;
    await this.#phase('init', this.#options.stopping);
    this.#initialized = true;
  }

  async #phase(phase: PartPhase, signal?: AbortSignal): Promise<void> {
    const { clock, deadlinesMs, planned } = this.#options;
    const deadlineMs = planned.descriptor.deadlinesMs?.[phase] ?? deadlinesMs[phase];
    await runPhase(this.#part!, phase, { partId: this.id, clock, deadlineMs, signal });
  }

  #sinceMs(beganMs: number): number {
    return this.#options.clock.monotonicMs() - beganMs;
  }

  #change(state: PartState, more: Partial<PartStatus> = {}): void {
    this.#status = { ...this.#status, ...more, state, sinceMs: this.#options.clock.now() };
    this.#options.onStatus(this.#status);
  }
}

/** What `promise` resolves, or undefined as soon as the signal aborts. Leaves no listener behind. */
async function raceAbort<T>(promise: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  if (signal.aborted) return undefined;
  const abort = deferred<undefined>();
  const onAbort = (): void => abort.resolve(undefined);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([promise, abort.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

async function untilAborted(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  await raceAbort(promise, signal);
  signal.throwIfAborted();
}
