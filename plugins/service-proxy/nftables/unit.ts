import { objectName } from './names.js';
import type { IpFamily, ServiceEndpoint, ServicePort } from './service-port.js';

/** An element of one of the shared sets and maps. */
export interface SharedElement {
  readonly set: string;
  readonly key: string;
  /** A map's value; undefined for sets. */
  readonly data: string | undefined;
  /** Of several claims to one key the lowest rank wins. */
  readonly rank: string;
}

/** A set or map of one unit alone. */
export interface OwnSet {
  readonly kind: 'set' | 'map';
  readonly declaration: string;
  /** Undefined: packets fill it. */
  readonly elements: readonly string[] | undefined;
}

/** What one service port contributes to the table. Chains and own sets belong to it alone; shared elements may be contested. */
export interface Unit {
  readonly id: string;
  readonly chains: ReadonlyMap<string, readonly string[]>;
  readonly sets: ReadonlyMap<string, OwnSet>;
  readonly elements: readonly SharedElement[];
}

export interface RuleSettings {
  /** Pod ranges of the cluster. Traffic from elsewhere to a ClusterIP is masqueraded. */
  readonly clusterCidrs: readonly string[];
  /** Addresses of this node: a load balancer that uses them answers on every local address, as a host port does. */
  readonly nodeAddresses: readonly string[];
  /** Ports of this node that no load balancer may take away on other local addresses than its own. */
  readonly reservedPorts: readonly number[];
}

export const masqueradeMark = '0x4000';
/** Up to here endpoints are a row of rules; adding maps to the kernel costs more than walking a few rules. */
const longestRow = 16;

/** The nftables objects of one service port. */
export function unitOf(port: ServicePort, settings: RuleSettings): Unit {
  return new UnitBuilder(port, settings).build();
}

class UnitBuilder {
  readonly #port: ServicePort;
  readonly #settings: RuleSettings;
  readonly #chains = new Map<string, readonly string[]>();
  readonly #sets = new Map<string, OwnSet>();
  readonly #elements: SharedElement[] = [];
  readonly #rank: string;

  constructor(port: ServicePort, settings: RuleSettings) {
    this.#port = port;
    this.#settings = settings;
    this.#rank = `${port.createdAt} ${port.id}`;
  }

  build(): Unit {
    const port = this.#port;
    const cluster = this.#balance('cluster', port.clusterEndpoints);
    const local = this.#balance('local', port.localEndpoints);
    const internal = port.internalLocal ? local : cluster;
    for (const address of port.clusterIps) {
      this.#claim('cluster-ips', address);
      if (internal) this.#claim('service-ips', this.#addressKey(address), `goto ${internal}`);
      else this.#claim('no-endpoint-ips', this.#addressKey(address), this.#refusal());
    }
    const external = this.#external(cluster, local);
    const unanswered = (port.externalLocal ? local : cluster) === undefined;
    this.#expose(external, unanswered ? this.#refusal() : undefined);
    this.#hairpins();
    return { id: port.id, chains: this.#chains, sets: this.#sets, elements: this.#elements };
  }

  /** Where traffic from outside goes; undefined when there is nobody. */
  #external(cluster: string | undefined, local: string | undefined): string | undefined {
    const { externalIps, loadBalancerIps, nodePort, externalLocal, family } = this.#port;
    if (!nodePort && externalIps.length === 0 && loadBalancerIps.length === 0) return undefined;
    const rules: string[] = [];
    if (!externalLocal) {
      if (!cluster) return undefined;
      // The answer must come back through this node, which knows the translation.
      rules.push(`meta mark set meta mark or ${masqueradeMark}`, `goto ${cluster}`);
    } else {
      // Pods and the node itself are inside: they may reach every endpoint by the outer addresses too.
      if (cluster) {
        for (const range of rangesOf(this.#settings.clusterCidrs, family)) {
          rules.push(`${ip(family)} saddr ${range} goto ${cluster}`);
        }
        rules.push(`fib saddr type local meta mark set meta mark or ${masqueradeMark}`, `fib saddr type local goto ${cluster}`);
      }
      if (local) rules.push(`goto ${local}`);
      if (rules.length === 0) return undefined;
    }
    const name = objectName('external', this.#port.id);
    this.#chains.set(name, rules);
    return name;
  }

  #expose(external: string | undefined, refusal: string | undefined): void {
    const { externalIps, loadBalancerIps, nodePort, port } = this.#port;
    const firewall = this.#firewall();
    const addresses = new Set([...externalIps, ...loadBalancerIps]);
    for (const address of addresses) {
      const key = this.#addressKey(address);
      if (external) this.#claim('service-ips', key, `goto ${external}`);
      if (refusal) this.#claim('no-endpoint-ips', key, refusal);
      if (firewall && loadBalancerIps.includes(address)) this.#claim('firewall-ips', key, `goto ${firewall}`);
    }
    if (nodePort) this.#exposePort(nodePort, '0', external, refusal);
    const { nodeAddresses, reservedPorts } = this.#settings;
    const onNode = loadBalancerIps.some(address => nodeAddresses.includes(address));
    if (onNode && !reservedPorts.includes(port)) {
      // Node ports were promised to their Services; what a load balancer finds free it may take.
      this.#exposePort(port, '1', external, refusal);
      if (firewall) this.#claim('firewall-ports', this.#portKey(port), `goto ${firewall}`, '1');
    }
  }

  #exposePort(port: number, precedence: string, external: string | undefined, refusal: string | undefined): void {
    const key = this.#portKey(port);
    if (external) this.#claim('service-ports', key, `goto ${external}`, precedence);
    if (refusal) this.#claim('no-endpoint-ports', key, refusal, precedence);
  }

