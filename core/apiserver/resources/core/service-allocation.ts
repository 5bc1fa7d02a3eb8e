import type { Service } from '../../../api/generated/types.js';
import { errorCode } from '../../../base/errors.js';
import type { ServiceAllocator, ServiceFamily } from '../../../contracts/service-allocator.js';
import type { BadValue, FieldPath } from '../../../machinery/field-errors.js';
import { FieldErrors, fieldPath } from '../../../machinery/field-errors.js';
import { internalError, invalid, StatusError } from '../../../machinery/status-error.js';
import {
  allocatesNodePorts,
  familyOf,
  hasNodePorts,
  isLoadBalancer,
  needsClusterIp,
  needsHealthCheck,
  sameList,
} from './service-facts.js';
import { validateServiceAddresses } from './service-validation.js';

const specPath = fieldPath('spec');
const allocatedText = 'provided port is already allocated';
/** Dry runs pick the port after the last one of the request, or after this one, which nothing can have. */
const lastDryPort = 32768;
const policyPath = specPath.child('ipFamilyPolicy');

export interface Allocation {
  readonly allocator: ServiceAllocator;
  readonly dryRun: boolean;
}

function failWith(service: Service, errors: FieldErrors): never {
  throw invalid('', 'Service', service.metadata.name, errors);
}

function refuse(service: Service, path: FieldPath, value: BadValue, text: string): never {
  const errors = new FieldErrors();
  errors.invalid(path, value, text);
  failWith(service, errors);
}

/** Fills addresses, families and ports of a Service. Source: allocateCreate. Throws Invalid, InternalError. */
export function allocateForCreate(service: Service, allocation: Allocation): void {
  const { spec } = service;
  if (spec.clusterIP && !spec.clusterIPs?.length) spec.clusterIPs = [spec.clusterIP];
  fillFamilies(service, undefined, allocation.allocator);
  allocateAddresses(service, allocation);
  const ports = new PortOperation(service, allocation);
  if (hasNodePorts(service)) createNodePorts(service, ports);
  if (needsHealthCheck(service)) allocateHealthCheckPort(service, ports);
}

/** The same for a change: what was allocated stays, unless the change says otherwise. Source: beginUpdate, allocateUpdate. */
export function allocateForUpdate(service: Service, old: Readonly<Service>, allocation: Allocation): void {
  keepAllocated(service, old);
  normalizeAddresses(service, old);
  fillFamilies(service, old, allocation.allocator);
  updateAddresses(service, old, allocation);
  const ports = new PortOperation(service, allocation);
  if (hasNodePorts(service)) updateNodePorts(service, old, ports);
  if (!needsHealthCheck(old) && needsHealthCheck(service)) allocateHealthCheckPort(service, ports);
}

function keepAllocated(service: Service, old: Readonly<Service>): void {
  const { spec } = service;
  if (needsClusterIp(old) && needsClusterIp(service)) {
    if (!spec.clusterIP && old.spec.clusterIP) spec.clusterIP = old.spec.clusterIP;
    if (!spec.clusterIPs?.length && old.spec.clusterIPs?.length) spec.clusterIPs = [...old.spec.clusterIPs];
  }
  if (allocatesNodePorts(old) && allocatesNodePorts(service)) {
    const inUse = new Set((spec.ports ?? []).map(port => port.nodePort ?? 0));
    const byName = new Map((old.spec.ports ?? []).map(port => [port.name ?? '', port.nodePort ?? 0]));
    for (const port of spec.ports ?? []) {
      const before = byName.get(port.name ?? '') ?? 0;
      if (!port.nodePort && before && !inUse.has(before)) port.nodePort = before;
    }
  }
  if (needsHealthCheck(old) && needsHealthCheck(service) && !spec.healthCheckNodePort && old.spec.healthCheckNodePort) {
    spec.healthCheckNodePort = old.spec.healthCheckNodePort;
  }
}

/** Keeps `clusterIP` and `clusterIPs` together for clients that know the first alone. */
function normalizeAddresses({ spec }: Service, { spec: old }: Readonly<Service>): void {
  if (old.clusterIPs?.length && !spec.clusterIPs?.length && (old.clusterIP ?? '') === (spec.clusterIP ?? '')) {
    spec.clusterIPs = [...old.clusterIPs];
  }
  if ((old.clusterIP ?? '') === (spec.clusterIP ?? '')) return;
  if (!sameList(old.clusterIPs, spec.clusterIPs)) return;
  if (spec.clusterIP) spec.clusterIPs = [spec.clusterIP];
  else delete spec.clusterIPs;
}

