import type { DnsPort, DnsService, DnsSlice } from './state.js';
import { addressBytes, recordType, responseCode } from './wire.js';
import type { Answer, DnsRecord } from './wire.js';

export interface ZoneSettings {
  readonly domain: string;
  readonly dnsAddresses: readonly string[];
  readonly ttlSeconds: number;
}

/** An answer, or the name that stands for the one asked, whose records belong behind it. */
export type ZoneAnswer = Answer & { readonly alias?: string };

interface Target {
  readonly name: string;
  readonly address: string;
  readonly port: DnsPort | undefined;
}

const schemaVersion = '1.1.0';

/**
 * The names of Services and pods. Source: the Kubernetes DNS specification 1.1.0; where it is silent, what CoreDNS' `kubernetes`
 * plugin answers with `pods insecure`, as K3s configures it. Pure: what was asked and what is published, nothing else.
 */
export class ClusterZone {
  readonly #services = new Map<string, DnsService>();
  readonly #slices = new Map<string, Map<string, DnsSlice>>();
  readonly #sliceService = new Map<string, string>();
  readonly #namespaces = new Set<string>();
  readonly #serviceByAddress = new Map<string, Set<string>>();
  readonly #sliceByAddress = new Map<string, Set<string>>();
  #settings: ZoneSettings;
  #suffix: string;
  #serial = 1;

  constructor(settings: ZoneSettings) {
    this.#settings = settings;
    this.#suffix = `.${settings.domain}`;
  }

  configure(settings: ZoneSettings): void {
    this.#settings = settings;
    this.#suffix = `.${settings.domain}`;
  }

  /** Of the SOA record, so that secondaries and people see change. */
  touch(serial: number): void {
    this.#serial = serial;
  }

  setNamespace(name: string, present: boolean): void {
    if (present) this.#namespaces.add(name);
    else this.#namespaces.delete(name);
  }

