import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type Router from '@koa/router';
import type { Clock } from '../base/clock.js';
import type { Disposable } from '../base/disposable.js';
import { DisposableStore, toDisposable } from '../base/disposable.js';
import type { Logger } from '../base/logger.js';
import { loadTypes } from '../api/schema-data.js';
import type { AdmissionPlugin } from '../contracts/admission.js';
import type { ApiGroup } from '../contracts/api-group.js';
import type { ApiTransport } from '../contracts/api-transport.js';
import type { ClusterDialer } from '../contracts/cluster-dialer.js';
import type { ExposedMetrics } from '../contracts/exposed-metrics.js';
import type { HttpRoutes } from '../contracts/http-routes.js';
import type { Datastore } from '../contracts/datastore.js';
import type { CataloguedResource, ExtensionGroupVersion } from '../contracts/resource-catalogue.js';
import type { TypeSet } from '../machinery/schema.js';
import type { RuleEngine } from '../machinery/structural/rule-engine.js';
import type { CertificatePair } from '../pki/cluster-certificates.js';
import { AggregatedTransport } from './aggregation/aggregated-transport.js';
import { Aggregator } from './aggregation/aggregator.js';
import type { ExtensionClients } from './aggregation/extension-objects.js';
import { builtInPriority, defaultPriority } from './aggregation/group-priorities.js';
import { serveExtensionOpenApi } from './aggregation/openapi-route.js';
import type { AuditRecord } from './audit/audit-record.js';
import { AuditedTransport } from './audit/audited-transport.js';
import type { Auditor } from './audit/auditor.js';
import type { Authenticator } from './auth/authenticator.js';
import { RequestAuthentication } from './auth/authenticator.js';
import type { Attributes, Authorizer } from './auth/authorizer.js';
import { resourceAttributes } from './auth/authorizer.js';
import { forbiddenError } from './auth/forbidden.js';
import { Impersonation } from './auth/impersonation.js';
import { selectorAttributes } from './auth/selector-attributes.js';
import { userOf } from './auth/user-info.js';
import { feedFrom } from './cache-feed.js';
import type { WebhookCaller } from './crd/conversion-webhook.js';
import { CustomResources } from './crd/custom-resources.js';
import { Discovery } from './discovery/discovery.js';
import type { RequestLimiter } from './flowcontrol/request-limiter.js';
import { ConnectHandler } from './handlers/connect-handler.js';
import type { LocalTransportOptions } from './handlers/local-transport.js';
import { LocalTransport } from './handlers/local-transport.js';
import type { ResourceEndpoint } from './handlers/resource-endpoint.js';
import { ResourceHandler } from './handlers/resource-handler.js';
import type { VirtualResource } from './handlers/virtual-resource.js';
import { Front } from './http/front.js';
import type { TlsMaterial } from './http/listener.js';
import { Listener } from './http/listener.js';
import type { HealthCheck } from './http/routes.js';
import { processMetrics, RequestMetrics } from './http/request-metrics.js';
import { PluginMetrics } from './http/plugin-metrics.js';
import { PluginRoutes } from './http/plugin-routes.js';
import { Routes } from './http/routes.js';
import { OpenApi } from './openapi/openapi.js';
import { builtDescriptions, openApiRoutes } from './openapi/openapi-routes.js';
import type { ResourceDefinition, ResourceStores } from './registry/resource-definition.js';
import { groupsByName, mountGroup } from './resources/mounted-groups.js';
import { ServedResources } from './served-resources.js';
import { StorageHub } from './storage/storage-hub.js';

