import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { APIService } from '../../api/generated/types.js';
import { APIServices } from '../../api/generated/resources.js';
import type { Clock } from '../../base/clock.js';
import type { Disposable } from '../../base/disposable.js';
import { DisposableStore } from '../../base/disposable.js';
import { CodedError } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import type { ApiTransport } from '../../contracts/api-transport.js';
import type { ClusterDialer, DialTarget } from '../../contracts/cluster-dialer.js';
import type { ExposedMetrics } from '../../contracts/exposed-metrics.js';
import type { CataloguedResource, ExtensionGroupVersion } from '../../contracts/resource-catalogue.js';
import type { RestCall, RestExchange } from '../../contracts/rest-exchange.js';
import { isJsonObject } from '../../machinery/object.js';
import { serviceUnavailable } from '../../machinery/status-error.js';
import type { CertificatePair } from '../../pki/cluster-certificates.js';
import { userOf } from '../auth/user-info.js';
import { resolveServiceEndpoint } from '../connect/service-endpoints.js';
import type { ExtensionVersion } from '../discovery/discovery.js';
import type { ResourceStores } from '../registry/resource-definition.js';
import type { ProxyExchange } from './aggregation-proxy.js';
import { AggregationProxy } from './aggregation-proxy.js';
import type { Follow, LocalVersion } from './api-service-registration.js';
import { ApiServiceRegistration } from './api-service-registration.js';
import { ApiServiceFeed } from './api-services.js';
import { AvailabilityController } from './availability-controller.js';
import { AvailabilityMetrics } from './availability-metrics.js';
import { ExtensionDiscovery } from './extension-discovery.js';
import { ExtensionOpenApi } from './extension-openapi.js';
import type { ExtensionServer } from './extension-server.js';
import type { VersionPriority } from './group-priorities.js';
import { builtInPriority, defaultPriority } from './group-priorities.js';

export interface AggregatorOptions {
  readonly stores: ResourceStores;
  readonly dialer: ClusterDialer;
  /** The front proxy's certificate. */
  readonly client: () => CertificatePair;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Of groups that plugins serve in process. */
  readonly groupPriority: (group: string) => VersionPriority | undefined;
  /** Called when discovery is to show another thing. */
  readonly changed: () => void;
}

const longestSilenceMs = 60_000;

/** API aggregation: other servers' groups among ours. Source: kube-aggregator. */
export class Aggregator implements Disposable {
  readonly metrics: ExposedMetrics;
  readonly openApi: ExtensionOpenApi;
  readonly #options: AggregatorOptions;
  readonly #feed: ApiServiceFeed;
  readonly #discovery: ExtensionDiscovery;
  readonly #proxy: AggregationProxy;
  readonly #availabilityMetrics = new AvailabilityMetrics();
  readonly #held = new DisposableStore();
  #servers: ReadonlyMap<string, ExtensionServer> = new Map();

  constructor(options: AggregatorOptions) {
    this.#options = options;
    const { clock, logger, changed, dialer, client, stores } = options;
    this.metrics = this.#availabilityMetrics;
    this.#discovery = new ExtensionDiscovery({ clock, logger, changed });
    this.#proxy = new AggregationProxy(clock, logger);
    this.openApi = new ExtensionOpenApi({ clock, logger, servers: () => this.#feed.servers });
    this.#feed = new ApiServiceFeed({
      dialer,
      clock,
      client,
      resolve: (namespace, name, port) => resolveServiceEndpoint(stores, namespace, name, port),
      set: server => {
        this.#index();
        this.#discovery.set(server);
      },
      removed: name => {
        this.#index();
        this.#discovery.delete(name);
        this.openApi.forget(name);
      },
      reordered: changed,
    });
  }

  /** For discovery. */
  versions(): ExtensionVersion[] {
    return this.#discovery.versions();
  }

  priority(group: string, version: string): VersionPriority {
    return (
      this.#feed.priority(group, version) ??
      builtInPriority(group, version) ??
      this.#options.groupPriority(group) ??
      defaultPriority
    );
  }

  /** Whether the list of groups shows a version: not one of this server whose APIService somebody has deleted. */
  isListed(group: string, version: string): boolean {
    return builtInPriority(group, version) === undefined || !this.#feed.isDeleted(group, version);
  }

