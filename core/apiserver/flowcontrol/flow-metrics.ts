import type { Clock } from '../../base/clock.js';
import type { ExposedMetrics } from '../../contracts/exposed-metrics.js';
import { Histogram, RatioOverTime } from './histograms.js';
import type { PriorityLevel } from './priority-level.js';

const prefix = 'apiserver_flowcontrol';

// Bounds as upstream has them.
const secondsBounds = [0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30];
const lengthBounds = [0, 10, 25, 50, 100, 250, 500, 1000];
const seatsBounds = [1, 2, 4, 8, 16, 32, 64, 100];
const watchBounds = [0, 1, 10, 100, 1000, 10000];
const utilizationBounds = [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1];
const requestBounds = [0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.25, 0.5, 0.75, 1];
const kindBounds = [0, 0.001, 0.01, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1];
const demandBounds = [0.2, 0.4, 0.6, 0.8, 1, 1.2, 1.4, 1.7, 2, 2.8, 4, 6];

export type RejectionReason = 'concurrency-limit' | 'queue-full' | 'time-out';

/** What is counted of the requests of one schema at one level. */
export class FlowSeries {
  readonly labels: string;
  dispatched = 0;
  waitingRequests = 0;
  waitingSeats = 0;
  executingRequests = 0;
  executingSeats = 0;
  unaccommodated = 0;
  readonly rejected = new Map<RejectionReason, number>();
  readonly queueLength = new Histogram(lengthBounds);
  readonly waitedAndRan = new Histogram(secondsBounds);
  readonly waitedInVain = new Histogram(secondsBounds);
  readonly ran = new Histogram(secondsBounds);
  readonly ranAsWatch = new Histogram(secondsBounds);
  readonly seats = new Histogram(seatsBounds);
  readonly watchers = new Histogram(watchBounds);

  constructor(level: string, schema: string) {
    this.labels = `flow_schema="${schema}",priority_level="${level}"`;
  }

  reject(reason: RejectionReason): void {
    this.rejected.set(reason, (this.rejected.get(reason) ?? 0) + 1);
  }
}

/** What is watched of one level as time goes by. */
export class LevelSeries {
  readonly seatUtilization: RatioOverTime;
  readonly executing: RatioOverTime;
  readonly waiting: RatioOverTime;
  readonly demand: RatioOverTime;

  constructor(nowMs: number) {
    this.seatUtilization = new RatioOverTime(utilizationBounds, nowMs);
    this.executing = new RatioOverTime(requestBounds, nowMs);
    this.waiting = new RatioOverTime(requestBounds, nowMs);
    this.demand = new RatioOverTime(demandBounds, nowMs);
  }
}

/** Requests that change something and those that do not, waiting and executing. */
class KindSeries {
  count = 0;
  readonly overTime: RatioOverTime;

  constructor(nowMs: number) {
    this.overTime = new RatioOverTime(kindBounds, nowMs);
  }

  add(delta: number, nowMs: number): void {
    this.count += delta;
    this.overTime.set(this.count, nowMs);
  }
}

