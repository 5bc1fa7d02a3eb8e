import { parseTime } from '../../api/time.js';

export interface LogOptions {
  readonly follow?: boolean;
  readonly previous?: boolean;
  readonly timestamps?: boolean;
  readonly sinceSeconds?: number;
  /** RFC 3339. */
  readonly sinceTime?: string;
  readonly tailLines?: number;
  readonly limitBytes?: number;
}

const newline = Buffer.of(10);
const space = 32;

/** Turns records of a CRI log (`TIME STREAM TAGS TEXT`) into what `kubectl logs` shows. Lines that are no records are left out. */
export class LogSelection {
  readonly #timestamps: boolean;
  readonly #sinceMs: number;
  #leftBytes: number;
  #lineBegins = true;

  constructor(options: LogOptions, nowMs: number) {
    this.#timestamps = options.timestamps ?? false;
    this.#leftBytes = options.limitBytes ?? Infinity;
    const { sinceSeconds } = options;
    this.#sinceMs = sinceSeconds === undefined ? (parseTime(options.sinceTime) ?? -Infinity) : nowMs - sinceSeconds * 1000;
  }

  /** Nothing more will be let through. */
  get isFull(): boolean {
    return this.#leftBytes <= 0;
  }

  /** `record` is without its newline. Undefined: not wanted. */
  take(record: Buffer): Buffer | undefined {
    const timeEnd = record.indexOf(space);
    const streamEnd = timeEnd < 0 ? -1 : record.indexOf(space, timeEnd + 1);
    const tagsEnd = streamEnd < 0 ? -1 : record.indexOf(space, streamEnd + 1);
    if (streamEnd < 0) return undefined;
    const tags = record.toString('latin1', streamEnd + 1, tagsEnd < 0 ? record.length : tagsEnd);
    if (this.#sinceMs !== -Infinity && Date.parse(record.toString('latin1', 0, timeEnd)) < this.#sinceMs) return undefined;
    // The tags are separated by colons; the first says whether the line goes on in the next record.
    const isPartial = tags === 'P' || tags.startsWith('P:');
    const parts: Buffer[] = [];
    if (this.#timestamps && this.#lineBegins) parts.push(record.subarray(0, timeEnd + 1));
    if (tagsEnd >= 0) parts.push(record.subarray(tagsEnd + 1));
    if (!isPartial) parts.push(newline);
    this.#lineBegins = !isPartial;
    const text = Buffer.concat(parts);
    const kept = text.length > this.#leftBytes ? text.subarray(0, this.#leftBytes) : text;
    this.#leftBytes -= kept.length;
    return kept;
  }
}
