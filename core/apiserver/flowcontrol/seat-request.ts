import { deferred } from '../../base/deferred.js';
import type { Deferred } from '../../base/deferred.js';
import type { UserInfo } from '../auth/user-info.js';
import type { RequestInfo } from '../handlers/request-info.js';
import type { FairQueue } from './fair-queues.js';
import type { Flow } from './flow.js';

/** How much a request occupies. */
export interface WorkEstimate {
  /** While it is served. */
  readonly initialSeats: number;
  /** For so long behind that, for what its events cost; nobody waits for it. */
  readonly finalSeats: number;
  readonly additionalLatencyMs: number;
}

export const oneSeat: WorkEstimate = { initialSeats: 1, finalSeats: 0, additionalLatencyMs: 0 };

/** How long a request is taken to last until it is known, in seconds: upstream's guess. */
export const assumedServiceSeconds = 0.003;

/** One request at its level. */
export class SeatRequest {
  state: 'waiting' | 'executing' | 'rejected' | 'ended' = 'waiting';
  readonly flow: Flow;
  readonly info: RequestInfo;
  readonly user: UserInfo;
  readonly arrivedMs: number;
  readonly initialSeats: number;
  finalSeats: number;
  additionalLatencyMs: number;
  /** The most that it occupies at any time, which it has all the time. */
  readonly seats: number;
  /** In seat-seconds. */
  readonly totalWork: number;
  /** Undefined where it stands in none. */
  queue: FairQueue | undefined;
  startedMs = 0;
  /** Virtual time at its arrival. */
  arrivalR = 0;
  #decision: Deferred<void> | undefined;

  constructor(flow: Flow, request: { info: RequestInfo; user: UserInfo }, work: WorkEstimate, arrivedMs: number) {
    const { initialSeats, finalSeats, additionalLatencyMs } = work;
    this.flow = flow;
    this.info = request.info;
    this.user = request.user;
    this.arrivedMs = arrivedMs;
    this.initialSeats = initialSeats;
    this.finalSeats = finalSeats;
    this.additionalLatencyMs = additionalLatencyMs;
    this.seats = Math.max(initialSeats, finalSeats);
    this.totalWork = initialSeats * assumedServiceSeconds + (finalSeats * additionalLatencyMs) / 1000;
  }

  /** Resolves when it no longer waits; at once where it does not. */
  decided(): Promise<void> {
    if (this.state !== 'waiting') return Promise.resolve();
    return (this.#decision ??= deferred()).promise;
  }

  /** Its queue set has come to a decision. */
  decide(state: 'executing' | 'rejected'): void {
    this.state = state;
    this.#decision?.resolve();
  }
}