function isSettledPreferDualStack({ spec }: Service, old: Readonly<Service> | undefined): boolean {
  if (!old || spec.ipFamilyPolicy !== 'PreferDualStack' || old.spec.type !== spec.type || spec.type === 'ExternalName')
    return false;
  if (old.spec.ipFamilyPolicy !== undefined && old.spec.ipFamilyPolicy !== 'PreferDualStack') return false;
  return sameList(old.spec.clusterIPs, spec.clusterIPs) && sameList(old.spec.ipFamilies, spec.ipFamilies);
}

/** Source: initIPFamilyFields. */
function fillFamilies(service: Service, old: Readonly<Service> | undefined, { families: known }: ServiceAllocator): void {
  const { spec } = service;
  if (!needsClusterIp(service) || isSettledPreferDualStack(service, old)) return;
  const isOpenHeadless = spec.clusterIP === 'None' && !Object.keys(spec.selector ?? {}).length;
  spec.ipFamilyPolicy ??= old?.spec.ipFamilyPolicy ?? (isOpenHeadless ? 'RequireDualStack' : 'SingleStack');
  const errors = new FieldErrors();
  validateServiceAddresses(service, old, errors);
  if (!errors.empty) failWith(service, errors);
  const isSingle = spec.ipFamilyPolicy === 'SingleStack';
  if (old) releaseSecond(service, old, errors);
  if (isSingle) {
    const text = "must be 'RequireDualStack' or 'PreferDualStack' when multiple";
    if (spec.clusterIPs?.length === 2) errors.invalid(policyPath, spec.ipFamilyPolicy, `${text} cluster IPs are specified`);
    if (spec.ipFamilies?.length === 2) errors.invalid(policyPath, spec.ipFamilyPolicy, `${text} IP families are specified`);
  }
  for (const [index, address] of (spec.clusterIPs ?? []).entries()) {
    if (address === 'None') break;
    if (index < (spec.ipFamilies?.length ?? 0)) continue;
    const family = familyOf(address);
    if (family === 'unknown' || !known.includes(family)) {
      errors.invalid(specPath.child('clusterIPs').index(index), spec.clusterIPs, `${family} is not configured on this cluster`);
    } else spec.ipFamilies = [...(spec.ipFamilies ?? []), family];
  }
  if (!errors.empty) failWith(service, errors);
  const primary = known[0] ?? 'IPv4';
  const addSecond = (): void => {
    spec.ipFamilies = [...spec.ipFamilies!, spec.ipFamilies![0] === 'IPv4' ? 'IPv6' : 'IPv4'];
  };
  // Whoever makes the endpoints of such a Service decides on its families, whatever the cluster is set up for.
  if (isOpenHeadless) {
    if (!spec.ipFamilies?.length) spec.ipFamilies = [primary];
    if (spec.ipFamilies.length < 2 && !isSingle) addSecond();
    return;
  }
  if (spec.ipFamilyPolicy === 'RequireDualStack' && known.length < 2) {
    errors.invalid(policyPath, spec.ipFamilyPolicy, 'this cluster is not configured for dual-stack services');
  }
  for (const [index, family] of (spec.ipFamilies ?? []).entries()) {
    if (known.includes(family as ServiceFamily)) continue;
    errors.invalid(specPath.child('ipFamilies').index(index), family, 'not configured on this cluster');
  }
  if (!errors.empty) failWith(service, errors);
  if (!spec.ipFamilies?.length) spec.ipFamilies = [primary];
  if (!isSingle && spec.ipFamilies.length === 1 && known.length === 2) addSecond();
}

