import { backoffMs } from '../base/backoff.js';
import type { Clock } from '../base/clock.js';
import type { Disposable } from '../base/disposable.js';
import { DisposableStore } from '../base/disposable.js';
import { errorText } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import { ConfigMaps, Endpoints, EndpointSlices, Namespaces, ServiceCIDRs, Services } from '../api/generated/resources.js';
import { trackingConfigMap } from '../api/legacy-tokens.js';
import type { ResourceReference } from '../api/resource-reference.js';
import type { TrustedAuthorities } from './aggregation/authentication-config-map.js';
import { authenticationConfigMap, ensureAuthenticationConfigMap } from './aggregation/authentication-config-map.js';
import type { ApiServer } from './api-server.js';
import { ensureSystemNamespaces, systemNamespaces } from './bootstrap.js';
import { defaultServiceCidrName, ensureDefaultServiceCidr } from './default-service-cidr.js';
import type { KubernetesServiceOptions } from './kubernetes-service.js';
import { ensureKubernetesService, kubernetesService } from './kubernetes-service.js';
import { ensureTokenTracking } from './legacy-token-tracking.js';

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
const retry = { initialMs: 1000, maximumMs: 30_000, jitter: 0.2 };

/**
 * What a cluster cannot do without: system namespaces, Service `kubernetes` with its endpoints, the default ServiceCIDR, the day since
 * which uses of old tokens are noted, what extension servers trust. Made at the start and again whenever somebody deletes or changes them. Source: kube-apiserver's
 * systemnamespaces, kubernetesservice, defaultservicecidr, legacytokentracking and
 * clusterauthenticationtrust controllers, which look every few seconds or later.
 */
export class StandingObjects {
  readonly #options: StandingObjectsOptions;
  readonly #held = new DisposableStore();
  #timer: Disposable | undefined;
  #running: Promise<void> | undefined;
  #again = false;
  #failures = 0;
  #stopped = false;

  constructor(options: StandingObjectsOptions) {
    this.#options = options;
  }

  /**
   * Makes what is missing and keeps it from then on. Never rejects: somebody may sit on the address of Service `kubernetes`, and can
   * be told to go only by a server that runs.
   */
  async start(): Promise<void> {
    this.#run(true);
    await this.#running;
    this.#follow(Namespaces, (_namespace, name) => systemNamespaces.includes(name));
    for (const kept of [trackingConfigMap, authenticationConfigMap])
      this.#follow(ConfigMaps, (namespace, name) => namespace === kept.namespace && name === kept.name);
    this.#follow(ServiceCIDRs, (_namespace, name) => name === defaultServiceCidrName);
    for (const resource of [Services, Endpoints, EndpointSlices]) {
      this.#follow(resource, (namespace, name) => namespace === kubernetesService.namespace && name === kubernetesService.name);
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#held.dispose();
    await this.#timer?.dispose();
    await this.#running;
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

  #follow(reference: ResourceReference, isOurs: (namespace: string, name: string) => boolean): void {
    const { group, version, resource } = reference;
    const cache = this.#options.server.endpoint(group, version, resource)?.served.store.cache;
    if (!cache) return;
    const listener = cache.listen(
      event => {
        if (event && isOurs(event.entry.namespace, event.entry.name)) this.#soon(settleMs);
      },
      { onLoaded: () => this.#soon(settleMs) },
    );
    this.#held.add(listener);
  }

  #soon(waitMs: number): void {
    if (this.#stopped) return;
    if (this.#running) this.#again = true;
    else this.#timer ??= this.#options.clock.setTimer(waitMs, () => this.#run(false));
  }

  #run(alone: boolean): void {
    this.#timer = undefined;
    this.#again = false;
    let waitMs = settleMs;
    this.#running = this.#ensure(alone)
      .then(() => void (this.#failures = 0))
      .catch((error: unknown) => {
        const text = 'what every cluster has could not be made and is tried again';
        this.#options.logger.warn(text, { error: errorText(error) });
        waitMs = backoffMs(retry, this.#failures++);
        this.#again = true;
      })
      .finally(() => {
        this.#running = undefined;
        if (this.#again) this.#soon(waitMs);
      });
  }
}
