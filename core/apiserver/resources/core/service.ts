import type { Endpoints as EndpointsObject, Service } from '../../../api/generated/types.js';
import { Endpoints, Services } from '../../../api/generated/resources.js';
import { errorCode } from '../../../base/errors.js';
import type { PodConnector } from '../../../contracts/pod-connector.js';
import type { Reservation, ServiceAllocator } from '../../../contracts/service-allocator.js';
import { FieldErrors, fieldPath } from '../../../machinery/field-errors.js';
import { nameIsDnsLabel } from '../../../machinery/names.js';
import { cloneJson } from '../../../machinery/object.js';
import { invalid, isStatusError, serviceUnavailable } from '../../../machinery/status-error.js';
import type { RequestContext, ResourceDefinition } from '../../registry/resource-definition.js';
import { defineResource } from '../../registry/resource-definition.js';
import type { ResourceStore } from '../../registry/resource-store.js';
import { statusResetFields, statusSubresource } from '../status-subresource.js';
import { addressWarnings, cidrWarnings } from './checks.js';
import { ownWrite } from './pod-binding.js';
import { allocateForCreate, allocateForUpdate, dropTypeDependentFields } from './service-allocation.js';
import { serviceRow } from './service-columns.js';
import { claimOf, familyOf, isExternallyAccessible } from './service-facts.js';
import { serviceProxy } from './service-proxy.js';
import { validateLoadBalancerStatus, validateService, validateServiceUpdate } from './service-validation.js';

const affinitySeconds = 10800;
/** Of a new Service whose address another server takes at the same moment. */
const pickAttempts = 8;
const hintsAnnotation = 'service.kubernetes.io/topology-aware-hints';

export interface ServiceDefinitionOptions {
  readonly allocator?: ServiceAllocator | undefined;
  readonly connector?: PodConnector | undefined;
}

export function serviceDefinition({ allocator, connector }: ServiceDefinitionOptions = {}): ResourceDefinition {
  const accounts = new ServiceAccounts(allocator);
  return defineResource<Service>({
    reference: Services,
    returnsDeleted: true,
    storagePrefix: 'services/specs',
    generation: false,
    allowCreateOnUpdate: true,
    validateName: nameIsDnsLabel,
    resetFields: statusResetFields,
    defaults: defaultService,
    prepareForCreate(service, context) {
      accounts.allocate(service, context);
      service.status = { loadBalancer: {} };
    },
    prepareForUpdate(service, old, context) {
      allocateForUpdate(service, old, { allocator: accounts.open(context), dryRun: context.dryRun });
      service.status = cloneJson(old.status);
      dropTypeDependentFields(service, old);
    },
    validate: (service, errors) => validateService(service, undefined, errors),
    validateUpdate: validateServiceUpdate,
    warnings: serviceWarnings,
    row: serviceRow,
    selectableFields: {
      'spec.clusterIP': service => service.spec.clusterIP ?? '',
      'spec.type': service => service.spec.type ?? '',
    },
    subresources: {
      status: statusSubresource<Service>({
        validateUpdate(service, old, errors, context) {
          validateLoadBalancerStatus(service, old, errors);
          service.status?.loadBalancer?.ingress?.forEach(({ ip }, index) => {
            const path = fieldPath('status', 'loadBalancer', 'ingress').index(index);
            if (ip) for (const text of addressWarnings(path, ip)) context.warn(text);
          });
        },
      }),
      proxy: serviceProxy(connector),
    },
    beforeWrite: (service, old, context) => (context.dryRun ? undefined : accounts.reserve(service, old, context)),
    async afterDelete(service, context) {
      const name = service.metadata.name;
      await allocator?.release(claimOf(service));
      const endpoints = context.stores.get<EndpointsObject>(Endpoints);
      try {
        await endpoints?.delete(ownWrite(context, name, true));
      } catch (error) {
        if (!isStatusError(error, 'NotFound')) throw error;
      }
    },
  });
}

/** Keeps the allocator in step with the Services that are stored. */
class ServiceAccounts {
  readonly #allocator: ServiceAllocator | undefined;
  /** By new Service, addresses for which another one does as well. */
  readonly #picked = new WeakMap<Service, ReadonlySet<string>>();
  readonly #followed = new WeakSet<ResourceStore<Service>>();

  constructor(allocator: ServiceAllocator | undefined) {
    this.#allocator = allocator;
  }

  /** Fills a new Service, and remembers which addresses were not its maker's wish. */
  allocate(service: Service, context: RequestContext): void {
    const wanted = new Set([service.spec.clusterIP, ...(service.spec.clusterIPs ?? [])]);
    allocateForCreate(service, { allocator: this.open(context), dryRun: context.dryRun });
    const picked = claimOf(service).addresses.filter(address => !wanted.has(address));
    if (picked.length > 0) this.#picked.set(service, new Set(picked));
  }

  open({ stores }: RequestContext): ServiceAllocator {
    const allocator = this.#allocator;
    if (!allocator) throw serviceUnavailable('no service allocator');
    const store = stores.get<Service>(Services);
    if (store && !this.#followed.has(store)) {
      this.#followed.add(store);
      follow(store, allocator);
    }
    return allocator;
  }