  /** Nobody anywhere: refused. Somebody elsewhere, whom the policy forbids: dropped, so that a load balancer tries the next node. */
  #refusal(): string {
    return this.#port.hasAnyEndpoints ? 'drop' : 'goto refuse';
  }

  #firewall(): string | undefined {
    const { sourceRanges, family, id, loadBalancerIps } = this.#port;
    if (!sourceRanges || loadBalancerIps.length === 0) return undefined;
    const name = objectName('firewall', id);
    this.#chains.set(name, [...sourceRanges.map(range => `${ip(family)} saddr ${range} return`), 'drop']);
    return name;
  }

  /** A chain that chooses among endpoints. */
  #balance(kind: 'cluster' | 'local', endpoints: readonly ServiceEndpoint[]): string | undefined {
    if (endpoints.length === 0) return undefined;
    const { id, affinitySeconds } = this.#port;
    const name = objectName(kind, id);
    if (affinitySeconds > 0) this.#chains.set(name, this.#sticky(endpoints));
    else if (endpoints.length > longestRow) this.#chains.set(name, [this.#mapped(kind, endpoints)]);
    else this.#chains.set(name, row(endpoints.map(endpoint => this.#translation(endpoint))));
    return name;
  }

  #mapped(kind: string, endpoints: readonly ServiceEndpoint[]): string {
    const { id, family, protocol } = this.#port;
    const name = objectName('endpoints', kind, id);
    this.#sets.set(name, {
      kind: 'map',
      declaration: `typeof numgen random mod 2 : ${ip(family)} daddr . ${protocol} dport;`,
      elements: endpoints.map(({ address, port }, index) => `${index} : ${address} . ${port}`),
    });
    return `meta l4proto ${protocol} dnat ${ip(family)} to numgen random mod ${endpoints.length} map @${name}`;
  }

  /** Each endpoint remembers its clients; a client that somebody remembers goes there. */
  #sticky(endpoints: readonly ServiceEndpoint[]): string[] {
    const { id, family, affinitySeconds } = this.#port;
    const chains = endpoints.map(endpoint => {
      const chain = objectName('endpoint', id, endpoint.address, endpoint.port);
      const clients = objectName('affinity', id, affinitySeconds, endpoint.address, endpoint.port);
      this.#sets.set(clients, {
        kind: 'set',
        declaration: `type ipv${family}_addr; size 65535; flags dynamic,timeout; timeout ${affinitySeconds}s;`,
        elements: undefined,
      });
      this.#chains.set(chain, [`update @${clients} { ${ip(family)} saddr }`, this.#translation(endpoint)]);
      return { chain, clients };
    });
    return [
      ...chains.map(({ chain, clients }) => `${ip(family)} saddr @${clients} goto ${chain}`),
      ...row(chains.map(({ chain }) => `goto ${chain}`)),
    ];
  }

  #translation({ address, port }: ServiceEndpoint): string {
    const { family, protocol } = this.#port;
    const target = family === 4 ? `${address}:${port}` : `[${address}]:${port}`;
    return `meta l4proto ${protocol} dnat ${ip(family)} to ${target}`;
  }

  /** A pod that reaches itself through a Service must see the node as its peer, or it would answer past the translation. */
  #hairpins(): void {
    const { clusterEndpoints, localEndpoints } = this.#port;
    const addresses = new Set(
      [...clusterEndpoints, ...localEndpoints].filter(({ local }) => local).map(({ address }) => address),
    );
    for (const address of addresses) this.#claim('hairpins', `${address} . ${address}`);
  }

  #addressKey(address: string): string {
    return `${address} . ${this.#port.protocol} . ${this.#port.port}`;
  }

  #portKey(port: number): string {
    return `${this.#port.protocol} . ${port}`;
  }

  #claim(set: string, key: string, data?: string, precedence = '0'): void {
    this.#elements.push({ set: `${set}-${this.#port.family}`, key, data, rank: `${precedence} ${this.#rank}` });
  }
}

/** Rules that each take their share of new connections: 1 of n, then 1 of n - 1, the last all that is left. */
function row(actions: readonly string[]): string[] {
  return actions.map((action, index) => {
    const left = actions.length - index;
    return left === 1 ? action : `numgen random mod ${left} 0 ${action}`;
  });
}

function rangesOf(ranges: readonly string[], family: IpFamily): readonly string[] {
  return ranges.filter(range => range.includes(':') === (family === 6));
}

/** nft's word for the family's header. */
export function ip(family: IpFamily): 'ip' | 'ip6' {
  return family === 4 ? 'ip' : 'ip6';
}
