import type { Clock } from '../../base/clock.js';
import { formatDuration } from '../../machinery/time.js';
import type { FairQueue } from './fair-queues.js';
import type { PriorityLevel } from './priority-level.js';
import type { SeatRequest } from './seat-request.js';

const narrowestColumn = 8;
const nanosPerMs = 1e6;
/** Go's for no time. */
const never = '0001-01-01T00:00:00Z';

/**
 * What is at work, as tables for people: `/debug/api_priority_and_fairness/dump_*`. Source: the columns of
 * apiserver pkg/util/flowcontrol/apf_controller_debug.go.
 */
export class FlowControlDumps {
  readonly #levels: () => readonly PriorityLevel[];
  readonly #clock: Clock;

  constructor(levels: () => readonly PriorityLevel[], clock: Clock) {
    this.#levels = levels;
    this.#clock = clock;
  }

  priorityLevels(): string {
    const head = [
      'PriorityLevelName',
      'ActiveQueues',
      'IsIdle',
      'IsQuiescing',
      'WaitingRequests',
      'ExecutingRequests',
      'DispatchedRequests',
      'RejectedRequests',
      'TimedoutRequests',
      'CancelledRequests',
    ];
    const rows = this.#levels().map(({ name, queues, isQuiescing }) => [
      name,
      [...queues.queues.values()].filter(({ waiting }) => waiting.length > 0).length,
      queues.isIdle,
      isQuiescing,
      queues.waitingRequests,
      queues.executing.size,
      queues.dispatched,
      queues.rejected,
      0,
      queues.cancelled,
    ]);
    return table([head, ...rows]);
  }

  queues(): string {
    const head = [
      'PriorityLevelName',
      'Index',
      'PendingRequests',
      'ExecutingRequests',
      'SeatsInUse',
      'NextDispatchR',
      'InitialSeatsSum',
      'MaxSeatsSum',
      'TotalWorkSum',
    ];
    const rows = this.#levels().flatMap(level => {
      const { queues } = level.queues;
      const wanted = level.configuration.spec.limited?.limitResponse.queuing?.queues ?? 0;
      const indexes = new Set([...Array.from({ length: wanted }, (_, index) => index), ...queues.keys()]);
      return Array.from(indexes, index => [level.name, index, ...queueCells(queues.get(index))]);
    });
    return table([head, ...rows]);
  }

  requests(withDetails: boolean): string {
    const head = [
      'PriorityLevelName',
      'FlowSchemaName',
      'QueueIndex',
      'RequestIndexInQueue',
      'FlowDistingsher',
      'ArriveTime',
      'InitialSeats',
      'FinalSeats',
      'AdditionalLatency',
      'StartTime',
    ];
    const details = ['UserName', 'Verb', 'APIPath', 'Namespace', 'Name', 'APIVersion', 'Resource', 'SubResource'];
    const rows = this.#levels().flatMap(level => {
      const waiting = [...level.queues.queues.values()].flatMap(queue => queue.waiting.map((request, at) => ({ request, at })));
      const all = [...waiting, ...Array.from(level.queues.executing, request => ({ request, at: -1 }))];
      return all.map(({ request, at }) => [
        ...this.#requestCells(level, request, at),
        ...(withDetails ? detailCells(request) : []),
      ]);
    });
    return table([withDetails ? [...head, ...details] : head, ...rows]);
  }

  #requestCells(level: PriorityLevel, request: SeatRequest, at: number): unknown[] {
    const { flow, queue, arrivedMs, startedMs, initialSeats, finalSeats, additionalLatencyMs, state } = request;
    const queues = level.configuration.spec.limited?.limitResponse.queuing?.queues ?? 0;
    return [
      level.name,
      flow.schema.name,
      queue?.index ?? -1,
      at,
      queues > 1 ? flow.distinguisher : '',
      this.#time(arrivedMs),
      initialSeats,
      finalSeats,
      formatDuration(BigInt(Math.round(additionalLatencyMs * nanosPerMs))),
      state === 'waiting' ? never : this.#time(startedMs),
    ];
  }

  #time(monotonicMs: number): string {
    const wallMs = this.#clock.now() - (this.#clock.monotonicMs() - monotonicMs);
    return new Date(wallMs).toISOString().replace(/\.?0*Z$/, 'Z');
  }
}

function queueCells(queue: FairQueue | undefined): unknown[] {
  if (!queue) return [0, 0, 0, seatSeconds(0), 0, 0, seatSeconds(0)];
  const { waiting, executing, seats, nextR, waitingWork } = queue;
  const initial = waiting.reduce((sum, request) => sum + request.initialSeats, 0);
  const most = waiting.reduce((sum, request) => sum + request.seats, 0);
  return [waiting.length, executing, seats, seatSeconds(nextR), initial, most, seatSeconds(waitingWork)];
}

function seatSeconds(value: number): string {
  return `${value.toFixed(8)}ss`;
}

function detailCells({ user, info }: SeatRequest): unknown[] {
  const { verb, path, namespace, name, group, version, resource, subresource } = info;
  return [user.name, verb, path, namespace, name, group ? `${group}/${version}` : version, resource, subresource];
}

/** Commas, and columns as wide as their widest cell. */
function table(rows: readonly (readonly unknown[])[]): string {
  const cells = rows.map(row => row.map((cell, at) => `${String(cell)}${at < row.length - 1 ? ',' : ''}`));
  const widths = cells[0]!.map((_, at) => cells.reduce((most, row) => Math.max(most, row[at]!.length + 1), narrowestColumn));
  const line = (row: readonly string[]): string =>
    row.map((cell, at) => (at < row.length - 1 ? cell.padEnd(widths[at]!) : cell)).join('');
  return cells.map(row => `${line(row)}\n`).join('');
}