  setService(key: string, service: DnsService | undefined): void {
    const before = this.#services.get(key);
    for (const address of before?.clusterIps ?? []) removeFrom(this.#serviceByAddress, canonical(address), key);
    if (!service) {
      this.#services.delete(key);
      return;
    }
    this.#services.set(key, service);
    for (const address of service.clusterIps) addTo(this.#serviceByAddress, canonical(address), key);
  }

  /** `key` names the slice, not its Service. */
  setSlice(key: string, slice: DnsSlice | undefined): void {
    const service = this.#sliceService.get(key);
    if (service !== undefined) {
      const slices = this.#slices.get(service)!;
      for (const { addresses } of slices.get(key)!.endpoints) {
        for (const address of addresses) removeFrom(this.#sliceByAddress, canonical(address), key);
      }
      slices.delete(key);
      if (slices.size === 0) this.#slices.delete(service);
      this.#sliceService.delete(key);
    }
    if (!slice) return;
    const owner = `${slice.namespace}/${slice.service}`;
    this.#sliceService.set(key, owner);
    const slices = this.#slices.get(owner) ?? new Map<string, DnsSlice>();
    this.#slices.set(owner, slices.set(key, slice));
    for (const { addresses } of slice.endpoints) {
      for (const address of addresses) addTo(this.#sliceByAddress, canonical(address), key);
    }
  }

  /** Undefined: not a name of this zone, somebody else may know it. `name` in lower case, without a dot at the end. */
  lookup(name: string, type: number): ZoneAnswer | undefined {
    const { domain } = this.#settings;
    if (name === domain) return this.#apex(type);
    if (name.endsWith(this.#suffix)) return this.#within(name, type);
    if (name.endsWith('.in-addr.arpa') || name.endsWith('.ip6.arpa')) return this.#reverse(name, type);
    return undefined;
  }

  #apex(type: number): ZoneAnswer {
    const { domain, ttlSeconds } = this.#settings;
    if (type === recordType.SOA) return positive([this.#soa()]);
    if (type === recordType.NS) {
      const data = { target: `ns.dns.${domain}` };
      return positive([{ name: domain, type, ttlSeconds, data }], this.#ownAddresses(`ns.dns.${domain}`, undefined));
    }
    return this.#negative(responseCode.NOERROR);
  }

  #within(name: string, type: number): ZoneAnswer {
    const { ttlSeconds } = this.#settings;
    const labels = name.slice(0, -this.#suffix.length).split('.');
    const area = labels.pop()!;
    if (area === 'svc') return this.#service(name, type, labels);
    if (area === 'pod') return this.#pod(name, type, labels);
    if (area === 'dns-version' && labels.length === 0) {
      const data = { texts: [schemaVersion] };
      return type === recordType.TXT ? positive([{ name, type, ttlSeconds, data }]) : this.#negative(responseCode.NOERROR);
    }
    if (area === 'dns' && labels.length === 1 && labels[0] === 'ns') return this.#found(this.#ownAddresses(name, type));
    const hasChildren = area === 'dns' && labels.length === 0;
    return this.#negative(hasChildren ? responseCode.NOERROR : responseCode.NXDOMAIN);
  }

  #service(name: string, type: number, labels: string[]): ZoneAnswer {
    const namespace = labels.pop();
    if (namespace === undefined) return this.#negative(responseCode.NOERROR);
    if (!this.#namespaces.has(namespace)) return this.#negative(responseCode.NXDOMAIN);
    const service = labels.pop();
    if (service === undefined) return this.#negative(responseCode.NOERROR);
    const key = `${namespace}/${service}`;
    const found = this.#services.get(key);
    if (!found || labels.length > 2) return this.#negative(responseCode.NXDOMAIN);
    if (found.externalName !== undefined) {
      if (labels.length > 0) return this.#negative(responseCode.NXDOMAIN);
      return this.#external(name, type, found.externalName);
    }
    let targets: Target[];
    if (labels.length === 2) {
      const [port = '', protocol = ''] = labels;
      if (!port.startsWith('_') || !protocol.startsWith('_')) return this.#negative(responseCode.NXDOMAIN);
      targets = this.#targets(key, found, {
        anyPort: false,
        accepts: one => one.name.toLowerCase() === port.slice(1) && one.protocol.toLowerCase() === protocol.slice(1),
      });
    } else targets = this.#targets(key, found, { hostname: labels[0], anyPort: true, accepts: () => true });
    if (targets.length === 0) return this.#negative(responseCode.NXDOMAIN);
    return this.#answer(name, type, targets);
  }

  #targets(
    key: string,
    service: DnsService,
    choice: { hostname?: string | undefined; anyPort: boolean; accepts(port: DnsPort): boolean },
  ): Target[] {
    const base = `${service.name}.${service.namespace}.svc${this.#suffix}`;
    const targets: Target[] = [];
    if (!service.headless && choice.hostname === undefined) {
      for (const port of service.ports.filter(one => choice.accepts(one))) {
        for (const address of service.clusterIps) targets.push({ name: base, address, port });
      }
      return targets;
    }
    for (const slice of this.#slices.get(key)?.values() ?? []) {
      // A headless Service may have no ports at all; its endpoints have addresses all the same.
      const portless = slice.ports.length === 0 && choice.anyPort;
      const ports = portless ? [undefined] : slice.ports.filter(one => choice.accepts(one));
      for (const { addresses, hostname } of slice.endpoints) {
        for (const address of addresses) {
          const label = hostname ?? addressLabel(address);
          if (choice.hostname !== undefined && choice.hostname !== label.toLowerCase()) continue;
          for (const port of ports) targets.push({ name: `${label}.${base}`, address, port });
        }
      }
    }
    return targets;
  }

  #answer(name: string, type: number, targets: readonly Target[]): ZoneAnswer {
    if (type === recordType.A || type === recordType.AAAA) {
      return this.#found(
        this.#addresses(
          targets.map(({ address }) => ({ name, address })),
          type,
        ),
      );
    }
    if (type !== recordType.SRV) return this.#negative(responseCode.NOERROR);
    const { ttlSeconds } = this.#settings;
    const services = new Map<string, Target>();
    for (const target of targets) if (target.port) services.set(`${target.name}:${target.port.port}`, target);
    const weight = Math.max(1, Math.floor(100 / Math.max(1, services.size)));
    const records = Array.from(services.values(), ({ name: target, port }): DnsRecord => {
      return { name, type, ttlSeconds, data: { priority: 0, weight, port: port!.port, target } };
    });
    if (records.length === 0) return this.#negative(responseCode.NOERROR);
    return positive(records, this.#addresses(targets, undefined));
  }

  #external(name: string, type: number, externalName: string): ZoneAnswer {
    const { ttlSeconds } = this.#settings;
    const alias = externalName.toLowerCase().replace(/\.$/, '');
    const asked = type === recordType.A || type === recordType.AAAA;
    // An address as the external name is no name; it is answered as the address that it is.
    if (addressBytes(alias)) return this.#answer(name, type, [{ name, address: alias, port: undefined }]);
    if (!asked && type !== recordType.CNAME) return this.#negative(responseCode.NOERROR);
    const record: DnsRecord = { name, type: recordType.CNAME, ttlSeconds, data: { target: alias } };
    return { ...positive([record]), ...(asked && { alias }) };
  }

  #pod(name: string, type: number, labels: string[]): ZoneAnswer {
    const namespace = labels.pop();
    if (namespace === undefined) return this.#negative(responseCode.NOERROR);
    if (!this.#namespaces.has(namespace)) return this.#negative(responseCode.NXDOMAIN);
    const pod = labels.pop();
    if (pod === undefined) return this.#negative(responseCode.NOERROR);
    if (labels.length > 0) return this.#negative(responseCode.NXDOMAIN);
    const isFour = pod.split('-').length === 4 && !pod.includes('--');
    const address = pod.replaceAll('-', isFour ? '.' : ':');
    if (!addressBytes(address)) return this.#negative(responseCode.NXDOMAIN);
    return this.#found(this.#addresses([{ name, address }], type));
  }

  #reverse(name: string, type: number): ZoneAnswer | undefined {
    const address = reverseAddress(name);
    if (address === undefined) return undefined;
    const names = new Set<string>();
    for (const key of this.#serviceByAddress.get(address) ?? []) {
      const service = this.#services.get(key)!;
      names.add(`${service.name}.${service.namespace}.svc${this.#suffix}`);
    }
    // Of a pod that has a hostname behind one Service and none behind others, the hostname is its name.
    const unnamed = new Set<string>();
    if (names.size === 0) {
      for (const key of this.#sliceByAddress.get(address) ?? []) {
        const slice = this.#slices.get(this.#sliceService.get(key)!)!.get(key)!;
        if (!this.#services.has(`${slice.namespace}/${slice.service}`)) continue;
        for (const { addresses, hostname } of slice.endpoints) {
          const spelled = addresses.find(one => canonical(one) === address);
          if (spelled === undefined) continue;
          const base = `${slice.service}.${slice.namespace}.svc${this.#suffix}`;
          if (hostname === undefined) unnamed.add(`${addressLabel(spelled)}.${base}`);
          else names.add(`${hostname}.${base}`);
        }
      }
    }
    const found = names.size > 0 ? names : unnamed;
    if (found.size === 0) return undefined;
    if (type !== recordType.PTR) return this.#negative(responseCode.NOERROR);
    const { ttlSeconds } = this.#settings;
    return positive(Array.from(found, target => ({ name, type, ttlSeconds, data: { target } })));
  }

  #ownAddresses(name: string, type: number | undefined): DnsRecord[] {
    return this.#addresses(
      this.#settings.dnsAddresses.map(address => ({ name, address })),
      type,
    );
  }