function releaseSecond({ spec }: Service, old: Readonly<Service>, errors: FieldErrors): void {
  if (spec.ipFamilyPolicy === 'SingleStack') {
    if (sameList(old.spec.clusterIPs, spec.clusterIPs) && (spec.clusterIPs?.length ?? 0) > 1)
      spec.clusterIPs = spec.clusterIPs!.slice(0, 1);
    if (sameList(old.spec.ipFamilies, spec.ipFamilies) && (spec.ipFamilies?.length ?? 0) > 1)
      spec.ipFamilies = spec.ipFamilies!.slice(0, 1);
    return;
  }
  const isReduced = (after: readonly string[] = [], before: readonly string[] = []): boolean =>
    after.length > 0 && after.length < before.length;
  if (isReduced(spec.clusterIPs, old.spec.clusterIPs)) {
    errors.invalid(policyPath, spec.ipFamilyPolicy, "must be 'SingleStack' to release the secondary cluster IP");
  }
  if (isReduced(spec.ipFamilies, old.spec.ipFamilies)) {
    errors.invalid(policyPath, spec.ipFamilyPolicy, "must be 'SingleStack' to release the secondary IP family");
  }
}

function allocateAddresses(service: Service, allocation: Allocation): void {
  const { spec } = service;
  if (!needsClusterIp(service) || spec.clusterIPs?.[0] === 'None') return;
  const addresses = [...(spec.clusterIPs ?? [])];
  spec.ipFamilies!.forEach((family, index) => {
    addresses[index] = allocateAddress(service, family as ServiceFamily, addresses[index] ?? '', allocation);
  });
  spec.clusterIPs = addresses;
  spec.clusterIP = addresses[0]!;
}

function allocateAddress(service: Service, family: ServiceFamily, wanted: string, { allocator, dryRun }: Allocation): string {
  if (wanted) {
    const problem = allocator.addressProblem(wanted);
    if (problem)
      refuse(service, specPath.child('clusterIPs'), service.spec.clusterIPs, `failed to allocate IP ${wanted}: ${problem}`);
    return wanted;
  }
  try {
    return allocator.suggestAddress(family, dryRun);
  } catch (error) {
    if (errorCode(error) !== 'RANGE_FULL') throw error;
    throw internalError(new Error(`failed to allocate a serviceIP for Service "${service.metadata.name}": range is full`));
  }
}

function updateAddresses(service: Service, old: Readonly<Service>, allocation: Allocation): void {
  const { spec } = service;
  if (isSettledPreferDualStack(service, old)) return;
  if (!needsClusterIp(old)) {
    if (needsClusterIp(service)) allocateAddresses(service, allocation);
    return;
  }
  if (old.spec.clusterIPs?.[0] === 'None' || !needsClusterIp(service)) return;
  if (old.spec.ipFamilies?.length !== 1 || spec.ipFamilies?.length !== 2) return;
  const second = allocateAddress(service, spec.ipFamilies[1] as ServiceFamily, spec.clusterIPs?.[1] ?? '', allocation);
  spec.clusterIPs = [spec.clusterIPs![0]!, second];
}

/** Node ports that one request takes: its own picks count as taken too. */
class PortOperation {
  readonly #service: Service;
  readonly #allocation: Allocation;
  readonly #taken = new Set<number>();

  constructor(service: Service, allocation: Allocation) {
    this.#service = service;
    this.#allocation = allocation;
  }

  problem(port: number): string | undefined {
    const { allocator, dryRun } = this.#allocation;
    let problem = this.#taken.has(port) ? allocatedText : allocator.portProblem(port);
    // A dry run does not look at the range, upstream's neither.
    if (dryRun && problem !== allocatedText) problem = undefined;
    if (!problem) this.#taken.add(port);
    return problem;
  }