export interface ApiServerOptions {
  readonly datastore: Datastore;
  readonly definitions: readonly ResourceDefinition[];
  /** Groups beside the built-in ones. */
  readonly groups?: readonly ApiGroup[];
  readonly pluginRoutes?: readonly HttpRoutes[] | undefined;
  readonly pluginMetrics?: readonly ExposedMetrics[] | undefined;
  readonly authenticator: Authenticator;
  readonly authorizer: Authorizer;
  /** Who decides when requests over HTTP are served. Absent: all at once. */
  readonly limiter?: RequestLimiter;
  /** Who writes down what was asked. Absent: nobody does. */
  readonly auditor?: Auditor | undefined;
  /** Asked for each write, so that plugins may come and go. */
  readonly admission: () => readonly AdmissionPlugin[];
  readonly clock: Clock;
  readonly logger: Logger;
  readonly listen?: { readonly host: string; readonly port: number; readonly tls: TlsMaterial };
  readonly version: Readonly<Record<string, string>>;
  readonly checks?: readonly HealthCheck[];
  /** Who is asked to convert custom resources. Absent: what would have to be converted is refused. */
  readonly conversionWebhooks?: WebhookCaller | undefined;
  /** How extension servers are reached, and what this server shows them of itself. Absent: no APIServices are made or followed. */
  readonly aggregation?: { readonly dialer: ClusterDialer; readonly client: () => CertificatePair };
  /** Get to the API of other servers; with `aggregation`. */
  readonly extensionClients?: ExtensionClients | undefined;
  /** Who holds custom resources to their rules in CEL; nobody when absent. */
  readonly ruleEngine: RuleEngine;
  /** Further routes beside the resources: OpenAPI, OIDC, metrics, plugins'. */
  readonly extendRoutes?: (router: Router, server: ApiServer) => void;
}

const stopGraceMs = 2000;
const compactEveryMs = 5 * 60_000;

/** The API server: resources over a datastore, served by HTTPS and, to parts in the process, by `transport`. */
export class ApiServer {
  readonly hub: StorageHub;
  readonly stores: ResourceStores;
  readonly transport: ApiTransport;
  readonly types: TypeSet;
  readonly #options: ApiServerOptions;
  readonly #served: ServedResources;
  readonly #customResources: CustomResources;
  readonly #front: Front;
  readonly #aggregator: Aggregator | undefined;
  readonly #listeners = new Set<() => void>();
  #discovery: Discovery | undefined;
  #listener: Listener | undefined;
  #stopping = false;
  readonly #held = new DisposableStore();

