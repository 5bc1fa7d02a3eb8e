import type { Clock } from '../../base/clock.js';
import type { QueuingConfiguration } from '../../api/generated/types.js';
import type { Flow } from './flow.js';
import type { LevelSeries } from './flow-metrics.js';
import type { SeatDemand } from './seat-demand.js';
import { assumedServiceSeconds } from './seat-request.js';
import type { SeatRequest } from './seat-request.js';

/** Requests of a few flows, in the order in which they came. */
export class FairQueue {
  readonly index: number;
  readonly waiting: SeatRequest[] = [];
  /** Of those that wait, in seat-seconds. */
  waitingWork = 0;
  executing = 0;
  /** Taken by its requests, also by those that only linger. */
  seats = 0;
  /** The virtual time at which its next request begins. */
  nextR = 0;

  constructor(index: number) {
    this.index = index;
  }

  get isActive(): boolean {
    return this.waiting.length > 0 || this.executing > 0;
  }
}

export interface QueueSettings {
  /** Nobody is held up or turned away. */
  readonly isExempt: boolean;
  /** Absent: what finds no seat is turned away. */
  readonly queuing?: QueuingConfiguration | undefined;
  /** Seats that may be taken at once. */
  readonly limit: number;
}

export interface FairQueuesOptions {
  readonly clock: Clock;
  readonly demand: SeatDemand;
  readonly series: LevelSeries;
}

/** One seat of so many is for flows that have none, so that who comes new does not wait until one of a flood is done. */
const reservedPart = 8;

/** More than there can be queues. */
const beyondQueues = 2 ** 27;

/**
 * Seats of one priority level and who gets them. A request stands in the least loaded one of the few queues that its flow was dealt;
 * the next one to be served is the oldest one of the queue that comes to an end first in virtual time, which runs for each queue as
 * fast as it would get on if all had the same share. Source: KEP-1040, apiserver fairqueuing/queueset.
 *
 * Differences to upstream's form: an eighth of the seats is kept for flows that have none, since what one flow has is not taken away
 * and a thread that serves everybody is slow to be done with the first of many; virtual time is kept up to date from two sums instead of a walk over all queues, queues are made
 * when they are first stood in, and a request that finds nobody waiting does not stand in its queue before it leaves it.
 */
export class FairQueues {
  readonly #options: FairQueuesOptions;
  #settings: QueueSettings = { isExempt: false, limit: 0 };
  readonly #queues = new Map<number, FairQueue>();
  /** Those in which somebody waits. */
  readonly #crowded = new Set<FairQueue>();
  readonly #executing = new Set<SeatRequest>();
  #activeQueues = 0;
  /** Of requests that came through queues. */
  #queueSeats = 0;
  #enqueued = 0;
  #lastIndex = -1;
  #virtualTime = 0;
  #lastMs: number;
  seatsInUse = 0;
  waitingRequests = 0;
  waitingSeats = 0;
  dispatched = 0;
  rejected = 0;
  cancelled = 0;
  #dispatchTime = 0;
  #dispatchStart = 0;
  #lowestStart = 0;
  #highestStart = 0;
  #lowestDiscounted = 0;
  #highestDiscounted = 0;

  constructor(options: FairQueuesOptions) {
    this.#options = options;
    this.#lastMs = options.clock.monotonicMs();
  }

  get settings(): QueueSettings {
    return this.#settings;
  }

  get limit(): number {
    return this.#settings.limit;
  }

  get isIdle(): boolean {
    return this.waitingRequests === 0 && this.#executing.size === 0;
  }

  get executing(): ReadonlySet<SeatRequest> {
    return this.#executing;
  }

  get queues(): ReadonlyMap<number, FairQueue> {
    return this.#queues;
  }

  /** In seat-seconds that each queue could have had. */
  get virtualTime(): number {
    return this.#virtualTime;
  }

