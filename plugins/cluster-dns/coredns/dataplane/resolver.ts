import type { ClusterZone } from './cluster-zone.js';
import type { ZoneSettings } from './cluster-zone.js';
import type { Forwarder } from './forwarder.js';
import { HostsTable } from './hosts-table.js';
import type { ResponseCache } from './response-cache.js';
import type { DnsCustom, DnsForward, DnsHosts } from './state.js';
import { encodeAnswer, recordType, responseCode } from './wire.js';
import type { DnsRecord, Query } from './wire.js';
import { addressRecords, questionFor, replay } from './wire-response.js';
import type { StoredResponse } from './wire-response.js';

export interface ResolverOptions {
  readonly zone: ClusterZone;
  readonly forwarder: Pick<Forwarder, 'ask'>;
  readonly cache: ResponseCache;
  readonly random?: () => number;
}

interface Block {
  readonly hosts: readonly HostsTable[];
  /** Longest zone first. */
  readonly forwards: readonly DnsForward[];
  /** The one that also knows the cluster's names. */
  readonly isMain: boolean;
}

const longestAliasChain = 8;

/** Who answers a question: hosts, the cluster's zone, or other servers, by the blocks of the configuration. */
export class Resolver {
  readonly #options: ResolverOptions;
  readonly #random: () => number;
  readonly #pending = new Map<string, Promise<StoredResponse | undefined>>();
  #main: Block = { hosts: [], forwards: [], isMain: true };
  #blocks: readonly (readonly [zone: string, block: Block])[] = [];

  constructor(options: ResolverOptions) {
    this.#options = options;
    this.#random = options.random ?? Math.random;
  }

