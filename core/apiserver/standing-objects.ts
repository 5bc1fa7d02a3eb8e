import type { Clock } from '../base/clock.js';
import type { Logger } from '../base/logger.js';
import { ConfigMaps, Endpoints, EndpointSlices, Namespaces, ServiceCIDRs, Services } from '../api/generated/resources.js';
import { trackingConfigMap } from '../api/legacy-tokens.js';
import type { TrustedAuthorities } from './aggregation/authentication-config-map.js';
import { authenticationConfigMap, ensureAuthenticationConfigMap } from './aggregation/authentication-config-map.js';
import type { ApiServer } from './api-server.js';
import { ensureSystemNamespaces, systemNamespaces } from './bootstrap.js';
import { defaultServiceCidrName, ensureDefaultServiceCidr } from './default-service-cidr.js';
import type { KubernetesServiceOptions } from './kubernetes-service.js';
import { ensureKubernetesService, kubernetesService } from './kubernetes-service.js';
import { ensureTokenTracking } from './legacy-token-tracking.js';
import { Upkeep } from './upkeep.js';

export interface StandingObjectsOptions {
  readonly server: ApiServer;
  readonly service: Omit<KubernetesServiceOptions, 'transport'>;
  readonly serviceCidrs: readonly string[];
  readonly trusted: TrustedAuthorities;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Long enough for all that one deletion takes along. */
const settleMs = 1000;

/**
 * What a cluster cannot do without: system namespaces, Service `kubernetes` with its endpoints, the default ServiceCIDR, the day since
 * which uses of old tokens are noted, what extension servers trust. Made at the start and again whenever somebody deletes or changes
 * them. Source: kube-apiserver's systemnamespaces, kubernetesservice, defaultservicecidr, legacytokentracking and
 * clusterauthenticationtrust controllers, which look every few seconds or later.
 */
export class StandingObjects {
  readonly #options: StandingObjectsOptions;
  readonly #upkeep: Upkeep;

  constructor(options: StandingObjectsOptions) {
    this.#options = options;
    const { server, clock, logger } = options;
    this.#upkeep = new Upkeep({
      endpoint: (group, version, resource) => server.endpoint(group, version, resource),
      ensure: isFirst => this.#ensure(isFirst),
      failure: 'what every cluster has could not be made and is tried again',
      settleMs,
      clock,
      logger,
    });
  }

  /**
   * Makes what is missing and keeps it from then on. Never rejects: somebody may sit on the address of Service `kubernetes`, and can
   * be told to go only by a server that runs.
   */
  async start(): Promise<void> {
    const upkeep = this.#upkeep;
    await upkeep.start();
    upkeep.follow(Namespaces, (_namespace, name) => systemNamespaces.includes(name));
    for (const kept of [trackingConfigMap, authenticationConfigMap])
      upkeep.follow(ConfigMaps, (namespace, name) => namespace === kept.namespace && name === kept.name);
    upkeep.follow(ServiceCIDRs, (_namespace, name) => name === defaultServiceCidrName);
    for (const resource of [Services, Endpoints, EndpointSlices]) {
      upkeep.follow(resource, (namespace, name) => namespace === kubernetesService.namespace && name === kubernetesService.name);
    }
  }

  stop(): Promise<void> {
    return this.#upkeep.stop();
  }

  async #ensure(alone: boolean): Promise<void> {
    const { server, service, serviceCidrs, trusted, clock, logger } = this.#options;
    const { transport } = server;
    await ensureSystemNamespaces(server);
    await ensureDefaultServiceCidr({ transport, cidrs: serviceCidrs, nowMs: clock.now(), logger });
    await ensureTokenTracking(transport, clock.now());
    await ensureAuthenticationConfigMap(transport, trusted, clock.now());
    await ensureKubernetesService({ transport, ...service }, alone);
  }
}
