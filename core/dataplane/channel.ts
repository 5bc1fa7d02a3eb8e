import { CodedError } from '../base/errors.js';
import { deferred } from '../base/deferred.js';
import type { Deferred } from '../base/deferred.js';
import type { ControlMessage } from './protocol.js';

export interface ChannelOptions {
  readonly name: string;
  snapshot(): Iterable<readonly [key: string, value: unknown]>;
  onReport?(report: unknown): void;
}

/** What a channel needs of its owner. */
export interface ChannelOwner {
  nextGeneration(): number;
  /** False when nobody is there to hear it; a snapshot will follow when somebody is. */
  send(message: ControlMessage): boolean;
  closed(name: string): void;
}

interface Waiter {
  readonly generation: number;
  readonly settled: Deferred<void>;
}

/** The publishing side of one channel. Generations only grow, also over restarts of the child. */
export class Channel {
  readonly #options: ChannelOptions;
  readonly #owner: ChannelOwner;
  readonly #set = new Map<string, unknown>();
  readonly #deleted = new Set<string>();
  readonly #waiters = new Set<Waiter>();
  #published = 0;
  #acknowledged = 0;
  #fault: string | undefined;
  #flush: NodeJS.Immediate | undefined;
  #closed = false;

  constructor(options: ChannelOptions, owner: ChannelOwner) {
    this.#options = options;
    this.#owner = owner;
  }

  get isSettled(): boolean {
    return this.#acknowledged >= this.#published && this.#flush === undefined && this.#published > 0;
  }

  set(key: string, value: unknown): void {
    this.#deleted.delete(key);
    this.#set.set(key, value);
    this.#schedule();
  }

  delete(key: string): void {
    this.#set.delete(key);
    this.#deleted.add(key);
    this.#schedule();
  }

  async settled(timeoutMs: number): Promise<void> {
    if (this.#flush) this.#send();
    if (!this.isSettled) {
      const waiter: Waiter = { generation: this.#published, settled: deferred() };
      this.#waiters.add(waiter);
      const timer = setTimeout(() => {
        const text = `the dataplane has not taken what ${this.#options.name} published within ${timeoutMs} ms`;
        waiter.settled.reject(new CodedError('DATAPLANE_UNAVAILABLE', text));
      }, timeoutMs);
      try {
        await waiter.settled.promise;
      } finally {
        clearTimeout(timer);
        this.#waiters.delete(waiter);
      }
    }
    if (this.#fault !== undefined) {
      throw new CodedError('DATAPLANE_FAULT', `the dataplane module of ${this.#options.name}: ${this.#fault}`);
    }
  }

  close(): void {
    if (this.#closed) return;
    if (this.#flush) this.#send();
    this.#closed = true;
    this.#owner.closed(this.#options.name);
  }

  /** Everything, to somebody who has just come. What was not sent yet is part of it. */
  sendSnapshot(): void {
    this.#cancelFlush();
    this.#set.clear();
    this.#deleted.clear();
    this.#published = this.#owner.nextGeneration();
    const entries = [...this.#options.snapshot()];
    this.#owner.send({ type: 'snapshot', channel: this.#options.name, generation: this.#published, entries });
  }

  acknowledged(generation: number, fault: string | undefined): void {
    this.#acknowledged = Math.max(this.#acknowledged, generation);
    this.#fault = fault;
    for (const waiter of this.#waiters) if (waiter.generation <= this.#acknowledged) waiter.settled.resolve();
  }

  reported(report: unknown): void {
    if (!this.#closed) this.#options.onReport?.(report);
  }

  #schedule(): void {
    if (this.#closed) return;
    this.#flush ??= setImmediate(() => this.#send());
  }

  #send(): void {
    this.#cancelFlush();
    this.#published = this.#owner.nextGeneration();
    const set = [...this.#set];
    const deleted = [...this.#deleted];
    this.#set.clear();
    this.#deleted.clear();
    this.#owner.send({ type: 'change', channel: this.#options.name, generation: this.#published, set, deleted });
  }

  #cancelFlush(): void {
    clearImmediate(this.#flush);
    this.#flush = undefined;
  }
}
