import type { Commands } from '../../../core/host/commands.js';
import type { Conntrack } from '../../../core/host/conntrack.js';
import type { Links } from '../../../core/host/links.js';
import type { NftObject, Nftables } from '../../../core/host/nftables.js';
import type { Sysctl } from '../../../core/host/sysctl.js';
import { backoffMs, Client, errorText, Resources, SharedInformer, sleep, CodedError } from '../../../core/plugin-api/index.js';
import type {
  ApiTransport,
  Clock,
  ClusterSettings,
  Disposable,
  EndpointSlice,
  Ledger,
  Logger,
  Node,
  Part,
  Service,
} from '../../../core/plugin-api/index.js';
import { HealthCheckServers } from './health-check-servers.js';
import type { NftablesOptions } from './index.js';
import { tableFamily, tableName } from './names.js';
import { healthzPort, metricsPort, parseProxyArguments } from './proxy-arguments.js';
import type { BindAddress } from './proxy-arguments.js';
import { isNodeEligible, ProxyHealth } from './proxy-health.js';
import { ProxyMetrics } from './proxy-metrics.js';
import { StatusServers } from './status-servers.js';
import type { StatusAnswer, StatusListener } from './status-servers.js';
import { ServiceRules } from './service-rules.js';
import type { RulesSettings, ServiceState } from './service-rules.js';
import { serviceKeyOf } from './service-port.js';
import type { IpFamily } from './service-port.js';
import { staleUdpFlows } from './udp-flows.js';

/** The host as the proxy uses it. */
export interface ProxyHost {
  readonly commands: Commands;
  readonly nftables: Nftables;
  readonly links: Links;
  readonly sysctl: Sysctl;
  readonly conntrack: Conntrack;
}

export interface NftablesServiceProxyOptions {
  readonly transport: ApiTransport;
  readonly settings: ClusterSettings;
  readonly options: NftablesOptions;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly ledger: Ledger;
  readonly host: ProxyHost;
}

/** Upstream's identity of the proxy; the role `system:node-proxier` is bound to it. */
const identity = { name: 'system:kube-proxy', groups: ['system:authenticated'] };
const sliceIndex = 'service';
/** Changes that come together become one transaction. */
const coalesceMs = 10;
const longestPauseMs = 1000;
const planAtOnce = 250;
const retry = { initialMs: 1000, maximumMs: 30_000 };
/** Somebody may flush the whole ruleset (a restart of nftables.service does). */
const lookEveryMs = 30_000;
/** Ports of the node itself, which a load balancer on a node's address does not take away on loopback. */
const kubeletPorts = [10_248, metricsPort, 10_250, healthzPort];

/**
 * Carries packets to Services by nftables: watches Services, EndpointSlices and its own Node, keeps one table. The rules stay when
 * the part stops, so that a restart is no outage.
 */
export class NftablesServiceProxy implements Part {
  readonly #given: NftablesServiceProxyOptions;
  #run: ProxyRun | undefined;

  constructor(options: NftablesServiceProxyOptions) {
    this.#given = options;
  }

  async init(signal: AbortSignal): Promise<void> {
    // Refuses by name where nft or the kernel's nf_tables is missing.
    await this.#given.host.nftables.list(['tables', tableFamily], signal);
    const { options, settings } = this.#given;
    try {
      parseProxyArguments(options.arguments, settings.nodeIps, options);
    } catch (error) {
      throw new CodedError('PROXY_OPTION', `plugin-options of nftables: ${errorText(error)}`);
    }
  }

  async start(signal: AbortSignal): Promise<void> {
    await this.stop();
    this.#run = new ProxyRun(this.#given);
    await this.#run.start(signal);
  }

