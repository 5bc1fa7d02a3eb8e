import type { NftObject } from '../../../core/host/nftables.js';
import type { EndpointSlice, Service } from '../../../core/plugin-api/index.js';
import { baseTable } from './base-table.js';
import type { BaseSettings } from './base-table.js';
import type { HealthCheck } from './health-check-servers.js';
import { tableFamily, tableName } from './names.js';
import { servicePorts } from './service-port.js';
import type { NodeTopology, ServicePort } from './service-port.js';
import { TableState } from './table-state.js';
import { unitOf } from './unit.js';
import type { RuleSettings, Unit } from './unit.js';

export interface RulesSettings extends BaseSettings, RuleSettings, NodeTopology {}

/** A Service as it is now; undefined: gone. */
export interface ServiceState {
  /** `namespace/name`. */
  readonly key: string;
  readonly service: Service | undefined;
  readonly slices: readonly EndpointSlice[];
}

export interface RuleChanges {
  /** nft script of the difference; '' when there is none. */
  readonly script: string;
  /** UDP ports are among what changed. */
  readonly udp: boolean;
  readonly healthChecks: boolean;
}

/** From Services and slices to nft scripts. Pure: knows no kernel and no API. */
export class ServiceRules {
  readonly #state = new TableState();
  readonly #ports = new Map<string, ServicePort>();
  readonly #portsOf = new Map<string, readonly string[]>();
  readonly #healthChecks = new Map<string, HealthCheck>();
  #settings: RulesSettings;
  #udpPorts = 0;

  constructor(settings: RulesSettings) {
    this.#settings = settings;
  }

  get nodeAddresses(): readonly string[] {
    return this.#settings.nodeAddresses;
  }

  get healthChecks(): ReadonlyMap<string, HealthCheck> {
    return this.#healthChecks;
  }

  get hasUdp(): boolean {
    return this.#udpPorts > 0;
  }

  ports(): Iterable<ServicePort> {
    return this.#ports.values();
  }

  /** Whether it matters; then all Services must be given to `change` again. */
  changeNode(node: Partial<RulesSettings>): boolean {
    const next = { ...this.#settings, ...node };
    const same = JSON.stringify(next) === JSON.stringify(this.#settings);
    this.#settings = next;
    return !same;
  }

  change(services: readonly ServiceState[]): RuleChanges {
    const units = new Map<string, Unit | undefined>();
    let udp = false;
    let healthChecks = false;
    for (const { key, service, slices } of services) {
      const ports = service ? servicePorts(service, slices, this.#settings.families, this.#settings) : [];
      for (const id of this.#portsOf.get(key) ?? []) {
        udp ||= this.#ports.get(id)?.protocol === 'udp';
        this.#drop(id);
        units.set(id, undefined);
      }
      for (const port of ports) {
        udp ||= port.protocol === 'udp';
        this.#ports.set(port.id, port);
        if (port.protocol === 'udp') this.#udpPorts++;
        units.set(port.id, unitOf(port, this.#settings));
      }
      if (ports.length > 0)
        this.#portsOf.set(
          key,
          ports.map(port => port.id),
        );
      else this.#portsOf.delete(key);
      if (this.#changeHealthCheck(key, service, slices)) healthChecks = true;
    }
    return { script: this.#state.update(units), udp, healthChecks };
  }

  /** The script that replaces the table by one with everything, whatever is there. */
  wholeTable(remembered = ''): string {
    return baseTable(this.#settings) + this.#state.rebuild() + remembered;
  }

  /** Lines that put clients back into the affinity sets that exist again, from what `nft list sets` said. */
  rememberedClients(objects: readonly NftObject[]): string {
    const known = new Set([...this.#state.units.values()].flatMap(unit => [...unit.sets.keys()]));
    let lines = '';
    for (const { set } of objects) {
      const name = String(set?.['name']);
      if (set?.['table'] !== tableName || !known.has(name)) continue;
      for (const entry of (set['elem'] as unknown[] | undefined) ?? []) {
        const { elem } = entry as { elem?: { val?: unknown; expires?: unknown } };
        if (typeof elem?.val !== 'string' || typeof elem.expires !== 'number' || elem.expires <= 0) continue;
        lines += `add element ${tableFamily} ${tableName} ${name} { ${elem.val} expires ${elem.expires}s }\n`;
      }
    }
    return lines;
  }

  #drop(id: string): void {
    if (this.#ports.get(id)?.protocol === 'udp') this.#udpPorts--;
    this.#ports.delete(id);
  }

  #changeHealthCheck(key: string, service: Service | undefined, slices: readonly EndpointSlice[]): boolean {
    const known = this.#healthChecks.get(key);
    const { type, externalTrafficPolicy, healthCheckNodePort = 0 } = service?.spec ?? {};
    if (!service || type !== 'LoadBalancer' || externalTrafficPolicy !== 'Local' || healthCheckNodePort === 0) {
      return this.#healthChecks.delete(key);
    }
    const { nodeName } = this.#settings;
    // A pod with addresses of both families is in two slices, and counts once.
    const counted = { IPv4: new Set<string>(), IPv6: new Set<string>() };
    for (const { addressType, endpoints = [] } of slices) {
      for (const { nodeName: at, conditions, addresses = [] } of endpoints) {
        const isReady = conditions?.ready ?? true;
        if (at === nodeName && isReady && addressType !== 'FQDN' && addresses[0]) {
          counted[addressType === 'IPv6' ? 'IPv6' : 'IPv4'].add(addresses[0]);
        }
      }
    }
    const { namespace, name } = service.metadata;
    const localEndpoints = Math.max(counted.IPv4.size, counted.IPv6.size);
    this.#healthChecks.set(key, { namespace: namespace!, name: name!, port: healthCheckNodePort, localEndpoints });
    return known?.port !== healthCheckNodePort || known.localEndpoints !== localEndpoints;
  }
}
