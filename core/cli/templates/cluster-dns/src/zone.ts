import { isIP } from 'node:net';
import type { EndpointSlice, Service } from 'k3s-ts/plugin';
import { codes, encodeAddress, encodeName, groupsOf, types } from './dns-message.js';
import type { DnsRecord, Reply } from './dns-message.js';

/** What the zone asks about the cluster. */
export interface Directory {
  hasNamespace(name: string): boolean;
  service(namespace: string, name: string): Service | undefined;
  slices(namespace: string, service: string): readonly EndpointSlice[];
  servicesAt(address: string): readonly Service[];
  slicesAt(address: string): readonly EndpointSlice[];
}

/** `alias`: the name whose addresses belong behind the records. */
export type ZoneReply = Reply & { readonly alias?: string };

interface Target {
  readonly name: string;
  readonly address: string;
  readonly port: number;
}

const nothing: ZoneReply = { code: codes.none, records: [] };
const unknown: ZoneReply = { code: codes.nameError, records: [] };
const serviceLabel = 'kubernetes.io/service-name';

/** The names of Services and pods. Source: the Kubernetes DNS specification 1.1.0. */
export class Zone {
  readonly #directory: Directory;
  readonly #domain: string;

  constructor(directory: Directory, domain: string) {
    this.#directory = directory;
    this.#domain = domain;
  }

  /** Undefined: no name of the cluster, others may know it. */
  lookUp(name: string, type: number): ZoneReply | undefined {
    if (name.endsWith('.in-addr.arpa') || name.endsWith('.ip6.arpa')) return this.#reverse(name, type);
    if (name === this.#domain) return nothing;
    if (!name.endsWith(`.${this.#domain}`)) return undefined;
    const labels = name.slice(0, -this.#domain.length - 1).split('.');
    const area = labels.pop();
    const namespace = labels.pop();
    if (area !== 'svc' && area !== 'pod') return unknown;
    if (namespace === undefined) return nothing;
    if (!this.#directory.hasNamespace(namespace)) return unknown;
    const own = labels.pop();
    if (own === undefined) return nothing;
    if (area === 'svc') return this.#service(name, type, namespace, own, labels);
    return labels.length === 0 ? this.#pod(name, type, own) : unknown;
  }

  #service(name: string, type: number, namespace: string, own: string, labels: readonly string[]): ZoneReply {
    const service = this.#directory.service(namespace, own);
    if (!service || labels.length > 2) return unknown;
    const { externalName, type: kind } = service.spec;
    if (kind === 'ExternalName') {
      if (labels.length > 0 || externalName === undefined) return unknown;
      const alias = externalName.toLowerCase().replace(/\.$/, '');
      const followed = type === types.A || type === types.AAAA;
      if (!followed && type !== types.CNAME) return nothing;
      return { code: codes.none, records: [{ name, type: types.CNAME, data: encodeName(alias) }], ...(followed && { alias }) };
    }
    const [port, protocol] = labels.length === 2 ? labels : [];
    const hostname = labels.length === 1 ? labels[0] : undefined;
    const targets = this.#targets(service, hostname, port, protocol);
    if (targets.length === 0) return unknown;
    if (type === types.SRV && port !== undefined) return { code: codes.none, records: srvRecords(name, targets) };
    return addressReply(
      name,
      type,
      targets.map(({ address }) => address),
    );
  }

  /** `port` and `protocol` as in names: `_http`, `_tcp`. */
  #targets({ metadata, spec }: Service, hostname?: string, port?: string, protocol?: string): Target[] {
    const base = `${metadata.name}.${metadata.namespace}.svc.${this.#domain}`;
    const isMeant = (each: { name?: string; protocol?: string }): boolean =>
      port === undefined || (`_${each.name}` === port && `_${(each.protocol ?? 'TCP').toLowerCase()}` === protocol);
    if (spec.clusterIP !== 'None' && hostname === undefined) {
      const meant = spec.ports?.find(isMeant);
      return meant ? addressesOf(spec).map(address => ({ name: base, address, port: meant.port })) : [];
    }
    return this.#directory.slices(metadata.namespace!, metadata.name!).flatMap(({ endpoints, ports }) => {
      const meant = ports?.find(isMeant)?.port;
      if (port !== undefined && meant === undefined) return [];
      const ready = (endpoints ?? []).filter(({ conditions }) => conditions?.ready !== false);
      return ready
        .flatMap(({ addresses, hostname: label }) =>
          (addresses ?? []).map(address => ({ address, label: label ?? labelOf(address) })),
        )
        .filter(({ label }) => hostname === undefined || label === hostname)
        .map(({ address, label }) => ({ name: `${label}.${base}`, address, port: meant ?? 0 }));
    });
  }

  #pod(name: string, type: number, own: string): ZoneReply {
    const four = own.replaceAll('-', '.');
    const address = isIP(four) === 4 ? four : own.replaceAll('-', ':');
    return isIP(address) === 0 ? unknown : addressReply(name, type, [address]);
  }

  #reverse(name: string, type: number): ZoneReply | undefined {
    const address = name
      .replace(/\.(in-addr|ip6)\.arpa$/, '')
      .split('.')
      .reverse()
      .join(name.endsWith('.ip6.arpa') ? '' : '.');
    const services = this.#directory.servicesAt(address).map(({ metadata }) => `${metadata.name}.${metadata.namespace}`);
    const endpoints = this.#directory.slicesAt(address).flatMap(slice => {
      const found = slice.endpoints?.find(({ addresses }) => addresses?.some(each => reverseKey(each) === address));
      const label = found?.hostname ?? labelOf(found?.addresses?.[0] ?? '');
      return `${label}.${slice.metadata.labels?.[serviceLabel]}.${slice.metadata.namespace}`;
    });
    const names = services.length > 0 ? services : endpoints;
    if (names.length === 0) return undefined;
    if (type !== types.PTR) return nothing;
    const records = names.map(each => ({ name, type, data: encodeName(`${each}.svc.${this.#domain}`) }));
    return { code: codes.none, records };
  }
}

export function addressesOf({ clusterIP, clusterIPs }: Service['spec']): string[] {
  return (clusterIPs ?? [clusterIP ?? '']).filter(address => isIP(address) !== 0);
}

/** The same text as in a reverse name, read backwards. */
export function reverseKey(address: string): string {
  return address.includes(':') ? groupsOf(address).join('') : address;
}

export function addressRecords(name: string, addresses: readonly string[]): DnsRecord[] {
  return [...new Set(addresses)].map(address => {
    return { name, type: address.includes(':') ? types.AAAA : types.A, data: encodeAddress(address) };
  });
}

function addressReply(name: string, type: number, addresses: readonly string[]): ZoneReply {
  return { code: codes.none, records: addressRecords(name, addresses).filter(record => record.type === type) };
}

/** One for each name: it may have addresses of both families. */
function srvRecords(name: string, targets: readonly Target[]): DnsRecord[] {
  const ports = new Map(targets.map(target => [target.name, target.port]));
  return Array.from(ports, ([target, port]) => {
    const numbers = Buffer.alloc(6);
    numbers.writeUInt16BE(1, 2);
    numbers.writeUInt16BE(port, 4);
    return { name, type: types.SRV, data: Buffer.concat([numbers, encodeName(target)]) };
  });
}

/** How an endpoint without a hostname is called. */
function labelOf(address: string): string {
  return address.replace(/[.:]/g, '-');
}
