import type { EventEmitter } from 'node:events';
import type { Clock } from '../../base/clock.js';
import type { Disposable } from '../../base/disposable.js';
import type { Attributes } from '../auth/authorizer.js';
import { durationToMs } from '../../machinery/time.js';
import { errorCode } from '../../base/errors.js';
import type { UserInfo } from '../auth/user-info.js';
import type { RequestInfo } from '../handlers/request-info.js';
import type { Flow } from './flow.js';
import type { FlowMetrics } from './flow-metrics.js';
import type { PriorityLevels } from './priority-levels.js';
import type { Passage, RequestLimiter } from './request-limiter.js';
import { isMutating, isStream } from './request-limiter.js';
import { SeatRequest } from './seat-request.js';
import type { WorkEstimate } from './seat-request.js';
import type { Turns } from './turns.js';
import type { WatchCounts } from './watch-counts.js';
import type { WorkEstimator } from './work-estimator.js';

export interface PriorityAndFairnessOptions {
  readonly clock: Clock;
  readonly levels: PriorityLevels;
  readonly estimator: WorkEstimator;
  readonly metrics: FlowMetrics;
  readonly turns: Turns;
  readonly watches: WatchCounts;
}

/** A quarter of how long a request may take, which is a minute where its client does not say less. */
const longestWaitMs = 15_000;

/** Lets requests through by their priority level, and within a level by turns of the flows. */
export class PriorityAndFairness implements RequestLimiter {
  readonly #options: PriorityAndFairnessOptions;

  constructor(options: PriorityAndFairnessOptions) {
    this.#options = options;
  }

  enter(info: RequestInfo, asked: Attributes): Passage | undefined {
    if (isStream(info)) return undefined;
    const { clock, levels, estimator } = this.#options;
    levels.noteDemand();
    const flow = levels.matcher.match(asked.user, info);
    const { schema } = flow;
    const work = estimator.estimate(info, asked.name, schema);
    const request = new FairPassage(this.#options, { flow, info, user: asked.user, name: asked.name }, work, clock.monotonicMs());
    schema.series.seats.observe(request.seats);
    request.begin();
    return request;
  }
}

class FairPassage extends SeatRequest implements Passage {
  readonly #options: PriorityAndFairnessOptions;
  readonly #name: string;
  #isCounted = false;
  #watch: Disposable | undefined;

  constructor(
    options: PriorityAndFairnessOptions,
    request: { readonly flow: Flow; readonly info: RequestInfo; readonly user: UserInfo; readonly name: string },
    work: WorkEstimate,
    arrivedMs: number,
  ) {
    super(request.flow, request, work, arrivedMs);
    this.#options = options;
    this.#name = request.name;
  }

  begin(): void {
    const { level } = this.flow.schema;
    level.queues.start(this, this.arrivedMs);
    if (this.state === 'executing') this.#executes(this.arrivedMs);
    else if (this.state === 'rejected') this.#turnedAway(this.arrivedMs);
  }

  get mustWait(): boolean {
    if (this.state !== 'executing') return this.state === 'waiting';
    return !this.#isCounted || (this.initialSeats > 1 && !this.flow.schema.level.isExempt);
  }

  get retryAfterSeconds(): number | undefined {
    return this.state === 'rejected' ? this.flow.schema.level.retryAfter.seconds : undefined;
  }

  get classification(): { readonly flowSchemaUid: string; readonly priorityLevelUid: string } {
    const { uid, level } = this.flow.schema;
    return { flowSchemaUid: uid, priorityLevelUid: level.uid };
  }

  async wait(client: EventEmitter): Promise<void> {
    if (!this.#isCounted && this.state !== 'rejected') await this.#queue(client);
    if (this.state === 'executing') await this.#options.turns.take(this.initialSeats > 1);
  }

  async #queue(client: EventEmitter): Promise<void> {
    const { clock, metrics } = this.#options;
    const { queues } = this.flow.schema.level;
    const kind = metrics.kinds.waiting[isMutating(this.info) ? 'mutating' : 'readOnly'];
    kind.add(1, this.arrivedMs);
    const giveUp = (): void => queues.cancel(this, clock.monotonicMs());
    const timer = clock.setTimer(waitLimitMs(this.info), giveUp);
    client.once('close', giveUp);
    await this.decided();
    client.off('close', giveUp);
    void timer.dispose();
    const nowMs = clock.monotonicMs();
    kind.add(-1, nowMs);
    if (this.state === 'executing') this.#executes(nowMs);
    else this.#turnedAway(nowMs);
  }

  #executes(nowMs: number): void {
    this.#isCounted = true;
    this.#options.metrics.kinds.executing[isMutating(this.info) ? 'mutating' : 'readOnly'].add(1, nowMs);
    const { series, level } = this.flow.schema;
    series.dispatched++;
    if (!level.isExempt) series.waitedAndRan.observe((nowMs - this.arrivedMs) / 1000);
    if (this.info.verb === 'watch') this.#watch = this.#options.watches.register(this.info, this.#name);
  }

  #turnedAway(nowMs: number): void {
    const { series, level } = this.flow.schema;
    series.waitedInVain.observe((nowMs - this.arrivedMs) / 1000);
    level.retryAfter.note(nowMs);
    this.#mayBeIdle();
  }

  end(): void {
    if (this.state !== 'executing') return;
    const { clock, metrics } = this.#options;
    const nowMs = clock.monotonicMs();
    if (this.#isCounted) metrics.kinds.executing[isMutating(this.info) ? 'mutating' : 'readOnly'].add(-1, nowMs);
    const { series, level } = this.flow.schema;
    const ran = this.info.verb === 'watch' ? series.ranAsWatch : series.ran;
    ran.observe((nowMs - this.startedMs) / 1000);
    level.queues.finish(this, nowMs);
    this.#mayBeIdle();
  }

  close(): void {
    this.end();
    void this.#watch?.dispose();
    this.#watch = undefined;
  }

  #mayBeIdle(): void {
    const { level } = this.flow.schema;
    if (level.isQuiescing && level.queues.isIdle) this.#options.levels.noteIdle(level);
  }
}

/** A client that says how long it takes part gets a quarter of that. */
function waitLimitMs({ query, verb }: RequestInfo): number {
  const asked = verb === 'watch' ? null : query.get('timeout');
  if (!asked) return longestWaitMs;
  try {
    const askedMs = durationToMs(asked);
    return askedMs > 0 ? Math.min(longestWaitMs, askedMs / 4) : longestWaitMs;
  } catch (error) {
    if (errorCode(error) !== 'INVALID_DURATION') throw error;
    return longestWaitMs;
  }
}