/** Source: the names and labels of apiserver pkg/util/flowcontrol/metrics; those that are hidden upstream are left out. */
export class FlowMetrics implements ExposedMetrics {
  readonly #clock: Clock;
  readonly #flows = new Map<string, FlowSeries>();
  readonly kinds: Readonly<Record<'executing' | 'waiting', Readonly<Record<'mutating' | 'readOnly', KindSeries>>>>;
  /** The levels that are in use. */
  levels: () => Iterable<PriorityLevel> = () => [];
  fairFraction = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    const nowMs = clock.monotonicMs();
    const both = (): Record<'mutating' | 'readOnly', KindSeries> => ({
      mutating: new KindSeries(nowMs),
      readOnly: new KindSeries(nowMs),
    });
    this.kinds = { executing: both(), waiting: both() };
  }

  flow(level: string, schema: string): FlowSeries {
    const key = `${level}/${schema}`;
    let series = this.#flows.get(key);
    if (!series) {
      series = new FlowSeries(level, schema);
      this.#flows.set(key, series);
    }
    return series;
  }

  /** So many may execute and wait, all levels together. */
  setLimits(executing: number, waiting: number): void {
    const nowMs = this.#clock.monotonicMs();
    for (const kind of ['mutating', 'readOnly'] as const) {
      this.kinds.executing[kind].overTime.setLimit(Math.max(1, executing), nowMs);
      this.kinds.waiting[kind].overTime.setLimit(Math.max(1, waiting), nowMs);
    }
  }

  text(): string {
    return `${[...this.#flowLines(), ...this.#levelLines(), ...this.#overTime()].join('\n')}\n`;
  }

  #flowLines(): string[] {
    const flows = [...this.#flows.values()];
    const numbers = (name: string, type: string, help: string, of: (series: FlowSeries) => number): string[] => [
      ...head(name, type, help),
      ...flows.map(series => `${prefix}_${name}{${series.labels}} ${of(series)}`),
    ];
    const histogram = (name: string, help: string, of: (series: FlowSeries, fullName: string) => string[]): string[] => [
      ...head(name, 'histogram', help),
      ...flows.flatMap(series => of(series, `${prefix}_${name}`)),
    ];
    return [
      ...head('rejected_requests_total', 'counter', 'Requests that were turned away.'),
      ...flows.flatMap(({ labels, rejected }) =>
        Array.from(rejected, ([reason, count]) => `${prefix}_rejected_requests_total{${labels},reason="${reason}"} ${count}`),
      ),
      ...numbers('dispatched_requests_total', 'counter', 'Requests that were let through.', series => series.dispatched),
      ...numbers('current_inqueue_requests', 'gauge', 'Requests that wait.', series => series.waitingRequests),
      ...numbers('current_inqueue_seats', 'gauge', 'Seats that are waited for.', series => series.waitingSeats),
      ...numbers('current_executing_requests', 'gauge', 'Requests that are served.', series => series.executingRequests),
      ...numbers('current_executing_seats', 'gauge', 'Seats that are taken.', series => series.executingSeats),
      ...numbers(
        'request_dispatch_no_accommodation_total',
        'counter',
        'How often the next request did not find enough seats.',
        series => series.unaccommodated,
      ),
      ...histogram('request_queue_length_after_enqueue', 'Requests in a queue when one more has come.', (series, name) =>
        series.queueLength.lines(name, series.labels),
      ),
      ...histogram('request_wait_duration_seconds', 'How long requests waited.', (series, name) => [
        ...series.waitedAndRan.lines(name, `execute="true",${series.labels}`),
        ...series.waitedInVain.lines(name, `execute="false",${series.labels}`),
      ]),
      ...histogram('request_execution_seconds', 'How long requests were served.', (series, name) => [
        ...series.ran.lines(name, `${series.labels},type="regular"`),
        ...series.ranAsWatch.lines(name, `${series.labels},type="watch"`),
      ]),
      ...histogram('watch_count_samples', 'Watchers of what a request changes.', (series, name) =>
        series.watchers.lines(name, series.labels),
      ),
      ...histogram('work_estimated_seats', 'Seats that requests take.', (series, name) =>
        series.seats.lines(name, series.labels),
      ),
    ];
  }

  #levelLines(): string[] {
    const levels = [...this.levels()];
    const gauge = (name: string, help: string, of: (level: PriorityLevel) => number): string[] => [
      ...head(name, 'gauge', help),
      ...levels.map(level => `${prefix}_${name}{priority_level="${level.name}"} ${of(level)}`),
    ];
    const bounds = (name: string, help: string, of: (level: PriorityLevel) => readonly [number, number]): string[] => [
      ...head(name, 'gauge', help),
      ...levels.flatMap(level =>
        of(level).map((value, at) => `${prefix}_${name}{bound="${at ? 'max' : 'min'}",priority_level="${level.name}"} ${value}`),
      ),
    ];
    return [
      ...gauge('nominal_limit_seats', 'Seats of a level.', level => level.nominal),
      ...gauge('lower_limit_seats', 'Seats that a level keeps.', level => level.lower),
      ...gauge('upper_limit_seats', 'Seats that a level may come to.', level => level.upper),
      ...gauge('current_limit_seats', 'Seats that a level has now.', level => level.queues.limit),
      ...gauge('demand_seats_high_watermark', 'Most seats wanted in the last period.', level => level.demanded.highest),
      ...gauge('demand_seats_average', 'Seats wanted in the last period, on average.', level => level.demanded.average),
      ...gauge('demand_seats_stdev', 'Standard deviation of the seats wanted.', level => level.demanded.deviation),
      ...gauge('demand_seats_smoothed', 'Seats wanted, smoothed.', level => level.smoothedDemand),
      ...gauge('target_seats', 'Seats that are aimed at.', level => level.target),
      ...gauge('current_r', 'Virtual time, as of the last change.', level => level.queues.virtualTime),
      ...gauge('dispatch_r', 'Virtual time of the last dispatch.', level => level.queues.lastDispatch.time),
      ...gauge('latest_s', 'Virtual start of the request last dispatched.', level => level.queues.lastDispatch.start),
      ...bounds('next_s_bounds', 'Virtual starts of the oldest requests.', level => level.queues.lastDispatch.starts),
      ...bounds(
        'next_discounted_s_bounds',
        'The same without the work in progress.',
        level => level.queues.lastDispatch.discounted,
      ),
      ...head('seat_fair_frac', 'gauge', 'The part of its demand that every level can have.'),
      `${prefix}_seat_fair_frac ${this.fairFraction}`,
    ];
  }

  #overTime(): string[] {
    const nowMs = this.#clock.monotonicMs();
    const levels = [...this.levels()];
    const each = (name: string, labels: string, of: (level: PriorityLevel) => RatioOverTime): string[] =>
      levels.flatMap(level => of(level).lines(`${prefix}_${name}`, `${labels}priority_level="${level.name}"`, nowMs));
    const executing = 'phase="executing",';
    const requests = 'priority_level_request_utilization';
    const kinds = 'read_vs_write_current_requests';
    return [
      ...head('priority_level_seat_utilization', 'histogram', 'Seats in use, over time.'),
      ...each('priority_level_seat_utilization', executing, ({ series }) => series.seatUtilization),
      ...head(requests, 'histogram', 'Requests that wait or are served, over time.'),
      ...each(requests, executing, ({ series }) => series.executing),
      ...each(requests, 'phase="waiting",', ({ series }) => series.waiting),
      ...head('demand_seats', 'histogram', 'Seats wanted, over time.'),
      ...each('demand_seats', '', ({ series }) => series.demand),
      ...head(kinds, 'histogram', 'Requests that read and that write, over time.'),
      ...(['executing', 'waiting'] as const).flatMap(phase =>
        (['mutating', 'readOnly'] as const).flatMap(kind =>
          this.kinds[phase][kind].overTime.lines(`${prefix}_${kinds}`, `phase="${phase}",request_kind="${kind}"`, nowMs),
        ),
      ),
    ];
  }
}

function head(name: string, type: string, help: string): string[] {
  return [`# HELP ${prefix}_${name} ${help}`, `# TYPE ${prefix}_${name} ${type}`];
}
