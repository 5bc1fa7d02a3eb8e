import { chmod, mkdir, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Clock } from '../base/clock.js';
import { CelRuleEngine } from '../machinery/structural/rule-engine.js';
import type { WebhookCaller } from './crd/conversion-webhook.js';
import { DisposableStore, toDisposable } from '../base/disposable.js';
import { errorCode } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import type { AdmissionPlugin } from '../contracts/admission.js';
import type { ApiGroup } from '../contracts/api-group.js';
import type { ApiTransport } from '../contracts/api-transport.js';
import type { ClusterAuthority } from '../contracts/cluster-authority.js';
import type { ClusterDialer } from '../contracts/cluster-dialer.js';
import type { ClusterPaths } from '../contracts/cluster-paths.js';
import type { ClusterSettings } from '../contracts/cluster-settings.js';
import type { ExposedMetrics } from '../contracts/exposed-metrics.js';
import type { HttpRoutes } from '../contracts/http-routes.js';
import type { Datastore } from '../contracts/datastore.js';
import type { NodeCredentials } from '../contracts/node-credentials.js';
import type { PodConnector } from '../contracts/pod-connector.js';
import type { Part } from '../contracts/part.js';
import type { ResourceCatalogue } from '../contracts/resource-catalogue.js';
import type { Node } from '../api/generated/types.js';
import {
  MutatingAdmissionPolicies,
  MutatingAdmissionPolicyBindings,
  MutatingWebhookConfigurations,
  ValidatingAdmissionPolicies,
  ValidatingAdmissionPolicyBindings,
  ValidatingWebhookConfigurations,
} from '../api/generated/resources.js';
import { generatedData } from '../api/schema-data.js';
import { writeFileAtomically } from '../pki/atomic-file.js';
import type { ClusterCertificates } from '../pki/cluster-certificates.js';
import { readCertificateRequest } from '../pki/certificate-request.js';
import { ensureClusterCertificates } from '../pki/cluster-certificates.js';
import { formatJoinToken, randomPassword } from '../pki/join-token.js';
import { kubeconfigYaml } from '../pki/kubeconfig.js';
import type { TolerationSeconds } from './admission/default-toleration-seconds.js';
import type { ExtensionClients } from './aggregation/extension-objects.js';
import { ExtensionParams } from './aggregation/extension-params.js';
import type { BuiltInAdmission } from './admission/index.js';
import { builtInAdmission } from './admission/index.js';
import { MatchConditionMetrics } from './admission/match-condition-metrics.js';
import { PolicyAdmission } from './admission/policies/index.js';
import { MutationMetrics } from './admission/policies/mutation-metrics.js';
import { ValidatingPolicyMetrics } from './admission/policies/validating-metrics.js';
import { DynamicAdmission } from './admission/webhooks/index.js';
import { WebhookMetrics } from './admission/webhooks/webhook-metrics.js';
import { ApiServer } from './api-server.js';
import { AuditMetrics } from './audit/audit-metrics.js';
import type { AuditSettings, AuditSurroundings } from './audit/audit-settings.js';
import { openAudit } from './audit/audit-settings.js';
import type { Auditor } from './audit/auditor.js';
import { AuthenticatorChain, TokenAuthenticatorChain } from './auth/authenticator.js';
import { MastersAuthorizer, UnionAuthorizer } from './auth/authorizer.js';
import { BearerTokenAuthenticator } from './auth/bearer-token-authenticator.js';
import type { BootstrapTokenSecret } from './auth/bootstrap-token-authenticator.js';
import { BootstrapTokenAuthenticator } from './auth/bootstrap-token-authenticator.js';
import type { BootstrapPolicyData } from './auth/bootstrap-policy.js';
import { CompiledRules } from './auth/compiled-rules.js';
import { EscalationGuard } from './auth/escalation.js';
import type { RequestLimits } from './flowcontrol/flow-control.js';
import { defaultRequestLimits, FlowControl } from './flowcontrol/flow-control.js';
import { FlowControlObjects } from './flowcontrol/flow-control-objects.js';
import { NodeAuthorizer } from './auth/node-authorizer.js';
import { NodeGraph } from './auth/node-graph.js';
import { celMatchExpressions } from './match-expressions.js';
import { celPolicyExpressions } from './policy-expressions.js';
import { checkRepresentable } from './handlers/negotiation.js';
import { jwksPath, openidConfigurationPath, openidMaxAgeSeconds } from './auth/openid-metadata.js';
import type { PolicyRule } from './auth/rbac-types.js';
import { RbacAuthorizer } from './auth/rbac-authorizer.js';
import { RbacStore } from './auth/rbac-store.js';
import { RequestHeaderAuthenticator } from './auth/request-header-authenticator.js';
import { X509Authenticator } from './auth/x509-authenticator.js';
import { apiServerIdentity, bootstrap } from './bootstrap.js';
import { setFileGroup } from './file-owner.js';
import { feedFrom, feedNodeGraph, feedRbac, feedServiceAllocator } from './cache-feed.js';
import { LocalDialer } from './connect/local-dialer.js';
import { NodePodConnector } from './connect/node-pod-connector.js';
import { resolveServiceEndpoint } from './connect/service-endpoints.js';
import { WebhookClients } from './connect/webhook-clients.js';
import { advertisedAddress } from './kubernetes-service.js';
import { InMemoryServiceAllocator } from './resources/core/service-allocator.js';
import { resourceDefinitions } from './resources/index.js';
import { LegacyTokenUses } from './legacy-token-tracking.js';
import { ServiceAccountTokens } from './service-account-tokens.js';
import { ServiceAddresses } from './service-addresses.js';
import { ServedParams } from './served-params.js';
import { ServedShapes } from './served-shapes.js';
import { StandingObjects } from './standing-objects.js';

