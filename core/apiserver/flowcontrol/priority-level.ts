import type { Clock } from '../../base/clock.js';
import type { PriorityLevelConfiguration } from '../../api/generated/types.js';
import { FairQueues } from './fair-queues.js';
import { LevelSeries } from './flow-metrics.js';
import { RetryAfter } from './retry-after.js';
import type { DemandSummary } from './seat-demand.js';
import { SeatDemand } from './seat-demand.js';

/** So much of the smoothed demand is kept each time: half of it after five minutes. */
const smoothing = 0.977;
const noDemand: DemandSummary = { seconds: 0, average: 0, deviation: 0, highest: 0 };

/** A PriorityLevelConfiguration at work. */
export class PriorityLevel {
  readonly name: string;
  configuration: PriorityLevelConfiguration;
  readonly queues: FairQueues;
  readonly series: LevelSeries;
  readonly retryAfter = new RetryAfter();
  /** Its object has gone, and its last requests with it soon. */
  isQuiescing = false;
  nominal = 0;
  lower = 0;
  upper = 0;
  /** Of one request; 0: no such limit. */
  maximumSeats = 0;
  demanded: DemandSummary = noDemand;
  smoothedDemand = 0;
  target = 0;
  readonly #demand: SeatDemand;

  constructor(configuration: PriorityLevelConfiguration, clock: Clock) {
    const nowMs = clock.monotonicMs();
    this.name = configuration.metadata.name!;
    this.configuration = configuration;
    this.series = new LevelSeries(nowMs);
    this.#demand = new SeatDemand(nowMs);
    this.queues = new FairQueues({ clock, demand: this.#demand, series: this.series });
  }

  get uid(): string {
    return this.configuration.metadata.uid ?? '';
  }

  get isExempt(): boolean {
    return this.configuration.spec.type === 'Exempt';
  }

  get shares(): number {
    const { limited, exempt } = this.configuration.spec;
    return (limited ?? exempt)?.nominalConcurrencyShares ?? 0;
  }

  /** Seats by shares, and how far they may move. `all` are the server's. Source: finishQueueSetReconfigsLocked. */
  divide(all: number, allShares: number): void {
    const { limited, exempt } = this.configuration.spec;
    this.nominal = allShares > 0 ? Math.ceil((all * this.shares) / allShares) : 0;
    const { lendablePercent = 0 } = limited ?? exempt ?? {};
    const lendable = Math.round((this.nominal * lendablePercent) / 100);
    const borrowing = limited?.borrowingLimitPercent;
    this.lower = this.nominal - lendable;
    this.upper = this.nominal + (borrowing === undefined ? all : Math.round((this.nominal * borrowing) / 100));
    const queuing = limited?.limitResponse.queuing;
    // One request may not take what its flow's neighbours in the same hand live on.
    if (queuing)
      this.maximumSeats = Math.max(1, Math.min(Math.ceil(this.nominal * 0.15), Math.trunc(this.nominal / queuing.handSize)));
    else this.maximumSeats = 0;
  }

  /** Takes the demand since the last time into account. */
  measure(nowMs: number): void {
    this.demanded = this.#demand.reset(nowMs);
    const { seconds, average, deviation } = this.demanded;
    if (seconds <= 0) return;
    const envelope = average + deviation;
    this.smoothedDemand = Math.max(envelope, smoothing * this.smoothedDemand + (1 - smoothing) * envelope);
  }

  /** Seats from now on; `all` are the server's. */
  configure(limit: number, all: number, nowMs: number): void {
    const { limited } = this.configuration.spec;
    const queuing = limited?.limitResponse.queuing;
    this.queues.configure({ isExempt: this.isExempt, queuing, limit }, nowMs);
    const denominator = limit > 0 ? limit : Math.max(1, Math.round(all / 10));
    this.series.seatUtilization.setLimit(denominator, nowMs);
    this.series.executing.setLimit(denominator, nowMs);
    this.series.demand.setLimit(denominator, nowMs);
    this.series.waiting.setLimit(queuing ? queuing.queues * queuing.queueLengthLimit : 1, nowMs);
  }
}
