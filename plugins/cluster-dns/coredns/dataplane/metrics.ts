import type { ResponseCache } from './response-cache.js';
import { recordType } from './wire.js';
import type { Query } from './wire.js';

const typeNames = new Map<number, string>(Object.entries(recordType).map(([name, type]) => [type, name]));
const codeNames = ['NOERROR', 'FORMERR', 'SERVFAIL', 'NXDOMAIN', 'NOTIMP', 'REFUSED'];

/** Counters by the names that dashboards for CoreDNS ask for. Source: CoreDNS' `metrics` and `cache` plugins. */
export class DnsMetrics {
  readonly #cache: ResponseCache;
  readonly #queries = new Map<string, number>();
  readonly #answers = new Map<string, number>();

  constructor(cache: ResponseCache) {
    this.#cache = cache;
  }

  query({ type }: Query, transport: 'udp' | 'tcp'): void {
    const key = `proto="${transport}",type="${typeNames.get(type) ?? 'other'}"`;
    this.#queries.set(key, (this.#queries.get(key) ?? 0) + 1);
  }

  counted(answer: Buffer | Promise<Buffer>): Buffer | Promise<Buffer> {
    if (!Buffer.isBuffer(answer)) return answer.then(message => this.#count(message));
    return this.#count(answer);
  }

  text(): string {
    const lines = ['# TYPE coredns_dns_requests_total counter'];
    for (const [key, count] of this.#queries) lines.push(`coredns_dns_requests_total{${key}} ${count}`);
    lines.push('# TYPE coredns_dns_responses_total counter');
    for (const [rcode, count] of this.#answers) lines.push(`coredns_dns_responses_total{rcode="${rcode}"} ${count}`);
    lines.push('# TYPE coredns_cache_entries gauge', `coredns_cache_entries ${this.#cache.size}`);
    lines.push('# TYPE coredns_cache_hits_total counter', `coredns_cache_hits_total ${this.#cache.hits}`);
    lines.push('# TYPE coredns_cache_misses_total counter', `coredns_cache_misses_total ${this.#cache.misses}`);
    lines.push('# TYPE process_resident_memory_bytes gauge', `process_resident_memory_bytes ${process.memoryUsage.rss()}`);
    return `${lines.join('\n')}\n`;
  }

  #count(message: Buffer): Buffer {
    const rcode = codeNames[message[3]! & 0xf] ?? 'other';
    this.#answers.set(rcode, (this.#answers.get(rcode) ?? 0) + 1);
    return message;
  }
}