export interface ApiServerPartOptions {
  readonly datastore: Datastore;
  readonly paths: ClusterPaths;
  readonly settings: ClusterSettings;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Beside the built-in ones. */
  readonly admission: () => readonly AdmissionPlugin[];
  /** Groups that other parts serve. */
  readonly groups?: readonly ApiGroup[];
  readonly routes?: readonly HttpRoutes[];
  readonly metrics?: readonly ExposedMetrics[];
  /** Who is asked to convert custom resources; absent: the webhook that a definition names. */
  readonly conversionWebhooks?: WebhookCaller | undefined;
  /** Built-in plugins to leave out. */
  readonly disabledAdmission?: readonly string[];
  readonly tolerationSeconds?: TolerationSeconds;
  /** Upstream's when absent. */
  readonly requestLimits?: RequestLimits | undefined;
  /** What is written down of requests, and who reads the webhook's kubeconfig. Absent: nothing. */
  readonly audit?: { readonly settings: AuditSettings; readonly endpoint: AuditSurroundings['endpoint'] } | undefined;
  /** The way to what runs on nodes; absent: through their kubelets. */
  readonly podConnector?: PodConnector | undefined;
  /** Absent: this machine's network. */
  readonly dialer?: ClusterDialer | undefined;
  /** For parts that call extension servers, and policies whose parameters lie there. Absent: they cannot. */
  readonly extensionClients?: ExtensionClients | undefined;
}

/** The common name of the front proxy's certificate. */
const proxyName = 'system:auth-proxy';
const jwksType = 'application/jwk-set+json';

/** The API server as the kernel starts it: certificates, authorities, bootstrap objects, port, kubeconfig. */
export class ApiServerPart implements Part {
  readonly #options: ApiServerPartOptions;
  #certificates: ClusterCertificates | undefined;
  #tokens: ServiceAccountTokens | undefined;
  #server: ApiServer | undefined;
  readonly #catalogueListeners = new Set<() => void>();
  #held = new DisposableStore();

  constructor(options: ApiServerPartOptions) {
    this.#options = options;
  }

  /** For parts in the same process; usable as soon as this part is started. */
  get transport(): ApiTransport {
    const current = (): ApiTransport => this.server.transport;
    return {
      get: request => current().get(request),
      list: request => current().list(request),
      watch: request => current().watch(request),
      create: request => current().create(request),
      update: request => current().update(request),
      patch: request => current().patch(request),
      delete: request => current().delete(request),
      deleteCollection: request => current().deleteCollection(request),
    };
  }