  /** The rules are in. */
  async ready(): Promise<void> {
    if (await this.#given.host.nftables.hasTable(tableFamily, tableName)) return;
    throw new CodedError('SERVICE_PROXY_NOT_READY', `the nftables table ${tableFamily} ${tableName} is not there`);
  }

  async stop(): Promise<void> {
    const run = this.#run;
    this.#run = undefined;
    await run?.stop();
  }
}

/** One life of the part, from start to stop. */
class ProxyRun {
  readonly #given: NftablesServiceProxyOptions;
  readonly #services: SharedInformer<Service>;
  readonly #slices: SharedInformer<EndpointSlice>;
  readonly #node: SharedInformer<Node>;
  readonly #checks: HealthCheckServers;
  readonly #health: ProxyHealth;
  readonly #metrics: ProxyMetrics;
  readonly #status: StatusServers;
  readonly #rules: ServiceRules;
  readonly #families: readonly IpFamily[];
  readonly #dirty = new Set<string>();
  readonly #stopping = new AbortController();
  readonly #handlers: Disposable[] = [];
  #looking: Disposable | undefined;
  #working: Promise<void> | undefined;
  #wholeTable = true;
  #lastSyncMs = 0;
  #missingConntrack = false;

  constructor(given: NftablesServiceProxyOptions) {
    this.#given = given;
    const { transport, clock, logger, settings, options } = given;
    const client = new Client(transport, identity, 'kube-proxy');
    const shared = { client, clock, logger };
    this.#services = new SharedInformer({ ...shared, resource: Resources.Services });
    this.#slices = new SharedInformer({ ...shared, resource: Resources.EndpointSlices });
    this.#node = new SharedInformer({
      ...shared,
      resource: Resources.Nodes,
      fieldSelector: `metadata.name=${settings.nodeName}`,
    });
    this.#slices.addIndex(sliceIndex, slice => [serviceKeyOf(slice) ?? []].flat());
    this.#families = familiesOf(settings);
    this.#health = new ProxyHealth(clock, this.#families);
    this.#metrics = new ProxyMetrics(clock, this.#families);
    this.#checks = new HealthCheckServers(logger, () => this.#health.isHealthy);
    this.#status = new StatusServers(clock, logger);
    const { nodePortAddresses, nodePortsOnLoopback } = parseProxyArguments(options.arguments, settings.nodeIps, options);
    this.#rules = new ServiceRules({
      families: this.#families,
      clusterCidrs: settings.clusterCidrs,
      nodePortAddresses,
      nodePortsOnLoopback,
      ...this.#nodeSettings(undefined),
    });
  }

  async start(signal: AbortSignal): Promise<void> {
    const { ledger, host } = this.#given;
    await ledger.record('nftables-table', `${tableFamily} ${tableName}`);
    await this.#setKernel();
    await this.#routeServices();
    const mark = (key: string | undefined): void => this.#mark(key, 'endpoints');
    const markService = (key: string): void => this.#mark(key, 'service');
    this.#handlers.push(
      this.#services.addHandler({
        added: ({ namespace, name }) => markService(`${namespace}/${name}`),
        updated: (_, { namespace, name }) => markService(`${namespace}/${name}`),
        deleted: ({ namespace, name }) => markService(`${namespace}/${name}`),
      }),
      this.#slices.addHandler({
        added: ({ object }) => mark(serviceKeyOf(object)),
        updated: (previous, next) => {
          mark(serviceKeyOf(next.object));
          if (previous.labels['kubernetes.io/service-name'] !== next.labels['kubernetes.io/service-name']) {
            mark(serviceKeyOf(previous.object));
          }
        },
        deleted: ({ object }) => mark(serviceKeyOf(object)),
      }),
      this.#node.addHandler({
        added: ({ object }) => this.#nodeChanged(object),
        updated: (_, { object }) => this.#nodeChanged(object),
      }),
    );
    for (const informer of [this.#services, this.#slices, this.#node]) informer.start();
    await Promise.all([this.#services, this.#slices, this.#node].map(informer => informer.whenSynced(signal)));
    // Session affinity outlives a restart.
    const { nftables } = host;
    await this.#sync((await nftables.hasTable(tableFamily, tableName)) ? await nftables.list(['sets', tableFamily]) : []);
    this.#wake();
    this.#lookLater();
    await this.#status.start(this.#listeners());
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new CodedError('SERVICE_PROXY_STOPPED', 'the service proxy was stopped'));
    void this.#looking?.dispose();
    for (const handler of this.#handlers) void handler.dispose();
    await Promise.all([this.#services, this.#slices, this.#node].map(informer => informer.stop()));
    await this.#working;
    await Promise.all([this.#checks.stop(), this.#status.stop()]);
  }

  #listeners(): StatusListener[] {
    const { settings, options } = this.#given;
    const { healthz, metrics } = parseProxyArguments(options.arguments, settings.nodeIps, options);
    const health = (path: 'healthz' | 'livez'): StatusAnswer => {
      // Only load balancers need to know that the node is going; a restart would not help it.
      const eligible = path === 'healthz' ? isNodeEligible(this.#node.get('', settings.nodeName)) : undefined;
      const status = this.#health.isHealthy && eligible !== false ? 200 : 503;
      this.#metrics.asked(path, status);
      return { status, type: 'application/json', text: JSON.stringify(this.#health.report(eligible)) };
    };
    const plain = (text: string): StatusAnswer => ({ status: 200, type: 'text/plain; charset=utf-8', text });
    const at = (name: string, where: BindAddress | undefined, paths: StatusListener['paths']): StatusListener[] =>
      where ? [{ name, ...where, paths }] : [];
    return [
      ...at('health port', healthz, { '/healthz': () => health('healthz'), '/livez': () => health('livez') }),
      ...at('metrics port', metrics, {
        '/healthz': () => plain('ok'),
        '/proxyMode': () => plain('nftables'),
        '/metrics': () => ({ status: 200, type: 'text/plain; version=0.0.4; charset=utf-8', text: this.#metrics.text() }),
      }),
    ];
  }

  async #setKernel(): Promise<void> {
    const { host, logger, options } = this.#given;
    const { sysctl, commands } = host;
    const wanted: [string, string][] = [];
    if (this.#families.includes(4)) {
      wanted.push(['net/ipv4/ip_forward', '1']);
      if (options.nodePortsOnLoopback) wanted.push(['net/ipv4/conf/all/route_localnet', '1']);
    }
    if (this.#families.includes(6)) wanted.push(['net/ipv6/conf/all/forwarding', '1']);
    for (const [name, value] of wanted) await sysctl.write(name, value);
    // Without it the answer of a pod to a pod on the same bridge would not pass the translation.
    for (const family of this.#families) {
      const name = family === 4 ? 'net/bridge/bridge-nf-call-iptables' : 'net/bridge/bridge-nf-call-ip6tables';
      if (await sysctl.write(name, '1')) continue;
      try {
        await commands.run({ command: 'modprobe', arguments: ['br_netfilter'] });
      } catch (error) {
        logger.debug('br_netfilter cannot be loaded', { error });
      }
      if (!(await sysctl.write(name, '1'))) {
        logger.warn('the kernel has no br_netfilter: a pod does not reach a pod of the same node through a Service');
      }
    }
  }

  /**
   * The kernel looks for a route before it translates what the node itself sends. Where nothing leads to the Services' range (a node
   * without a default route), the range gets a route that leads nowhere: translated packets are routed anew.
   */
  async #routeServices(): Promise<void> {
    const { host, ledger, settings } = this.#given;
    for (const range of settings.serviceCidrs) {
      if (await host.links.routeTo(range.slice(0, range.indexOf('/')))) continue;
      await ledger.record('route', range, { link: 'lo' });
      await host.links.apply([['route', 'replace', range, 'dev', 'lo']]);
    }
  }

  #mark(key: string | undefined, what: 'service' | 'endpoints'): void {
    if (key === undefined) return;
    this.#dirty.add(key);
    this.#metrics.changed(what);
    this.#health.queued();
    this.#wake();
  }

  #nodeSettings(node: Node | undefined): Pick<RulesSettings, 'nodeName' | 'zone' | 'nodeAddresses' | 'reservedPorts'> {
    const { settings } = this.#given;
    const addresses = (node?.status?.addresses ?? []).filter(({ type }) => type.endsWith('IP')).map(({ address }) => address);
    return {
      nodeName: settings.nodeName,
      zone: node?.metadata.labels?.['topology.kubernetes.io/zone'],
      nodeAddresses: [...new Set([...settings.nodeIps, ...settings.nodeExternalIps, ...addresses])].sort(),
      reservedPorts: [settings.httpsListenPort || 6443, ...kubeletPorts],
    };
  }

  #nodeChanged(node: Node): void {
    if (!this.#rules.changeNode(this.#nodeSettings(node))) return;
    for (const { namespace, name } of this.#services.entries()) this.#dirty.add(`${namespace}/${name}`);
    this.#wake();
  }

  /** One worker at a time; it ends when nothing is left to do. */
  #wake(): void {
    const idle = !this.#working && !this.#stopping.signal.aborted;
    // Before the first whole table there is nobody to change it.
    if (!idle || this.#wholeTable || this.#dirty.size === 0) return;
    this.#working = this.#work().finally(() => {
      this.#working = undefined;
      this.#wake();
    });
  }

  async #work(): Promise<void> {
    const { clock, logger } = this.#given;
    const { signal } = this.#stopping;
    for (let failures = 0; !signal.aborted;) {
      try {
        // Where a transaction is slow (many thousand Services), more changes go into each.
        const pauseMs = Math.min(longestPauseMs, Math.max(coalesceMs, 2 * this.#lastSyncMs));
        await sleep(clock, failures > 0 ? backoffMs(retry, failures - 1) : pauseMs, signal);
        await this.#sync();
        return;
      } catch (error) {
        if (signal.aborted) return;
        failures++;
        this.#wholeTable = true;
        this.#metrics.failed();
        logger.error('the rules of Services could not be changed, trying again', { error: errorText(error) });
      }
    }
  }

  /** `previous`: the sets of the table that is to be replaced. */
  async #sync(previous: readonly NftObject[] = []): Promise<void> {
    const { host, clock } = this.#given;
    const startMs = clock.monotonicMs();
    const whole = this.#wholeTable;
    const keys = Array.from(this.#dirty);
    this.#dirty.clear();
    this.#metrics.taken();
    let changed = '';
    let udp = false;
    let healthChecks = false;
    for (let from = 0; from < keys.length; from += planAtOnce) {
      // Thousands of Services at a start must not hold up everybody else in the process.
      if (from > 0) await new Promise(resolve => setImmediate(resolve));
      const changes = this.#rules.change(keys.slice(from, from + planAtOnce).map(key => this.#stateOf(key)));
      changed += changes.script;
      udp ||= changes.udp;
      healthChecks ||= changes.healthChecks;
    }
    const script = whole ? this.#rules.wholeTable(this.#rules.rememberedClients(previous)) : changed;
    if (script !== '') await host.nftables.apply(script, this.#stopping.signal);
    this.#wholeTable = false;
    this.#lastSyncMs = clock.monotonicMs() - startMs;
    this.#metrics.synced(this.#lastSyncMs, whole);
    this.#health.updated(this.#dirty.size > 0);
    if (whole || udp) await this.#forgetStaleFlows();
    if (whole || healthChecks) await this.#checks.sync(this.#rules.healthChecks);
  }

  #stateOf(key: string): ServiceState {
    const slash = key.indexOf('/');
    const service = this.#services.get(key.slice(0, slash), key.slice(slash + 1));
    return { key, service, slices: service ? this.#slices.byIndex(sliceIndex, key) : [] };
  }

  async #forgetStaleFlows(): Promise<void> {
    const { host, logger } = this.#given;
    if (this.#missingConntrack || !this.#rules.hasUdp) return;
    try {
      for (const family of this.#families) {
        const flows = await host.conntrack.udpFlows(family);
        await host.conntrack.forget(staleUdpFlows(flows, this.#rules.ports(), this.#rules.nodeAddresses));
      }
    } catch (error) {
      const missing = error instanceof CodedError && error.code === 'COMMAND_MISSING';
      this.#missingConntrack = missing;
      logger.warn('UDP clients of Services may keep endpoints that are gone', { error: errorText(error) });
    }
  }

  #lookLater(): void {
    const { clock, host, logger } = this.#given;
    this.#looking = clock.setTimer(lookEveryMs, () => {
      void host.nftables
        .hasTable(tableFamily, tableName)
        .then(there => {
          if (there || this.#stopping.signal.aborted || this.#working) return;
          logger.warn('the rules of Services were removed by somebody, putting them back');
          this.#wholeTable = true;
          this.#working = this.#work().finally(() => {
            this.#working = undefined;
            this.#wake();
          });
        })
        .catch((error: unknown) => logger.debug('the rules could not be looked at', { error }))
        .finally(() => {
          if (!this.#stopping.signal.aborted) this.#lookLater();
        });
    });
  }
}

function familiesOf(settings: ClusterSettings): IpFamily[] {
  const v6 = settings.serviceCidrs.map(range => range.includes(':'));
  return ([4, 6] as const).filter(family => v6.includes(family === 6));
}
