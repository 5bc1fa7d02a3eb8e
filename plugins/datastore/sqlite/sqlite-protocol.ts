/**
 * What the main thread and the worker say to each other. Operations and results travel as flat arrays of numbers and strings,
 * which clone several times faster than objects; values travel in transferred buffers, in the order in which they are named.
 *
 * Operations, by their first element:
 *   create   key expiresAtMs flags byteLength
 *   update   key expectedRevision expiresAtMs flags byteLength
 *   remove   key expectedRevision
 *   get      key revision
 *   list     prefix after limit revision byteLimit
 *   count    prefix
 *   history  prefix afterRevision
 *   expire   nowMs
 * A revision of 0 is the newest; a limit of -1 is none; expiresAtMs 0 is never.
 *
 * Results, by their first element:
 *   done       then, by operation:
 *              create: revision; update: revision createRevision byteLength (of the value before, -1 when the asker has it);
 *              remove: revision byteLength; get: modRevision (0: absent) createRevision byteLength;
 *              list: revision more count (key modRevision createRevision byteLength)*; count: count;
 *              history: through count (removed key revision createRevision byteLength previousByteLength)*;
 *              expire: nextExpiryMs (0: none) count (key revision byteLength)*
 *   conflict   modRevision (0: absent) createRevision byteLength
 *   compacted  revision compactedRevision
 *   future     revision currentRevision
 *   failed     index into the answer's failures
 */
export const operation = { create: 1, update: 2, remove: 3, get: 4, list: 5, count: 6, history: 7, expire: 8 } as const;

export const result = { done: 0, conflict: 1, compacted: 2, future: 3, failed: 4 } as const;

export const writeFlag = { relaxed: 1, previousKnown: 2 } as const;

export type Flat = (number | string)[];

export interface BatchRequest {
  readonly type: 'batch';
  readonly operations: Flat;
  readonly values: ArrayBuffer;
  readonly count: number;
  readonly writes: number;
  /** Whether a write among them must be on disk before its answer. */
  readonly durable: boolean;
}

export interface BatchAnswer {
  readonly type: 'batch';
  readonly results: Flat;
  readonly slabs: readonly ArrayBuffer[];
  readonly failures: readonly Failure[];
  /** The store cannot go on: what was promised as durable may not be. */
  readonly fatal: Failure | undefined;
  /** How many operations are answered. */
  readonly count: number;
}

export type ControlName = 'compact' | 'size' | 'vacuum' | 'backup' | 'integrity' | 'close';

export interface ControlRequest {
  readonly type: 'control';
  readonly id: number;
  readonly name: ControlName;
  readonly argument: number | string;
}

export interface ControlAnswer {
  readonly type: 'control';
  readonly id: number;
  readonly value: unknown;
  readonly failure: Failure | undefined;
}

export type Request = BatchRequest | ControlRequest;
export type Answer = BatchAnswer | ControlAnswer | OpenAnswer;

export interface OpenAnswer {
  readonly type: 'open';
  readonly failure: Failure | undefined;
  readonly revision: number;
  readonly nextExpiryMs: number;
  readonly lostThrough: number;
}

export interface Failure {
  readonly code: string;
  readonly message: string;
  readonly mend: string | undefined;
}

export interface EngineOptions {
  readonly file: string;
  /** The file may grow to so many bytes; 0: as far as the disk allows. */
  readonly quotaBytes: number;
}

const slabBytes = 256 * 1024;

/**
 * Gathers values into slabs: few enough to be cheap to transfer, small enough that one value which is kept does not keep
 * megabytes of others alive.
 */
export class SlabWriter {
  readonly #slabs: ArrayBuffer[] = [];
  #values: Uint8Array[] = [];
  #bytes = 0;

  add(value: Uint8Array): void {
    if (this.#bytes > 0 && this.#bytes + value.byteLength > slabBytes) this.#close();
    this.#values.push(value);
    this.#bytes += value.byteLength;
  }

  finish(): ArrayBuffer[] {
    if (this.#bytes > 0) this.#close();
    return this.#slabs;
  }

  #close(): void {
    const slab = new Uint8Array(this.#bytes);
    let at = 0;
    for (const value of this.#values) {
      slab.set(value, at);
      at += value.byteLength;
    }
    this.#slabs.push(slab.buffer);
    this.#values = [];
    this.#bytes = 0;
  }
}

/** Reads values back in the order in which they were added. */
export class SlabReader {
  readonly #slabs: readonly ArrayBuffer[];
  #slab = 0;
  #offset = 0;

  constructor(slabs: readonly ArrayBuffer[]) {
    this.#slabs = slabs;
  }

  next(byteLength: number): Uint8Array {
    if (byteLength === 0) return new Uint8Array(0);
    let slab = this.#slabs[this.#slab];
    if (slab && this.#offset === slab.byteLength) {
      slab = this.#slabs[++this.#slab];
      this.#offset = 0;
    }
    if (!slab || this.#offset + byteLength > slab.byteLength) throw new RangeError('values are missing in the answer');
    const value = Buffer.from(slab, this.#offset, byteLength);
    this.#offset += byteLength;
    return value;
  }
}