  /** For the controllers: what is served now. */
  get catalogue(): ResourceCatalogue {
    return {
      resources: () => (this.#server ? this.#server.catalogue() : []),
      extensions: () => (this.#server ? this.#server.extensions() : []),
      onChange: listener => {
        this.#catalogueListeners.add(listener);
        return toDisposable(() => void this.#catalogueListeners.delete(listener));
      },
    };
  }

  /** For the controllers: the authorities, usable after `start`. */
  get authority(): ClusterAuthority {
    const certificates = (): ClusterCertificates => this.certificates;
    return {
      get serverCaPem() {
        return certificates().serverCaPem;
      },
      inspect: requestPem => {
        const { subject, dnsNames, ipAddresses, otherNames } = readCertificateRequest(requestPem);
        return { ...subject, dnsNames, ipAddresses, otherNames };
      },
      sign: ({ requestPem, authority, usages, lifetimeMs }) => {
        const { clientAuthority, serverAuthority } = certificates();
        const signer = authority === 'client' ? clientAuthority : serverAuthority;
        return signer.signRequest(requestPem, { usages, lifetimeMs, nowMs: this.#options.clock.now() });
      },
      serviceAccountToken: (account, secretName) => {
        if (!this.#tokens) throw new Error('the API server is not started');
        return this.#tokens.secretToken(account, secretName);
      },
    };
  }

  /** For the kubelet of this process, and for agents through the supervisor; usable after `init`. */
  get nodeCredentials(): NodeCredentials {
    return {
      clientCaPem: async () => this.certificates.clientCaPem,
      kubeletServing: ({ nodeName, addresses, keyPem, currentPem }) => {
        const nowMs = this.#options.clock.now();
        return this.certificates.kubeletServing({ name: nodeName, addresses }, keyPem, currentPem, nowMs);
      },
    };
  }

  get server(): ApiServer {
    if (!this.#server) throw new Error('the API server is not started');
    return this.#server;
  }

  get certificates(): ClusterCertificates {
    if (!this.#certificates) throw new Error('the certificates are not ready');
    return this.#certificates;
  }

  async init(): Promise<void> {
    const { paths, settings, clock } = this.#options;
    this.#certificates = await ensureClusterCertificates({
      directory: paths.server.tlsDir,
      clusterDomain: settings.clusterDomain,
      serviceAddresses: settings.serviceCidrs.map(firstAddress),
      nodeName: settings.nodeName,
      nodeAddresses: settings.nodeIps,
      tlsSans: settings.tlsSans,
      nowMs: clock.now(),
    });
  }

  async start(): Promise<void> {
    const auditMetrics = new AuditMetrics(this.#options.logger.child('audit'), this.#options.clock);
    const auditor = await this.#openAudit(auditMetrics);
    const { datastore, settings, clock, logger, admission } = this.#options;
    const certificates = this.certificates;
    const roles = new RbacStore();
    const nodes = new NodeGraph();
    const find = (resource: string, namespace: string, name: string): unknown =>
      this.#server?.endpoint('', 'v1', resource)?.served.store.cache.get(namespace, name)?.object;
    const tokenUses = new LegacyTokenUses(() => this.server.transport, logger.child('tokens'));
    const tokens = new ServiceAccountTokens({
      keyPem: certificates.serviceKeyPem,
      clusterDomain: settings.clusterDomain,
      clock,
      find,
      noteUse: (secret, day) => tokenUses.note(secret, day),
      advertised: () => this.#advertised(),
    });
    this.#tokens = tokens;
    const allocator = new ServiceAddresses(
      new InMemoryServiceAllocator({ cidrs: settings.serviceCidrs, nodePorts: settings.serviceNodePortRange, clock }),
      clock,
      logger.child('service-addresses'),
    );
    const bootstrapTokens = new BootstrapTokenAuthenticator(
      name => find('secrets', 'kube-system', name) as BootstrapTokenSecret | undefined,
      clock,
    );
    const tokenAuthenticator = new TokenAuthenticatorChain([tokens.authenticator, bootstrapTokens]);
    const proxyCaPem = certificates.requestHeaderAuthority.certificatePem;
    const rbac = new RbacAuthorizer(roles);
    const authorizer = new UnionAuthorizer([
      new MastersAuthorizer(),
      new NodeAuthorizer(nodes, new CompiledRules(nodeRules())),
      rbac,
    ]);
    const expressions = celMatchExpressions(authorizer, clock);
    let builtIn: BuiltInAdmission | undefined;
    const ruleEngine = new CelRuleEngine();
    const webhookMetrics = new WebhookMetrics();
    const conditionMetrics = new MatchConditionMetrics();
    const mutationMetrics = new MutationMetrics();
    const policyMetrics = new ValidatingPolicyMetrics();
    const dialer = this.#options.dialer ?? new LocalDialer();
    const clients = new WebhookClients({
      dialer,
      clock,
      resolve: (namespace, name, port) => resolveServiceEndpoint(this.server.stores, namespace, name, port),
      userAgent: `kube-apiserver-admission/${settings.version}`,
    });
    const flowControl = new FlowControl({
      limits: this.#options.requestLimits ?? defaultRequestLimits,
      clock,
      logger: logger.child('flow-control'),
      stored: ({ group, version, resource }) => this.server.endpoint(group, version, resource)?.served.store.cache,
    });
    const server = new ApiServer({
      datastore,
      definitions: resourceDefinitions({
        guard: new EscalationGuard(rbac, authorizer),
        authorizer,
        resolver: rbac,
        expressions,
        policyExpressions: celPolicyExpressions,
        resourceNames: (group, version, kind) => this.#resourceNamed(group, version, kind),
        ruleEngine,
        tokens: tokenAuthenticator,
        audiences: tokens.audiences,
        tokenIssuer: tokens.issuer,
        serviceAllocator: allocator,
        podConnector: this.#options.podConnector ?? this.#nodeConnector(certificates),
      }),
      groups: this.#options.groups,
      conversionWebhooks: this.#options.conversionWebhooks ?? clients,
      aggregation: { dialer, client: () => certificates.clients['client-auth-proxy'] },
      extensionClients: this.#options.extensionClients,
      ruleEngine,
      pluginRoutes: this.#options.routes,
      pluginMetrics: [
        ...(this.#options.metrics ?? []),
        webhookMetrics,
        conditionMetrics,
        mutationMetrics,
        policyMetrics,
        flowControl,
        tokens.metrics,
        ...(auditor ? [auditMetrics] : []),
      ],
      authenticator: new AuthenticatorChain([
        new RequestHeaderAuthenticator({ clientCaPem: () => proxyCaPem, clock, allowedNames: [proxyName] }),
        new X509Authenticator({ clientCaPem: () => certificates.clientCaPem, clock }),
        new BearerTokenAuthenticator(tokenAuthenticator),
      ]),
      authorizer,
      admission: () => (builtIn ? [...builtIn.first, ...admission(), ...builtIn.last] : admission()),
      clock,
      logger,
      version: versionDocument(settings.version),
      listen: {
        host: settings.bindAddress,
        port: settings.httpsListenPort,
        // Go's clients send only certificates of authorities that are named to them.
        tls: { ...certificates.serving, clientCaPem: `${certificates.clientCaPem}${proxyCaPem}` },
      },
      limiter: flowControl.limiter,
      auditor,
      extendRoutes: router => {
        flowControl.addRoutes(router);
        router.get('/ping', context => {
          context.body = 'pong';
        });
        const { configurationJson, keysJson } = tokens.metadata();
        router.get(openidConfigurationPath, context => {
          context.set('Cache-Control', `public, max-age=${openidMaxAgeSeconds}`);
          context.type = 'application/json';
          context.body = configurationJson;
        });
        router.get(jwksPath, context => {
          checkRepresentable(context.headers.accept, [jwksType]);
          context.set('Cache-Control', `public, max-age=${openidMaxAgeSeconds}`);
          context.type = jwksType;
          context.body = keysJson;
        });
        router.get('/cacerts', context => {
          context.type = 'text/plain';
          context.body = certificates.serverCaPem;
        });
      },
    });
    const shapes = new ServedShapes(server);
    const dynamic = new DynamicAdmission({
      clients,
      shapes,
      expressions,
      metrics: webhookMetrics,
      conditionMetrics,
      clock,
      logger: logger.child('webhooks'),
    });
    const { extensionClients } = this.#options;
    const extensionParams =
      extensionClients &&
      new ExtensionParams({
        clock,
        catalogue: () => server.extensionCatalogue(),
        follow: resource => extensionClients.follow(server.transport, resource),
      });
    const policies = new PolicyAdmission({
      authorizer,
      shapes,
      params: new ServedParams(server, extensionParams),
      conditionMetrics,
      mutationMetrics,
      validatingMetrics: policyMetrics,
      clock,
    });
    builtIn = builtInAdmission({
      dynamic,
      policies,
      stores: server.stores,
      authorizer,
      clock,
      disabled: this.#options.disabledAdmission,
      tolerationSeconds: this.#options.tolerationSeconds,
    });
    this.#server = server;
    this.#held = new DisposableStore();
    if (auditor) this.#held.addCallback(() => auditor.stop());
    server.onCatalogueChange(() => {
      extensionParams?.refresh();
      for (const listener of this.#catalogueListeners) listener();
    });
    this.#held.addCallback(() => server.stop());
    if (extensionParams) this.#held.add(extensionParams);
    this.#held.add(clients);
    this.#held.add(feedFrom(server, MutatingWebhookConfigurations, dynamic.mutating));
    this.#held.add(feedFrom(server, ValidatingWebhookConfigurations, dynamic.validating));
    this.#held.add(feedFrom(server, MutatingAdmissionPolicies, policies.mutating.policies));
    this.#held.add(feedFrom(server, MutatingAdmissionPolicyBindings, policies.mutating.bindings));
    this.#held.add(feedFrom(server, ValidatingAdmissionPolicies, policies.validating.policies));
    this.#held.add(feedFrom(server, ValidatingAdmissionPolicyBindings, policies.validating.bindings));
    this.#held.add(feedRbac(server, roles));
    this.#held.add(flowControl.follow(server));
    this.#held.add(feedNodeGraph(server, nodes));
    this.#held.add(allocator.attach(server));
    this.#held.add(feedServiceAllocator(server, allocator));
    await server.start();
    const flowControlObjects = new FlowControlObjects({
      transport: server.transport,
      caller: apiServerIdentity,
      endpoint: (group, version, resource) => server.endpoint(group, version, resource),
      keepsConditions: flowControl.isFair,
      clock,
      logger: logger.child('flow-control'),
    });
    this.#held.addCallback(() => flowControlObjects.stop());
    await Promise.all([bootstrap(server, logger), flowControlObjects.start()]);
    await server.startAggregation();
    await server.listen();
    const standing = new StandingObjects({
      server,
      service: {
        clusterIp: firstAddress(settings.serviceCidrs[0]!),
        address: advertisedAddress(settings.advertiseAddress, settings.nodeIps),
        port: settings.advertisePort ?? server.port,
      },
      serviceCidrs: settings.serviceCidrs,
      trusted: { clientCaPem: certificates.clientCaPem, requestHeaderCaPem: proxyCaPem, allowedNames: [proxyName] },
      clock,
      logger: logger.child('standing-objects'),
    });
    this.#held.addCallback(() => standing.stop());
    await standing.start();
    await this.#writeFiles();
  }

  async #openAudit(metrics: AuditMetrics): Promise<Auditor | undefined> {
    const { audit, clock, logger } = this.#options;
    if (!audit) return undefined;
    return openAudit(audit.settings, { clock, logger: logger.child('audit'), metrics, endpoint: audit.endpoint });
  }

  /** The plural name of a kind that is served. */
  #resourceNamed(group: string, version: string, kind: string): string | undefined {
    const found = this.#server?.catalogue().find(({ reference }) => {
      return reference.kind === kind && reference.group === group && reference.version === version;
    });
    return found?.reference.resource;
  }

  #nodeConnector(certificates: ClusterCertificates): PodConnector {
    return new NodePodConnector({
      dialer: this.#options.dialer ?? new LocalDialer(),
      node: name => this.#server?.endpoint('', 'v1', 'nodes')?.served.store.cache.get('', name)?.object as Node | undefined,
      serverCaPem: () => certificates.serverCaPem,
      client: () => certificates.clients['client-kube-apiserver'],
    });
  }

  /** `host:port` under which others reach this server. */
  #advertised(): string {
    const { settings } = this.#options;
    const host = advertisedAddress(settings.advertiseAddress, settings.nodeIps) ?? '127.0.0.1';
    return `${host.includes(':') ? `[${host}]` : host}:${settings.advertisePort ?? settings.httpsListenPort}`;
  }

  /** A real read, through the whole of the server but its port. */
  async ready(): Promise<void> {
    await this.server.hub.fresh();
    const endpoint = this.server.endpoint('', 'v1', 'namespaces');
    if (!endpoint) return;
    await this.transport.get({ caller: apiServerIdentity, resource: endpoint.served.definition.reference, name: 'kube-system' });
  }

  drain(): void {
    this.#server?.drain();
  }

  async stop(): Promise<void> {
    await this.#held.dispose();
    this.#server = undefined;
  }

  async #writeFiles(): Promise<void> {
    const { paths, settings, logger } = this.#options;
    const certificates = this.certificates;
    const { mode, group, name } = settings.kubeconfig;
    const host = settings.bindAddress === '0.0.0.0' || settings.bindAddress === '::' ? '127.0.0.1' : settings.bindAddress;
    const text = kubeconfigYaml({
      server: `https://${host.includes(':') ? `[${host}]` : host}:${this.server.port}`,
      caPem: certificates.serverCaPem,
      ...certificates.clients['client-admin'],
      name,
    });
    await mkdir(dirname(paths.kubeconfigFile), { recursive: true });
    if ((await readOrEmpty(paths.kubeconfigFile)) !== text) await writeFileAtomically(paths.kubeconfigFile, text, mode);
    // One of an earlier start may have another mode.
    await chmod(paths.kubeconfigFile, mode);
    try {
      if (group !== undefined) await setFileGroup(paths.kubeconfigFile, group);
    } catch (error) {
      logger.error(`the group of ${paths.kubeconfigFile} could not be set`, { error });
    }
    if (!(await readOrEmpty(paths.server.tokenFile))) {
      const token = formatJoinToken(certificates.serverCaPem, 'server', settings.token ?? randomPassword());
      await mkdir(paths.server.dir, { recursive: true });
      await writeFileAtomically(paths.server.tokenFile, `${token}\n`);
    }
  }
}

async function readOrEmpty(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return '';
    throw error;
  }
}

/** The first address of a range: what the `kubernetes` Service gets. */
export function firstAddress(cidr: string): string {
  const base = cidr.split('/')[0]!;
  if (base.includes(':')) return base.endsWith('::') ? `${base}1` : base;
  const bytes = base.split('.').map(Number);
  const value = ((bytes[0]! << 24) | (bytes[1]! << 16) | (bytes[2]! << 8) | bytes[3]!) + 1;
  return [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255].join('.');
}

/** What the bootstrap policy gives every node. */
function nodeRules(): PolicyRule[] {
  const { clusterRoles } = generatedData<BootstrapPolicyData>('bootstrap-rbac');
  return clusterRoles.find(role => role.name === 'system:node')?.rules ?? [];
}

/** `/version`. Source: apimachinery version.Info. */
function versionDocument(version: string): Record<string, string> {
  const [, major = '1', minor = '36'] = /^v(\d+)\.(\d+)/.exec(version) ?? [];
  return {
    major,
    minor,
    emulationMajor: major,
    emulationMinor: minor,
    minCompatibilityMajor: major,
    minCompatibilityMinor: String(Number(minor) - 1),
    gitVersion: version,
    gitCommit: '',
    gitTreeState: 'clean',
    buildDate: '1970-01-01T00:00:00Z',
    goVersion: process.version,
    compiler: 'tsc',
    platform: `${process.platform}/${process.arch === 'x64' ? 'amd64' : process.arch}`,
  };
}