  configure(settings: ZoneSettings & { readonly resolvConf: string }, custom: DnsCustom | undefined): void {
    const { zone, cache } = this.#options;
    zone.configure(settings);
    cache.clear();
    const fallback: DnsForward = { from: '', to: [settings.resolvConf], except: [], policy: 'random', forceTcp: false };
    const forwards = custom?.forwards ?? [];
    const isReplaced = forwards.some(forward => forward.from === '');
    this.#main = {
      hosts: tables([...(custom ? [custom.nodeHosts] : []), ...(custom?.hosts ?? [])]),
      forwards: longestFirst(isReplaced ? forwards : [...forwards, fallback]),
      isMain: true,
    };
    this.#blocks = (custom?.servers ?? [])
      .flatMap(server => {
        const block: Block = { hosts: tables(server.hosts), forwards: longestFirst(server.forwards), isMain: false };
        return server.zones.map(name => [name, block] as const);
      })
      .sort(([left], [right]) => right.length - left.length);
  }

  /** The message to send; at once for everything that is known here. */
  answer(query: Query, limitBytes: number): Buffer | Promise<Buffer> {
    if (query.edns && query.edns.version !== 0) return this.#refuse(query, responseCode.BADVERS, limitBytes);
    if (query.class !== 1) return this.#refuse(query, responseCode.REFUSED, limitBytes);
    // Nobody gets the whole zone, and nobody else's is fetched.
    if (query.type === recordType.AXFR || query.type === recordType.IXFR) {
      return this.#refuse(query, responseCode.REFUSED, limitBytes);
    }
    const block = this.#blocks.find(([zone]) => isWithin(query.name, zone))?.[1] ?? this.#main;
    for (const table of block.hosts) {
      const found = table.lookup(query.name, query.type);
      if (found) return this.#local(query, found, limitBytes);
      if (!table.fallthrough) return this.#refuse(query, responseCode.NXDOMAIN, limitBytes);
    }
    if (block.isMain) {
      const found = this.#options.zone.lookup(query.name, query.type);
      if (found) {
        if (found.alias !== undefined) return this.#followAlias(query, found.answers, found.alias, limitBytes);
        const answers = this.#shuffled(found.answers);
        return encodeAnswer(query, answers === found.answers ? found : { ...found, answers }, limitBytes);
      }
    }
    const forward = block.forwards.find(one => isForwarded(query.name, one));
    if (!forward) return this.#refuse(query, block.isMain ? responseCode.SERVFAIL : responseCode.REFUSED, limitBytes);
    const cached = this.#options.cache.get(cacheKey(query));
    if (cached) return replay(cached.response, query, cached.ageSeconds, limitBytes);
    return this.#fetch(query, forward).then(response =>
      response ? replay(response, query, 0, limitBytes) : this.#refuse(query, responseCode.SERVFAIL, limitBytes),
    );
  }

  /** The same question is asked once at a time, however many want to know: a server that asks us back ends the circle here. */
  #fetch(query: Query, forward: DnsForward): Promise<StoredResponse | undefined> {
    const key = cacheKey(query);
    let pending = this.#pending.get(key);
    if (!pending) {
      pending = this.#options.forwarder.ask(query, forward).finally(() => this.#pending.delete(key));
      void pending.then(response => response && this.#options.cache.put(key, response));
      this.#pending.set(key, pending);
    }
    return pending;
  }

  async #followAlias(query: Query, first: readonly DnsRecord[], alias: string, limitBytes: number): Promise<Buffer> {
    const answers = [...first];
    let name = alias;
    for (let step = 0; step < longestAliasChain; step++) {
      const asked = questionFor(name, query.type, query);
      if (!asked) break;
      const found = this.#options.zone.lookup(asked.name, asked.type);
      if (found) {
        answers.push(...this.#shuffled(found.answers));
        if (found.alias === undefined) break;
        name = found.alias;
        continue;
      }
      const forward = this.#main.forwards.find(one => isForwarded(asked.name, one));
      const known = this.#options.cache.get(cacheKey(asked))?.response;
      const response = known ?? (forward && (await this.#fetch(asked, forward)));
      if (!response) return this.#refuse(query, responseCode.SERVFAIL, limitBytes);
      answers.push(...addressRecords(response));
      break;
    }
    const base = { rcode: responseCode.NOERROR, authoritative: true, authority: [], additional: [] };
    return encodeAnswer(query, { ...base, answers }, limitBytes);
  }

  #local(query: Query, records: readonly DnsRecord[], limitBytes: number): Buffer {
    const base = { rcode: responseCode.NOERROR, authoritative: true, authority: [], additional: [] };
    return encodeAnswer(query, { ...base, answers: this.#shuffled(records) }, limitBytes);
  }

  #refuse(query: Query, rcode: number, limitBytes: number): Buffer {
    return encodeAnswer(query, { rcode, authoritative: false, answers: [], authority: [], additional: [] }, limitBytes);
  }

  /** Addresses in another order each time, so that those who take the first spread over all. */
  #shuffled(records: readonly DnsRecord[]): readonly DnsRecord[] {
    const isAddress = records[0]?.type === recordType.A || records[0]?.type === recordType.AAAA;
    if (records.length < 2 || !isAddress) return records;
    const mixed = [...records];
    for (let last = mixed.length - 1; last > 0; last--) {
      const other = Math.floor(this.#random() * (last + 1));
      [mixed[last], mixed[other]] = [mixed[other]!, mixed[last]!];
    }
    return mixed;
  }
}

function tables(hosts: readonly DnsHosts[]): HostsTable[] {
  return hosts.map(one => new HostsTable(one));
}

function longestFirst(forwards: readonly DnsForward[]): DnsForward[] {
  return [...forwards].sort((left, right) => right.from.length - left.from.length);
}

/** `zone` '' holds every name. */
function isWithin(name: string, zone: string): boolean {
  return zone === '' || name === zone || (name.endsWith(zone) && name[name.length - zone.length - 1] === '.');
}

function isForwarded(name: string, { from, except }: DnsForward): boolean {
  return isWithin(name, from) && !except.some(zone => isWithin(name, zone));
}

function cacheKey({ name, type, edns, checkingDisabled }: Query): string {
  return `${type}${edns?.dnssecOk ? 'd' : ''}${checkingDisabled ? 'c' : ''} ${name}`;
}