  /** For metrics: virtual times of the last dispatch. */
  get lastDispatch(): {
    readonly time: number;
    readonly start: number;
    readonly starts: readonly [number, number];
    readonly discounted: readonly [number, number];
  } {
    return {
      time: this.#dispatchTime,
      start: this.#dispatchStart,
      starts: [this.#lowestStart, this.#highestStart],
      discounted: [this.#lowestDiscounted, this.#highestDiscounted],
    };
  }

  /** From now on. Queues that are no longer wanted run dry. */
  configure(settings: QueueSettings, nowMs: number): void {
    this.#sync(nowMs);
    this.#settings = settings;
    for (const queue of this.#queues.values()) this.#dropUnwanted(queue);
    this.#dispatch(nowMs);
  }

  /** Serves it, lets it wait or turns it away: its state says which. */
  start(request: SeatRequest, nowMs: number): void {
    this.#sync(nowMs);
    const { queuing, limit } = this.#settings;
    if (!queuing) {
      if (this.#fits(request.seats)) this.#execute(request, nowMs);
      else this.#reject(request, 'concurrency-limit');
      return;
    }
    const queue = this.#pick(request.flow, queuing);
    if (this.seatsInUse >= limit && queue.waiting.length >= queuing.queueLengthLimit) return this.#reject(request, 'queue-full');
    request.queue = queue;
    request.arrivalR = this.#virtualTime;
    if (!queue.isActive) {
      this.#activeQueues++;
      queue.nextR = this.#virtualTime;
    }
    request.flow.schema.series.queueLength.observe(queue.waiting.length + 1);
    if (this.waitingRequests === 0 && this.seatsInUse < limit && this.#isOpenTo(request) && this.#fits(request.seats)) {
      if (queue.nextR < this.#virtualTime) queue.nextR = this.#virtualTime;
      this.#noteAlone(queue);
      this.#execute(request, nowMs);
      return;
    }
    this.#enqueue(request, queue, nowMs);
    this.#dispatch(nowMs);
  }

  /** It waited for too long, or its client has gone. */
  cancel(request: SeatRequest, nowMs: number): void {
    if (request.state !== 'waiting') return;
    this.#sync(nowMs);
    this.#leave(request, request.queue!, nowMs);
    this.#bound(request.queue!);
    this.#passive(request.queue!);
    this.cancelled++;
    this.#reject(request, 'time-out');
    // Narrower ones may have waited for its turn.
    this.#dispatch(nowMs);
  }

  /** It is served. What it still costs keeps its seats for a while. */
  finish(request: SeatRequest, nowMs: number): void {
    if (request.state !== 'executing') return;
    request.state = 'ended';
    this.#sync(nowMs);
    this.#executing.delete(request);
    this.#options.series.executing.set(this.#executing.size, nowMs);
    request.flow.schema.series.executingRequests--;
    const { queue } = request;
    if (queue) {
      queue.executing--;
      const servedSeconds = (nowMs - request.startedMs) / 1000;
      queue.nextR -= request.initialSeats * (assumedServiceSeconds - servedSeconds);
      this.#bound(queue);
      this.#passive(queue);
    }
    if (request.additionalLatencyMs <= 0) this.#release(request, nowMs);
    else {
      const { clock } = this.#options;
      clock.setTimer(request.additionalLatencyMs, () => {
        const laterMs = clock.monotonicMs();
        this.#sync(laterMs);
        this.#release(request, laterMs);
        this.#dispatch(laterMs);
      });
    }
    this.#dispatch(nowMs);
  }

  #release(request: SeatRequest, nowMs: number): void {
    const { seats, queue } = request;
    this.seatsInUse -= seats;
    request.flow.seats -= seats;
    request.flow.schema.series.executingSeats -= seats;
    this.#noteSeats(nowMs);
    if (!queue) return;
    queue.seats -= seats;
    this.#queueSeats -= seats;
    this.#dropUnwanted(queue);
  }

  /** Virtual time since the last change: nothing but changes makes it run faster or slower. */
  #sync(nowMs: number): void {
    const seconds = (nowMs - this.#lastMs) / 1000;
    this.#lastMs = nowMs;
    if (this.#activeQueues === 0) return;
    const wanted = this.#queueSeats + this.waitingSeats;
    this.#virtualTime += (Math.min(wanted, this.#settings.limit) / this.#activeQueues) * seconds;
  }

  #fits(seats: number): boolean {
    const { isExempt, limit } = this.#settings;
    // What is wider than all there is goes alone.
    return isExempt || this.seatsInUse + seats <= limit || (seats > limit && this.#executing.size === 0);
  }

  /** Whether it comes to the seats that are kept for flows without any. */
  #isOpenTo({ flow, seats }: SeatRequest): boolean {
    const { limit } = this.#settings;
    return flow.seats === 0 || this.seatsInUse + seats <= limit - Math.floor(limit / reservedPart);
  }

  /** The queue with the least work of those that the flow was dealt, in turn where several have the same. */
  #pick(flow: Flow, { queues, handSize }: QueuingConfiguration): FairQueue {
    const hand = flow.hand(queues, handSize);
    const offset = this.#enqueued++ % hand.length;
    if (this.waitingRequests === 0) return this.#queue(hand[offset]!);
    let best: FairQueue | undefined;
    for (let at = 0; at < hand.length; at++) {
      const queue = this.#queue(hand[(offset + at) % hand.length]!);
      if (!best || queue.waitingWork < best.waitingWork) best = queue;
    }
    return best!;
  }

  #queue(index: number): FairQueue {
    let queue = this.#queues.get(index);
    if (!queue) {
      queue = new FairQueue(index);
      this.#queues.set(index, queue);
    }
    return queue;
  }

  #enqueue(request: SeatRequest, queue: FairQueue, nowMs: number): void {
    queue.waiting.push(request);
    queue.waitingWork += request.totalWork;
    this.#crowded.add(queue);
    this.#bound(queue);
    this.waitingRequests++;
    this.waitingSeats += request.seats;
    const { series } = request.flow.schema;
    series.waitingRequests++;
    series.waitingSeats += request.seats;
    this.#noteWaiting(nowMs);
  }

  #leave(request: SeatRequest, queue: FairQueue, nowMs: number): void {
    queue.waiting.splice(queue.waiting.indexOf(request), 1);
    // Sums of fractions do not come back to nothing by themselves.
    queue.waitingWork = queue.waiting.length ? queue.waitingWork - request.totalWork : 0;
    if (queue.waiting.length === 0) this.#crowded.delete(queue);
    this.waitingRequests--;
    this.waitingSeats -= request.seats;
    const { series } = request.flow.schema;
    series.waitingRequests--;
    series.waitingSeats -= request.seats;
    this.#noteWaiting(nowMs);
  }