  take(port: number, index: number): void {
    const problem = this.problem(port);
    if (problem) refuse(this.#service, specPath.child('ports').index(index).child('nodePort'), port, problem);
  }

  next(what: string): number {
    const { allocator, dryRun } = this.#allocation;
    if (dryRun) {
      const port = (this.#taken.size > 0 ? Math.max(0, ...this.#taken) : lastDryPort) + 1;
      this.#taken.add(port);
      return port;
    }
    for (let tries = 0; tries < 16; tries++) {
      try {
        const port = allocator.suggestPort(dryRun);
        if (this.#taken.has(port)) continue;
        this.#taken.add(port);
        return port;
      } catch (error) {
        if (errorCode(error) !== 'RANGE_FULL') throw error;
        throw internalError(new Error(`failed to allocate a ${what}: range is full`));
      }
    }
    throw internalError(new Error(`failed to allocate a ${what}: range is full`));
  }
}

/** Ports of one number (TCP and UDP, as for DNS) share a node port. */
function createNodePorts(service: Service, ports: PortOperation): void {
  const list = service.spec.ports ?? [];
  const shared = new Map<number, number>();
  for (const [index, port] of list.entries()) {
    if (!port.nodePort && !allocatesNodePorts(service)) continue;
    const known = shared.get(port.port);
    if (known === undefined) {
      const wanted = list.find(candidate => candidate.port === port.port && candidate.nodePort)?.nodePort;
      if (wanted) ports.take(wanted, index);
      port.nodePort = wanted ?? ports.next('nodePort');
      shared.set(port.port, port.nodePort);
    } else if (!port.nodePort) port.nodePort = known;
    else if (port.nodePort !== known) ports.take(port.nodePort, index);
  }
}

function updateNodePorts(service: Service, old: Readonly<Service>, ports: PortOperation): void {
  const before = new Set((old.spec.ports ?? []).map(port => port.nodePort ?? 0));
  const seen = new Set<string>();
  const taken = new Set<number>();
  for (const [index, port] of (service.spec.ports ?? []).entries()) {
    if (!port.nodePort && !allocatesNodePorts(service)) continue;
    if (!port.nodePort) port.nodePort = ports.next('nodePort');
    else if (!before.has(port.nodePort) && !taken.has(port.nodePort)) {
      ports.take(port.nodePort, index);
      taken.add(port.nodePort);
    }
    const key = `${port.protocol}/${port.nodePort}`;
    if (seen.has(key)) throw new StatusError(500, '', `duplicate nodePort: {${port.protocol} ${port.nodePort}}`);
    seen.add(key);
  }
}

function allocateHealthCheckPort({ spec }: Service, ports: PortOperation): void {
  const wanted = spec.healthCheckNodePort;
  if (!wanted) {
    spec.healthCheckNodePort = ports.next('HealthCheck NodePort 0');
    return;
  }
  const problem = ports.problem(wanted);
  if (problem) throw internalError(new Error(`failed to allocate requested HealthCheck NodePort ${wanted}: ${problem}`));
}

/** Drops what the new type cannot have, where the change left it as it was. Source: dropTypeDependentFields. */
export function dropTypeDependentFields(service: Service, old: Readonly<Service>): void {
  const { spec } = service;
  const before = old.spec;
  if (needsClusterIp(old) && !needsClusterIp(service)) {
    if ((before.clusterIP ?? '') === (spec.clusterIP ?? '') && sameList(before.clusterIPs, spec.clusterIPs)) {
      delete spec.clusterIP;
      delete spec.clusterIPs;
    }
    if (sameList(before.ipFamilies, spec.ipFamilies)) delete spec.ipFamilies;
    if (before.ipFamilyPolicy === spec.ipFamilyPolicy) delete spec.ipFamilyPolicy;
    if (before.internalTrafficPolicy === spec.internalTrafficPolicy) delete spec.internalTrafficPolicy;
  }
  const portsOf = (ports: Service['spec']['ports']): number[] =>
    (ports ?? []).map(port => port.nodePort ?? 0).filter(port => port > 0);
  if (hasNodePorts(old) && !hasNodePorts(service) && portsOf(spec.ports).every(port => portsOf(before.ports).includes(port))) {
    for (const port of spec.ports ?? []) delete port.nodePort;
  }
  if (needsHealthCheck(old) && !needsHealthCheck(service) && before.healthCheckNodePort === spec.healthCheckNodePort) {
    delete spec.healthCheckNodePort;
  }
  if (isLoadBalancer(old) && !isLoadBalancer(service)) {
    if (before.allocateLoadBalancerNodePorts === spec.allocateLoadBalancerNodePorts) delete spec.allocateLoadBalancerNodePorts;
    if (before.loadBalancerClass === spec.loadBalancerClass) delete spec.loadBalancerClass;
  }
  const wasAccessible = hasNodePorts(old) || (before.type === 'ClusterIP' && !!before.externalIPs?.length);
  const isAccessible = hasNodePorts(service) || (spec.type === 'ClusterIP' && !!spec.externalIPs?.length);
  if (wasAccessible && !isAccessible && before.externalTrafficPolicy === spec.externalTrafficPolicy)
    delete spec.externalTrafficPolicy;
  if (!isLoadBalancer(service)) service.status = { ...service.status, loadBalancer: {} };
}
