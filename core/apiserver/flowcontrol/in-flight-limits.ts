import type { Attributes } from '../auth/authorizer.js';
import { mastersGroup } from '../auth/user-info.js';
import type { RequestInfo } from '../handlers/request-info.js';
import type { Passage, RequestLimiter } from './request-limiter.js';
import { isMutating, isStream } from './request-limiter.js';

export interface InFlightOptions {
  /** Requests that only read, at a time; 0: no limit. */
  readonly readOnly: number;
  readonly mutating: number;
}

const retryAfterSeconds = 1;

const turnedAway: Passage = {
  mustWait: false,
  wait: async () => undefined,
  retryAfterSeconds,
  classification: undefined,
  end: () => undefined,
  close: () => undefined,
};

class Slot {
  readonly limit: number;
  taken = 0;

  constructor(limit: number) {
    this.limit = limit;
  }
}

/** So many requests at a time, whoever sends them: what there is without priority and fairness. Source: apiserver filters/maxinflight.go. */
export class InFlightLimits implements RequestLimiter {
  readonly #readOnly: Slot;
  readonly #mutating: Slot;

  constructor({ readOnly, mutating }: InFlightOptions) {
    this.#readOnly = new Slot(readOnly);
    this.#mutating = new Slot(mutating);
  }

  enter(info: RequestInfo, { user }: Attributes): Passage | undefined {
    if (info.verb === 'watch' || isStream(info)) return undefined;
    const slot = isMutating(info) ? this.#mutating : this.#readOnly;
    if (slot.limit === 0) return undefined;
    if (slot.taken < slot.limit) return new Counted(slot);
    // Who may mend everything is always heard.
    return user.groups.includes(mastersGroup) ? undefined : turnedAway;
  }
}

class Counted implements Passage {
  readonly mustWait = false;
  readonly retryAfterSeconds = undefined;
  readonly classification = undefined;
  readonly #slot: Slot;
  #ended = false;

  constructor(slot: Slot) {
    this.#slot = slot;
    slot.taken++;
  }

  async wait(): Promise<void> {}

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#slot.taken--;
  }

  close(): void {
    this.end();
  }
}