  #dispatch(nowMs: number): void {
    while (this.waitingRequests > 0 && this.seatsInUse < this.#settings.limit) {
      const queue = this.#next();
      if (!queue) return;
      const request = queue.waiting[0]!;
      if (!this.#fits(request.seats)) {
        request.flow.schema.series.unaccommodated++;
        return;
      }
      this.#leave(request, queue, nowMs);
      this.#narrow(request);
      this.#lastIndex = queue.index;
      this.#execute(request, nowMs);
      this.#bound(queue);
      request.decide('executing');
    }
  }

  /** The queue whose oldest request would end first; of several the one that comes next behind the last one that was served. */
  #next(): FairQueue | undefined {
    let next: FairQueue | undefined;
    let bestEnd = 0;
    let bestTurn = 0;
    this.#lowestStart = this.#lowestDiscounted = Infinity;
    this.#highestStart = this.#highestDiscounted = -Infinity;
    for (const queue of this.#crowded) {
      if (!this.#isOpenTo(queue.waiting[0]!)) continue;
      const end = queue.nextR + queue.waiting[0]!.totalWork;
      const turn = queue.index > this.#lastIndex ? queue.index : queue.index + beyondQueues;
      const discounted = queue.nextR - queue.seats * assumedServiceSeconds;
      this.#lowestStart = Math.min(this.#lowestStart, queue.nextR);
      this.#highestStart = Math.max(this.#highestStart, queue.nextR);
      this.#lowestDiscounted = Math.min(this.#lowestDiscounted, discounted);
      this.#highestDiscounted = Math.max(this.#highestDiscounted, discounted);
      if (next && (end > bestEnd || (end === bestEnd && turn > bestTurn))) continue;
      next = queue;
      bestEnd = end;
      bestTurn = turn;
    }
    this.#dispatchTime = this.#virtualTime;
    if (next) this.#dispatchStart = next.nextR;
    return next;
  }

  /** Wider than all there is at its end: as much work, but narrower and longer. */
  #narrow(request: SeatRequest): void {
    const limit = Math.max(1, this.#settings.limit);
    if (request.finalSeats <= limit) return;
    request.additionalLatencyMs *= request.finalSeats / limit;
    request.finalSeats = limit;
  }

  #execute(request: SeatRequest, nowMs: number): void {
    request.state = 'executing';
    request.startedMs = nowMs;
    const { queue, seats } = request;
    this.#executing.add(request);
    this.dispatched++;
    this.seatsInUse += seats;
    request.flow.seats += seats;
    if (queue) {
      queue.executing++;
      queue.seats += seats;
      queue.nextR += request.totalWork;
      this.#queueSeats += seats;
    }
    const { series } = request.flow.schema;
    series.executingRequests++;
    series.executingSeats += seats;
    this.#options.series.executing.set(this.#executing.size, nowMs);
    this.#noteSeats(nowMs);
  }

  #reject(request: SeatRequest, reason: 'concurrency-limit' | 'queue-full' | 'time-out'): void {
    this.rejected++;
    request.flow.schema.series.reject(reason);
    request.decide('rejected');
  }

  /** A queue that could not use its share does not save it up: nothing begins before it came. */
  #bound(queue: FairQueue): void {
    const oldest = queue.waiting[0];
    if (oldest && queue.nextR < oldest.arrivalR) queue.nextR = oldest.arrivalR;
  }

  /** After one of its requests has left: whether it still counts as one that is served. */
  #passive(queue: FairQueue): void {
    if (!queue.isActive) this.#activeQueues--;
  }

  #dropUnwanted(queue: FairQueue): void {
    const wanted = this.#settings.queuing?.queues ?? 0;
    if (queue.index >= wanted && !queue.isActive && queue.seats === 0) this.#queues.delete(queue.index);
  }

  #noteSeats(nowMs: number): void {
    const { series, demand } = this.#options;
    series.seatUtilization.set(this.seatsInUse, nowMs);
    const wanted = this.seatsInUse + this.waitingSeats;
    series.demand.set(wanted, nowMs);
    demand.set(wanted, nowMs);
  }

  #noteWaiting(nowMs: number): void {
    this.#options.series.waiting.set(this.waitingRequests, nowMs);
    this.#noteSeats(nowMs);
  }

  /** What `#next` notes where it has no choice. */
  #noteAlone(queue: FairQueue): void {
    this.#dispatchTime = this.#virtualTime;
    this.#dispatchStart = this.#lowestStart = this.#highestStart = queue.nextR;
    this.#lowestDiscounted = this.#highestDiscounted = queue.nextR - queue.seats * assumedServiceSeconds;
  }
}
