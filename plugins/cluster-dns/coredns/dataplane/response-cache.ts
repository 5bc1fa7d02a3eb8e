import type { StoredResponse } from './wire-response.js';

interface Kept {
  readonly response: StoredResponse;
  readonly storedMs: number;
  readonly expiresMs: number;
}

export interface ResponseCacheOptions {
  readonly nowMs: () => number;
  readonly maximumEntries?: number;
  readonly maximumBytes?: number;
  /** Cap of what other servers say, as K3s' `cache 30`. */
  readonly maximumTtlSeconds?: number;
}

const perEntryBytes = 300;

/** Answers of other servers. Bounded by number and bytes; what was not used for longest goes first. */
export class ResponseCache {
  readonly #options: ResponseCacheOptions;
  readonly #kept = new Map<string, Kept>();
  #bytes = 0;
  hits = 0;
  misses = 0;

  constructor(options: ResponseCacheOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#kept.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get(key: string): { readonly response: StoredResponse; readonly ageSeconds: number } | undefined {
    const kept = this.#kept.get(key);
    const nowMs = this.#options.nowMs();
    if (!kept || kept.expiresMs <= nowMs) {
      if (kept) this.#remove(key, kept);
      this.misses += 1;
      return undefined;
    }
    this.hits += 1;
    this.#kept.delete(key);
    this.#kept.set(key, kept);
    return { response: kept.response, ageSeconds: Math.floor((nowMs - kept.storedMs) / 1000) };
  }

  put(key: string, response: StoredResponse): void {
    const { nowMs, maximumEntries = 10_000, maximumBytes = 4 * 1024 * 1024, maximumTtlSeconds = 30 } = this.#options;
    const ttlSeconds = Math.min(response.ttlSeconds, maximumTtlSeconds);
    if (ttlSeconds <= 0) return;
    const before = this.#kept.get(key);
    if (before) this.#remove(key, before);
    const storedMs = nowMs();
    this.#kept.set(key, { response, storedMs, expiresMs: storedMs + ttlSeconds * 1000 });
    this.#bytes += response.message.length + perEntryBytes;
    for (const [oldest, kept] of this.#kept) {
      if (this.#kept.size <= maximumEntries && this.#bytes <= maximumBytes) break;
      this.#remove(oldest, kept);
    }
  }

  clear(): void {
    this.#kept.clear();
    this.#bytes = 0;
  }

  #remove(key: string, kept: Kept): void {
    this.#kept.delete(key);
    this.#bytes -= kept.response.message.length + perEntryBytes;
  }
}
