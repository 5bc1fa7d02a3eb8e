import { createServer } from 'node:http';
import type { Server } from 'node:http';
import { BlockList, isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { errorText } from '../../../../core/plugin-api/dataplane.js';
import type {
  CreateDataplaneModule,
  DataplaneChange,
  DataplaneModule,
  DataplaneModuleContext,
} from '../../../../core/plugin-api/dataplane.js';
import { ClusterZone } from './cluster-zone.js';
import { DnsServer } from './dns-server.js';
import { Forwarder } from './forwarder.js';
import { DnsMetrics } from './metrics.js';
import { Resolver } from './resolver.js';
import { ResponseCache } from './response-cache.js';
import type { DnsConfig, DnsCustom, DnsEntry, DnsReport } from './state.js';

const rebindMs = 2000;
const maximumKnownAskers = 10_000;

export const createModule: CreateDataplaneModule<DnsEntry> = context => new DnsModule(context);

/** Cluster DNS as the dataplane runs it. */
class DnsModule implements DataplaneModule<DnsEntry> {
  readonly #context: DataplaneModuleContext;
  readonly #zone = new ClusterZone({ domain: 'cluster.local', dnsAddresses: [], ttlSeconds: 5 });
  readonly #cache = new ResponseCache({ nowMs: () => performance.now() });
  readonly #metrics = new DnsMetrics(this.#cache);
  readonly #forwarder: Forwarder;
  readonly #resolver: Resolver;
  readonly #servers = new Map<string, DnsServer>();
  readonly #metricsServers = new Map<string, Server>();
  readonly #askers = new Map<string, boolean>();
  readonly #failures = new Map<string, string>();
  #allowed = new BlockList();
  #config: DnsConfig | undefined;
  #custom: DnsCustom | undefined;
  #retry: NodeJS.Timeout | undefined;
  #lastReport = '';

  constructor(context: DataplaneModuleContext) {
    this.#context = context;
    const log = context.log.bind(context);
    this.#forwarder = new Forwarder({ log, isOwn: upstream => this.#isOwn(upstream.address, upstream.port) });
    this.#resolver = new Resolver({ zone: this.#zone, forwarder: this.#forwarder, cache: this.#cache });
  }

  async apply({ set, deleted }: DataplaneChange<DnsEntry>): Promise<void> {
    let reconfigured = false;
    for (const [key, entry] of set) reconfigured = this.#set(key, entry) || reconfigured;
    for (const key of deleted) reconfigured = this.#delete(key) || reconfigured;
    this.#zone.touch(Math.floor(Date.now() / 1000));
    if (!reconfigured || !this.#config) return;
    this.#allow(this.#config);
    this.#resolver.configure(this.#config, this.#custom);
    await this.#bind(this.#config);
  }

  async drain(): Promise<void> {
    clearTimeout(this.#retry);
    this.#config = undefined;
    await Promise.all(Array.from(this.#servers.values(), server => server.stop()));
    for (const server of this.#metricsServers.values()) server.close();
  }

  #set(key: string, entry: DnsEntry): boolean {
    switch (entry.kind) {
      case 'service':
        this.#zone.setService(`${entry.namespace}/${entry.name}`, entry);
        return false;
      case 'slice':
        this.#zone.setSlice(key, entry);
        return false;
      case 'namespace':
        this.#zone.setNamespace(entry.name, true);
        return false;
      case 'config':
        this.#config = entry;
        return true;
      case 'custom':
        this.#custom = entry;
        return true;
    }
  }

  #delete(key: string): boolean {
    const slash = key.indexOf('/');
    const kind = slash < 0 ? key : key.slice(0, slash);
    const rest = key.slice(slash + 1);
    if (kind === 'service') this.#zone.setService(rest, undefined);
    else if (kind === 'slice') this.#zone.setSlice(key, undefined);
    else if (kind === 'namespace') this.#zone.setNamespace(rest, false);
    else if (kind === 'custom') this.#custom = undefined;
    return kind === 'custom';
  }

  #allow({ allowed }: DnsConfig): void {
    const list = new BlockList();
    for (const range of allowed) {
      const [address = '', length] = range.split('/');
      const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
      if (isIP(address) === 0) continue;
      if (length === undefined) list.addAddress(address, family);
      else list.addSubnet(address, Number(length), family);
    }
    list.addSubnet('127.0.0.0', 8, 'ipv4');
    list.addAddress('::1', 'ipv6');
    for (const addresses of Object.values(networkInterfaces())) {
      for (const { address, family } of addresses ?? []) list.addAddress(address, family === 'IPv6' ? 'ipv6' : 'ipv4');
    }
    this.#allowed = list;
    this.#askers.clear();
  }

  #isAllowed(address: string): boolean {
    const known = this.#askers.get(address);
    if (known !== undefined) return known;
    const plain = address.startsWith('::ffff:') ? address.slice(7) : address.split('%')[0]!;
    const allowed = this.#allowed.check(plain, isIP(plain) === 6 ? 'ipv6' : 'ipv4');
    if (this.#askers.size >= maximumKnownAskers) this.#askers.clear();
    this.#askers.set(address, allowed);
    return allowed;
  }

  #isOwn(address: string, port: number): boolean {
    if (port === 53 && this.#config?.dnsAddresses.includes(address)) return true;
    return Array.from(this.#servers.values()).some(server => server.port === port) && this.#isListening(address);
  }

  #isListening(address: string): boolean {
    return this.#config?.listen.some(one => one.address === address) ?? false;
  }

  async #bind(config: DnsConfig): Promise<void> {
    clearTimeout(this.#retry);
    this.#failures.clear();
    const wanted = new Map(config.listen.map(one => [`${one.address}#${one.port}`, one]));
    for (const [key, server] of this.#servers) {
      if (wanted.has(key)) continue;
      this.#servers.delete(key);
      await server.stop();
    }
    for (const [key, { address, port }] of wanted) {
      if (this.#servers.has(key)) continue;
      const server = new DnsServer({
        address,
        port,
        isAllowed: from => this.#isAllowed(from),
        answer: (query, limitBytes) => this.#metrics.counted(this.#resolver.answer(query, limitBytes)),
        onQuery: (query, transport) => this.#metrics.query(query, transport),
        log: this.#context.log.bind(this.#context),
      });
      try {
        await server.start();
        this.#servers.set(key, server);
      } catch (error) {
        this.#failures.set(key, errorText(error));
      }
    }
    await this.#bindMetrics(config);
    this.#report();
    // The address may come with a link that is not there yet, or somebody else's socket may go.
    if (this.#failures.size > 0) {
      this.#retry = setTimeout(() => {
        if (this.#config === config) void this.#bind(config);
      }, rebindMs).unref();
    }
  }

  async #bindMetrics({ metrics }: DnsConfig): Promise<void> {
    const wanted = new Map(metrics.map(one => [`${one.address}#${one.port}`, one]));
    for (const [key, server] of this.#metricsServers) {
      if (wanted.has(key)) continue;
      this.#metricsServers.delete(key);
      server.close();
    }
    for (const [key, { address, port }] of wanted) {
      if (this.#metricsServers.has(key)) continue;
      const server = createServer((request, response) => {
        if (!this.#isAllowed(request.socket.remoteAddress ?? '')) return void request.socket.destroy();
        const found = request.url === '/metrics';
        response.writeHead(found ? 200 : 404, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' });
        response.end(found ? this.#metrics.text() : '404 page not found\n');
      });
      try {
        await new Promise<void>((resolve, reject) => {
          server.once('error', reject);
          server.listen({ host: address, port, reusePort: true }, resolve);
        });
        this.#metricsServers.set(key, server);
      } catch (error) {
        // Names matter more than numbers: without metrics DNS serves all the same.
        this.#failures.set(`metrics ${key}`, errorText(error));
      }
    }
  }

  #report(): void {
    const listening = Array.from(this.#servers, ([key, server]) => ({ address: key.split('#')[0]!, port: server.port }));
    const failures = Array.from(this.#failures, ([key, text]) => `${key}: ${text}`);
    const report: DnsReport = { listening, failures };
    const text = JSON.stringify(report);
    if (text === this.#lastReport) return;
    this.#lastReport = text;
    this.#context.report(report);
  }
}