  /** Takes what the write adds to what is stored; rolled back when it fails. */
  async reserve(service: Service, old: Readonly<Service> | undefined, context: RequestContext): Promise<Reservation | undefined> {
    const allocator = this.open(context);
    for (let attempt = 1; ; attempt++) {
      const claim = claimOf(service);
      const before = old && claimOf(old);
      const addresses = claim.addresses.filter(address => !before?.addresses.includes(address));
      const ports = claim.ports.filter(port => !before?.ports.includes(port));
      if (!addresses.length && !ports.length) return undefined;
      try {
        return await allocator.reserve({ service: claim.service, addresses, ports });
      } catch (error) {
        if (errorCode(error) !== 'ALREADY_ALLOCATED') throw error;
        // Another server was faster with an address that was picked here: another one does as well.
        if (attempt < pickAttempts && this.#pickAgain(service, allocator)) continue;
        const errors = new FieldErrors();
        errors.invalid(fieldPath('spec', 'clusterIPs'), service.spec.clusterIPs, (error as Error).message);
        throw invalid('', 'Service', service.metadata.name, errors);
      }
    }
  }

  /** Whether there was anything to pick again. */
  #pickAgain(service: Service, allocator: ServiceAllocator): boolean {
    const picked = this.#picked.get(service);
    if (!picked) return false;
    const renewed = new Set<string>();
    const addresses = (service.spec.clusterIPs ?? []).map(address => {
      const family = familyOf(address);
      if (!picked.has(address) || family === 'unknown') return address;
      const next = allocator.suggestAddress(family, false);
      renewed.add(next);
      return next;
    });
    this.#picked.set(service, renewed);
    service.spec.clusterIPs = addresses;
    service.spec.clusterIP = addresses[0]!;
    return true;
  }
}

function follow(store: ResourceStore<Service>, allocator: ServiceAllocator): void {
  const recount = (): void => {
    allocator.clear();
    for (const { object } of store.cache.entries()) allocator.record(claimOf(object));
  };
  recount();
  store.cache.listen(
    event => {
      if (!event) return;
      const claim = claimOf(event.entry.object);
      allocator.record(event.type === 'put' ? claim : { service: claim.service, addresses: [], ports: [] });
    },
    { onReset: () => allocator.clear(), onLoaded: recount },
  );
}

/** Source: SetDefaults_Service. */
function defaultService(service: Service): void {
  const { spec } = service;
  spec.sessionAffinity ||= 'None';
  if (spec.sessionAffinity === 'None') delete spec.sessionAffinityConfig;
  if (spec.sessionAffinity === 'ClientIP' && spec.sessionAffinityConfig?.clientIP?.timeoutSeconds === undefined) {
    spec.sessionAffinityConfig = { clientIP: { timeoutSeconds: affinitySeconds } };
  }
  spec.type ||= 'ClusterIP';
  for (const port of spec.ports ?? []) {
    port.protocol ||= 'TCP';
    port.targetPort ||= port.port;
  }
  if (isExternallyAccessible(service)) spec.externalTrafficPolicy ||= 'Cluster';
  if (['NodePort', 'LoadBalancer', 'ClusterIP'].includes(spec.type)) spec.internalTrafficPolicy ??= 'Cluster';
  if (spec.type !== 'LoadBalancer') return;
  spec.allocateLoadBalancerNodePorts ??= true;
  for (const ingress of service.status?.loadBalancer?.ingress ?? []) if (ingress.ip) ingress.ipMode ??= 'VIP';
}

/** Source: GetWarningsForService. */
function serviceWarnings({ spec, metadata }: Service): string[] {
  const warnings: string[] = [];
  const path = fieldPath('spec');
  if (metadata.annotations?.[hintsAnnotation] !== undefined) {
    warnings.push(`annotation ${hintsAnnotation} is deprecated, please use service.kubernetes.io/topology-mode instead`);
  }
  const isHeadless = spec.type === 'ClusterIP' && spec.clusterIP === 'None';
  if (spec.clusterIP && !isHeadless) {
    spec.clusterIPs?.forEach((address, index) =>
      warnings.push(...addressWarnings(path.child('clusterIPs').index(index), address)),
    );
  }
  if (isHeadless) {
    if (spec.loadBalancerIP) warnings.push('spec.loadBalancerIP is ignored for headless services');
    if (spec.externalIPs?.length) warnings.push('spec.externalIPs is ignored for headless services');
    if (spec.sessionAffinity !== 'None') warnings.push('spec.SessionAffinity is ignored for headless services');
  }
  spec.externalIPs?.forEach((address, index) =>
    warnings.push(...addressWarnings(path.child('externalIPs').index(index), address)),
  );
  if (spec.externalIPs?.length && !isHeadless && spec.type !== 'ExternalName') {
    warnings.push('spec.externalIPs is deprecated and may no longer be implemented in some clusters');
  }
  if (spec.loadBalancerIP) warnings.push(...addressWarnings(path.child('loadBalancerIP'), spec.loadBalancerIP));
  spec.loadBalancerSourceRanges?.forEach((range, index) => {
    warnings.push(...cidrWarnings(path.child('loadBalancerSourceRanges').index(index), range));
  });
  if (spec.type === 'ExternalName') {
    if (spec.externalIPs?.length) warnings.push('spec.externalIPs is ignored when spec.type is "ExternalName"');
  } else if (spec.externalName) warnings.push('spec.externalName is ignored when spec.type is not "ExternalName"');
  if (spec.trafficDistribution === 'PreferClose') {
    warnings.push('spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"');
  }
  return warnings;
}
