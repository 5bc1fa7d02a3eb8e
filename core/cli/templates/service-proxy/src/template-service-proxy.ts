import { execFile } from 'node:child_process';
import { networkInterfaces } from 'node:os';
import { promisify } from 'node:util';
import { Client, errorText, Resources, SharedInformer } from 'k3s-ts/plugin';
import type { ApiTransport, Clock, ClusterSettings, EndpointSlice, Ledger, Logger, Part, Service } from 'k3s-ts/plugin';
import { Listener } from './listener.js';
import { addressesOf, planService } from './service-plan.js';
import type { PlannedListener } from './service-plan.js';

export interface TemplateServiceProxyOptions {
  readonly transport: ApiTransport;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly ledger: Ledger;
  readonly settings: ClusterSettings;
}

const run = promisify(execFile);
/** It may watch Services and EndpointSlices. */
const identity = { name: 'system:kube-proxy', groups: ['system:authenticated'] };
/** What could not be listened on is tried again. */
const retryMs = 1000;

/**
 * Carries connections and datagrams to Services in this process. With root the addresses of Services are made local ones, so that
 * what is sent there comes here; without, node ports alone are carried.
 */
export class TemplateServiceProxy implements Part {
  readonly #options: TemplateServiceProxyOptions;
  readonly #listeners = new Map<string, Listener>();
  readonly #routes = new Set<string>();
  #services: SharedInformer<Service> | undefined;
  #slices: SharedInformer<EndpointSlice> | undefined;
  #working: Promise<void> | undefined;
  #again = false;
  #retry: NodeJS.Timeout | undefined;

  constructor(options: TemplateServiceProxyOptions) {
    this.#options = options;
  }

  async start(signal: AbortSignal): Promise<void> {
    const { transport, clock, logger, settings } = this.#options;
    if (this.#isRoot) {
      for (const range of settings.serviceCidrs) if (!range.includes(':')) await this.#makeLocal(range);
    } else {
      logger.warn('ClusterIPs are not carried without root: only node ports are');
    }
    const shared = { client: new Client(transport, identity, 'template-service-proxy'), clock, logger };
    this.#services = new SharedInformer({ ...shared, resource: Resources.Services });
    this.#slices = new SharedInformer({ ...shared, resource: Resources.EndpointSlices });
    const wake = (): void => this.#wake();
    this.#services.addHandler({ added: wake, updated: wake, deleted: wake });
    this.#slices.addHandler({ added: wake, updated: wake, deleted: wake });
    this.#services.start();
    this.#slices.start();
    await Promise.all([this.#services.whenSynced(signal), this.#slices.whenSynced(signal)]);
  }

  async stop(): Promise<void> {
    await Promise.all([this.#services?.stop(), this.#slices?.stop()]);
    this.#services = this.#slices = undefined;
    clearTimeout(this.#retry);
    await this.#working;
    await Promise.all([...this.#listeners.values()].map(listener => listener.close()));
    this.#listeners.clear();
    for (const range of this.#routes) await this.#makeForeign(range);
  }

  /** What is to be listened on, for all Services. */
  protected plan(services: readonly Service[], slices: readonly EndpointSlice[]): PlannedListener[] {
    const keyOf = (namespace: string | undefined, name: string | undefined): string => `${namespace}/${name}`;
    const slicesOf = Map.groupBy(slices, ({ metadata }) => {
      return keyOf(metadata.namespace, metadata.labels?.['kubernetes.io/service-name']);
    });
    return services.flatMap(service => {
      const own = slicesOf.get(keyOf(service.metadata.namespace, service.metadata.name)) ?? [];
      return planService(service, own, this.#options.settings.nodeName);
    });
  }

  get #isRoot(): boolean {
    return process.getuid?.() === 0;
  }

  /** Changes that come while others are worked on are one more round. */
  #wake(): void {
    this.#again = true;
    this.#working ??= this.#work().finally(() => (this.#working = undefined));
  }

  async #work(): Promise<void> {
    while (this.#again) {
      this.#again = false;
      await this.#sync().catch((error: unknown) => this.#tryLater(errorText(error)));
    }
  }

  async #sync(): Promise<void> {
    const [services, slices] = [this.#services, this.#slices];
    if (!services?.synced || !slices?.synced) return;
    const planned = new Map<string, PlannedListener>();
    for (const plan of this.plan(services.list(), slices.list())) {
      if (plan.address === '0.0.0.0' || this.#isRoot) planned.set(`${plan.protocol} ${plan.address} ${plan.port}`, plan);
    }
    const outside = new Set(services.list().flatMap(service => addressesOf(service).outside.map(address => `${address}/32`)));
    if (this.#isRoot) await this.#routeOutside(outside);
    for (const [key, listener] of this.#listeners) {
      if (planned.has(key)) continue;
      this.#listeners.delete(key);
      await listener.close();
    }
    for (const [key, plan] of planned) await this.#listen(key, plan);
  }

  async #listen(key: string, plan: PlannedListener): Promise<void> {
    const known = this.#listeners.get(key);
    if (known) return known.update(plan);
    const listener = new Listener(plan);
    try {
      await listener.open();
      this.#listeners.set(key, listener);
    } catch (error) {
      await listener.close();
      this.#tryLater(`${key}: ${errorText(error)}`);
    }
  }

  #tryLater(problem: string): void {
    this.#options.logger.warn('a Service cannot be carried yet', { problem });
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.#services && this.#wake(), retryMs);
  }

  /** Addresses of the node itself lead here already. */
  async #routeOutside(wanted: ReadonlySet<string>): Promise<void> {
    const own = new Set(Object.values(networkInterfaces()).flatMap(all => (all ?? []).map(({ address }) => `${address}/32`)));
    const ranges = new Set(this.#options.settings.serviceCidrs);
    for (const range of this.#routes) if (!ranges.has(range) && !wanted.has(range)) await this.#makeForeign(range);
    for (const range of wanted) if (!this.#routes.has(range) && !own.has(range)) await this.#makeLocal(range);
  }

  async #makeLocal(range: string): Promise<void> {
    // What is on record goes when the plugin does.
    await this.#options.ledger.record('route', range);
    await run('ip', ['route', 'replace', 'local', range, 'dev', 'lo', 'table', 'main']);
    this.#routes.add(range);
  }

  async #makeForeign(range: string): Promise<void> {
    this.#routes.delete(range);
    // Gone already is fine.
    await run('ip', ['route', 'delete', range]).catch(() => undefined);
    await this.#options.ledger.forget('route', range);
  }
}