  /** Address records without doubles; all families when `type` is undefined. */
  #addresses(of: readonly { readonly name: string; readonly address: string }[], type: number | undefined): DnsRecord[] {
    const { ttlSeconds } = this.#settings;
    const seen = new Set<string>();
    const records: DnsRecord[] = [];
    for (const { name, address } of of) {
      const family = address.includes(':') ? recordType.AAAA : recordType.A;
      const id = `${name} ${address}`;
      if ((type !== undefined && family !== type) || seen.has(id)) continue;
      seen.add(id);
      const bytes = addressBytes(address);
      if (bytes) records.push({ name, type: family, ttlSeconds, data: { address: bytes } });
    }
    return records;
  }

  #found(records: readonly DnsRecord[]): ZoneAnswer {
    return records.length > 0 ? positive(records) : this.#negative(responseCode.NOERROR);
  }

  #negative(rcode: number): ZoneAnswer {
    return { rcode, authoritative: true, answers: [], authority: [this.#soa()], additional: [] };
  }

  #soa(): DnsRecord {
    const { domain, ttlSeconds } = this.#settings;
    const soa = {
      primary: `ns.dns.${domain}`,
      mailbox: `hostmaster.${domain}`,
      serial: this.#serial,
      refreshSeconds: 7200,
      retrySeconds: 1800,
      expireSeconds: 86_400,
      minimumSeconds: ttlSeconds,
    };
    return { name: domain, type: recordType.SOA, ttlSeconds, data: { soa } };
  }
}

function positive(answers: readonly DnsRecord[], additional: readonly DnsRecord[] = []): ZoneAnswer {
  return { rcode: responseCode.NOERROR, authoritative: true, answers, authority: [], additional };
}

/** How an endpoint without a hostname is called: its address with dashes. */
function addressLabel(address: string): string {
  return address.replace(/[.:]/g, '-');
}

function addTo(map: Map<string, Set<string>>, key: string, value: string): void {
  const set = map.get(key);
  if (set) set.add(value);
  else map.set(key, new Set([value]));
}

function removeFrom(map: Map<string, Set<string>>, key: string, value: string): void {
  const set = map.get(key);
  set?.delete(value);
  if (set?.size === 0) map.delete(key);
}

/** The same text for the same address. */
export function canonical(address: string): string {
  if (!address.includes(':')) return address;
  const bytes = addressBytes(address);
  return bytes ? Buffer.from(bytes).toString('hex') : address;
}

/** The address of a reverse name, as `canonical` gives it; undefined when it names no whole address. */
export function reverseAddress(name: string): string | undefined {
  if (name.endsWith('.in-addr.arpa')) {
    const address = name.slice(0, -'.in-addr.arpa'.length).split('.').reverse().join('.');
    return addressBytes(address) ? address : undefined;
  }
  const nibbles = name.slice(0, -'.ip6.arpa'.length).split('.');
  if (nibbles.length !== 32 || !nibbles.every(nibble => /^[0-9a-f]$/.test(nibble))) return undefined;
  return nibbles.reverse().join('');
}