  constructor(options: ApiServerOptions) {
    this.#options = options;
    const { clock, logger, datastore } = options;
    this.hub = new StorageHub({ datastore, clock, logger: logger.child('storage') });
    this.types = loadTypes(...new Set(options.definitions.flatMap(groupsOf)));
    const groups = groupsByName(options.groups ?? [], options.definitions);
    for (const { data } of groups.values()) this.types.add(data.group, data.types, data.kinds);
    const { hub, types } = this;
    const { authorizer, admission } = options;
    this.#served = new ServedResources({ hub, clock, types, groups, authorizer, admission });
    this.stores = this.#served.stores;
    // Views last: they share the store of what they show.
    for (const definition of options.definitions) if (!definition.viewOf) this.#served.install(definition);
    for (const definition of options.definitions) if (definition.viewOf) this.#served.install(definition);
    for (const { definition, virtual } of [...groups.values()].flatMap(mountGroup)) {
      if (virtual) this.#served.installVirtual(definition, virtual);
      else this.#served.install(definition);
    }
    this.#customResources = new CustomResources({
      hub,
      clock,
      types,
      served: this.#served,
      webhooks: options.conversionWebhooks,
      ruleEngine: options.ruleEngine,
      logger: logger.child('custom-resources'),
    });
    const { aggregation, extensionClients } = options;
    this.#aggregator =
      aggregation &&
      new Aggregator({
        ...aggregation,
        stores: this.stores,
        clock,
        logger: logger.child('aggregation'),
        groupPriority: group => (groups.has(group) ? (groups.get(group)!.priority ?? defaultPriority) : undefined),
        changed: () => this.#changed(),
      });
    const aggregator = this.#aggregator;
    const openApi = new OpenApi({
      resources: this.#served.discovered(),
      types: this.types,
      describe: builtDescriptions(),
      nowMs: () => clock.now(),
      version: `${options.version['major'] ?? ''}.${options.version['minor'] ?? ''}`,
      extensions: aggregator?.openApi,
    });
    this.#served.onChange(() => {
      openApi.update(this.#served.discovered());
      this.#changed();
    });
    const endpoint = (group: string, version: string, resource: string): ResourceEndpoint | undefined =>
      this.#served.endpoint(group, version, resource);
    const virtual = (group: string, version: string, resource: string): VirtualResource | undefined =>
      this.#served.virtual(group, version, resource);
    const authorize: LocalTransportOptions['authorize'] = async (caller, { selectors, ...attributes }, audit) =>
      this.#authorize(
        resourceAttributes({
          user: userOf(caller),
          ...attributes,
          ...selectorAttributes(attributes.verb, attributes.name, new URLSearchParams(selectors)),
        }),
        audit,
      );
    const local = new LocalTransport({ hub: this.hub, clock, endpoint, virtual, authorize });
    const transport =
      aggregator && extensionClients
        ? new AggregatedTransport({
            local,
            remote: extensionClients.transport(aggregator.exchange),
            isRemote: resource => aggregator.isRemote(resource),
            authorize,
          })
        : local;
    this.transport = options.auditor ? new AuditedTransport(transport, options.auditor) : transport;
    const metrics = new RequestMetrics({
      isKnown: ({ group, version, resource, subresource }) => {
        const found = endpoint(group, version, resource);
        if (!found) return subresource === '' && virtual(group, version, resource) !== undefined;
        return subresource === '' || Object.hasOwn(found.served.definition.subresources ?? {}, subresource);
      },
      isLongRunning: info => info.verb === 'watch' || connections.handles(info),
    });
    const connections = new ConnectHandler(endpoint);
    const pluginRoutes = new PluginRoutes(options.pluginRoutes ?? [], clock, logger);
    const pluginMetrics = new PluginMetrics(
      [...(options.pluginMetrics ?? []), ...(aggregator ? [aggregator.metrics] : [])],
      logger,
    );
    const routes = new Routes({
      others: () => pluginRoutes.paths,
      discovery: () => this.discovery,
      types: this.types,
      serverAddress: () => this.address,
      livez: [{ name: 'ping', check: async () => undefined }],
      readyz: [
        { name: 'ping', check: async () => undefined },
        { name: 'datastore', check: () => this.#checkDatastore() },
        { name: 'shutdown', check: async () => (this.#stopping ? 'process is shutting down' : undefined) },
        ...(options.checks ?? []),
      ],
      version: options.version,
      extend: router => {
        openApiRoutes(
          router,
          () => openApi,
          () => clock.now(),
        );
        router.get('/metrics', context => {
          context.set('Content-Type', 'text/plain; version=0.0.4; charset=utf-8; escaping=underscores');
          context.set('Process-Start-Time-Unix', String(Math.floor(Date.now() / 1000 - process.uptime())));
          context.body = metrics.text() + this.#served.objectMetrics() + processMetrics() + pluginMetrics.text();
        });
        options.extendRoutes?.(router, this);
      },
    });
    this.#front = new Front({
      authentication: new RequestAuthentication(options.authenticator),
      impersonation: new Impersonation(options.authorizer),
      limiter: options.limiter,
      authorizer: options.authorizer,
      auditor: options.auditor,
      resources: new ResourceHandler({
        hub: this.hub,
        clock,
        endpoint,
        virtual,
        types: this.types,
      }),
      connections,
      metrics,
      route: info => {
        const owner = this.discovery.owner(info.group, info.version);
        if (owner !== undefined && owner !== 'local') return owner;
        return info.resourceRequest && this.#served.serves(info, owner !== undefined);
      },
      aggregator,
      routes: async exchange =>
        (await pluginRoutes.serve(exchange)) ||
        (aggregator !== undefined && (await serveExtensionOpenApi(aggregator, openApi, exchange))) ||
        routes.serve(exchange),
      logger: logger.child('http'),
      types: this.types,
    });
  }

  /** What is served and can be worked on by verbs: no evaluations, no subresources. */
  catalogue(): CataloguedResource[] {
    const local = this.#served.catalogue();
    const remote = this.extensionCatalogue();
    if (!this.#aggregator || this.extensions().length === 0) return local;
    return [...local.filter(({ reference }) => !this.#aggregator!.isRemote(reference)), ...remote];
  }

  /** What extension servers serve. */
  extensionCatalogue(): CataloguedResource[] {
    return this.#aggregator?.catalogue() ?? [];
  }

  /** The versions of extension servers. */
  extensions(): readonly ExtensionGroupVersion[] {
    return this.#aggregator?.groupVersions() ?? [];
  }

  /** Hears when custom or aggregated resources have come or gone. */
  onCatalogueChange(listener: () => void): Disposable {
    this.#listeners.add(listener);
    return toDisposable(() => void this.#listeners.delete(listener));
  }

  /** What is served now; made when somebody asks for the first time after a change. */
  get discovery(): Discovery {
    return (this.#discovery ??= new Discovery({
      resources: this.#served.discovered(),
      priority: (group, version) =>
        this.#aggregator?.priority(group, version) ?? builtInPriority(group, version) ?? defaultPriority,
      extensions: this.#aggregator?.versions() ?? [],
      isListed: (group, version) => this.#aggregator?.isListed(group, version) ?? true,
    }));
  }

  #changed(): void {
    this.#discovery = undefined;
    for (const listener of this.#listeners) listener();
  }

  /** Loads the store. In-process parts may call from now on. */
  async start(): Promise<void> {
    await this.hub.start();
    await this.#customResources.start();
    this.#compactLater(this.hub.revision);
  }

  /** Makes and follows APIServices: after `start`, when namespaces and roles are there. Resolves when each local one was looked at. */
  async startAggregation(): Promise<void> {
    const local = this.#served.discovered().filter(({ schemas }) => !schemas);
    const versions = new Map(
      local.map(({ group, data }) => [`${group}/${data.version}`, { group, version: data.version }] as const),
    );
    await this.#aggregator?.start({
      transport: this.transport,
      follow: (reference, feed) => feedFrom(this, reference, feed),
      local: [...versions.values()],
    });
  }

  /** Opens the port. Resolves the port. */
  async listen(): Promise<number> {
    const { listen } = this.#options;
    if (!listen) throw new Error('this API server was given no address to listen on');
    this.#listener = new Listener({
      ...listen,
      onRequest: (request, response) => this.handle(request, response),
      upgrades: request => this.#front.upgrades(request),
      onUpgrade: (request, socket, head) => this.#front.upgrade(request, socket, head),
    });
    return this.#listener.start();
  }

  /** `host:port` that clients may use. */
  get address(): string {
    const host = this.#options.listen?.host ?? '127.0.0.1';
    return `${host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host}:${this.#listener?.port ?? 0}`;
  }

  get port(): number {
    return this.#listener?.port ?? 0;
  }

  handle(request: IncomingMessage, response: ServerResponse): void {
    this.#front.handle(request, response);
  }

  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    this.#front.upgrade(request, socket, head);
  }

  renewCertificates(tls: TlsMaterial): void {
    this.#listener?.renew(tls);
  }

  /** /readyz says no from now on. */
  drain(): void {
    this.#stopping = true;
  }

  /** Refuses new connections, ends watches, lets running requests end. The datastore stays open. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#held.dispose();
    await this.#aggregator?.dispose();
    await this.#customResources.stop();
    await this.hub.stop();
    await this.#listener?.stop(stopGraceMs);
  }

  endpoint(group: string, version: string, resource: string): ResourceEndpoint | undefined {
    return this.#served.endpoint(group, version, resource);
  }

  endpoints(): Iterable<ResourceEndpoint> {
    return this.#served.endpoints();
  }

  #authorize(attributes: Attributes, audit: AuditRecord | undefined): void {
    const verdict = this.#options.authorizer.authorize(attributes);
    audit?.authorized(verdict);
    if (verdict.decision !== 'allow') throw forbiddenError(attributes, verdict.reason);
  }

  async #checkDatastore(): Promise<string | undefined> {
    try {
      await this.hub.fresh();
      return undefined;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  /** Keeps at least five minutes of history: compacts to what was the revision one interval ago. */
  #compactLater(revision: number): void {
    let timer: Disposable | undefined;
    const arm = (previous: number): void => {
      timer = this.#options.clock.setTimer(compactEveryMs, () => {
        if (this.#stopping) return;
        const current = this.hub.revision;
        const done = current === previous ? Promise.resolve() : this.hub.datastore.compact(previous);
        done
          .catch((error: unknown) => this.#options.logger.warn('compaction failed and is tried again later', { error }))
          .finally(() => arm(current));
      });
    };
    arm(revision);
    this.#held.addCallback(() => timer?.dispose());
  }
}

/** Groups whose types a resource speaks: its own, and those of the bodies of its subresources. */
function groupsOf({ reference, subresources }: ResourceDefinition): string[] {
  const bodies = Object.values(subresources ?? {}).flatMap(sub => (sub.type === 'object' ? [sub.kind.group] : []));
  return [reference.group, ...bodies];
}