  /** The resources of extension servers, for the controllers. */
  catalogue(): CataloguedResource[] {
    return this.versions().flatMap(({ server: { group, version }, resources }) =>
      resources.flatMap(({ resource, responseKind, scope, verbs }): CataloguedResource[] => {
        const kind = isJsonObject(responseKind) ? String(responseKind['kind']) : '';
        if (!resource || !kind || !Array.isArray(verbs)) return [];
        const reference = { group, version, resource, kind, namespaced: scope === 'Namespaced' };
        return [{ reference, verbs: verbs as string[] }];
      }),
    );
  }

  groupVersions(): ExtensionGroupVersion[] {
    return this.versions()
      .map(({ server: { group, version }, isCurrent }) => ({
        group,
        version,
        isCurrent,
        priority: this.priority(group, version),
      }))
      .sort((a, b) => b.priority.version - a.priority.version)
      .map(({ group, version, isCurrent }) => ({ group, version, isCurrent }));
  }

  isRemote({ group, version }: { group: string; version: string }): boolean {
    return this.#servers.size > 0 && this.#servers.has(`${group}/${version}`);
  }

  find(group: string, version: string): ExtensionServer | undefined {
    return this.#servers.size > 0 ? this.#servers.get(`${group}/${version}`) : undefined;
  }

  serve(server: ExtensionServer, exchange: ProxyExchange): Promise<void> {
    return this.#proxy.serve(server, exchange);
  }

  upgrade(
    server: ExtensionServer,
    exchange: Parameters<AggregationProxy['upgrade']>[1],
    socket: Duplex,
    head: Buffer,
  ): Promise<void> {
    return this.#proxy.upgrade(server, exchange, socket, head);
  }

  /** Carries requests of parts in the process, which are authorized already. */
  readonly exchange: RestExchange = async (call: RestCall): Promise<IncomingMessage> => {
    const { clock } = this.#options;
    const { resource, caller, quietMs = longestSilenceMs, signal, ...request } = call;
    const server = this.find(resource.group, resource.version);
    const target = server?.isAvailable ? locate(server) : undefined;
    if (!server || !target) {
      const what = `${resource.group}/${resource.version}`;
      throw serviceUnavailable(`the server is currently unable to handle the request (${what})`);
    }
    const late = new AbortController();
    const timer = clock.setTimer(Math.min(quietMs, longestSilenceMs), () => {
      late.abort(new CodedError('EXTENSION_SLOW', 'no answer in time'));
    });
    try {
      const either = signal ? AbortSignal.any([signal, late.signal]) : late.signal;
      const answer = await server.request({ ...request, user: userOf(caller), signal: either }, target);
      return answer.setTimeout(quietMs, () => answer.destroy(new CodedError('EXTENSION_SLOW', 'no answer in time')));
    } finally {
      await timer.dispose();
    }
  };

  /** When the caches are loaded and what every cluster has is there. Resolves when every local version was looked at. */
  async start(options: {
    readonly transport: ApiTransport;
    readonly follow: Follow;
    readonly local: readonly Omit<LocalVersion, 'priority'>[];
  }): Promise<void> {
    const { stores, clock, logger, groupPriority } = this.#options;
    const { transport, follow } = options;
    const availability = new AvailabilityController({
      transport,
      stores,
      clock,
      logger,
      metrics: this.#availabilityMetrics,
      server: name => Array.from(this.#feed.servers).find(server => server.name === name),
    });
    const registration = new ApiServiceRegistration({
      transport,
      clock,
      logger,
      follow,
      local: options.local.flatMap(({ group, version }) => {
        const priority = builtInPriority(group, version) ?? groupPriority(group);
        return priority && priority.version > 0 ? [{ group, version, priority }] : [];
      }),
      current: name => stores.get<APIService>(APIServices)?.cache.get('', name)?.object,
    });
    this.#held.add(this.#feed);
    this.#held.add(this.#discovery);
    this.#held.add(availability);
    this.#held.add(registration);
    availability.start();
    this.#held.add(
      follow(APIServices, {
        upsert: object => {
          this.#feed.upsert(object);
          availability.upsert(object as unknown as APIService);
        },
        delete: (namespace, name) => {
          this.#feed.delete(namespace, name);
          availability.delete(namespace, name);
        },
      }),
    );
    await registration.start();
  }

  async dispose(): Promise<void> {
    await this.#held.dispose();
  }

  #index(): void {
    this.#servers = new Map(Array.from(this.#feed.servers, server => [`${server.group}/${server.version}`, server]));
  }
}

/** A Service that is not there must not look as if the object were not there. */
function locate(server: ExtensionServer): DialTarget | undefined {
  try {
    return server.locate();
  } catch {
    // Its condition says why, and whoever asked is told that nobody answers.
    return undefined;
  }
}
