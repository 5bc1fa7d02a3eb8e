import { errorText } from '../../../../core/plugin-api/dataplane.js';
import type {
  CreateDataplaneModule,
  DataplaneChange,
  DataplaneModule,
  DataplaneModuleContext,
} from '../../../../core/plugin-api/dataplane.js';
import { Backends } from './backends.js';
import { EntryServer } from './entry-server.js';
import { Pools } from './pools.js';
import { Proxy } from './proxy.js';
import { RouteTable } from './route-table.js';
import type { EntryPoint, IngressConfig, IngressEntry, IngressReport, IngressRoutes, ListenAddress } from './state.js';
import { TlsStore } from './tls-store.js';

const rebindMs = 2000;
const movedGraceMs = 10_000;

export const createModule: CreateDataplaneModule<IngressEntry> = context => new IngressModule(context);

/** The Ingress router as the dataplane runs it. */
class IngressModule implements DataplaneModule<IngressEntry> {
  readonly #context: DataplaneModuleContext;
  readonly #ingresses = new Map<string, IngressRoutes>();
  readonly #backends = new Backends();
  readonly #pools = new Pools();
  readonly #tls = new TlsStore();
  readonly #proxy: Proxy;
  readonly #servers = new Map<string, { readonly entryPoint: EntryPoint; readonly server: EntryServer }>();
  readonly #failures = new Map<string, string>();
  #routes = new RouteTable([]);
  #config: IngressConfig | undefined;
  #retry: NodeJS.Timeout | undefined;
  #lastReport = '';

  constructor(context: DataplaneModuleContext) {
    this.#context = context;
    const log = context.log.bind(context);
    this.#proxy = new Proxy({ backends: this.#backends, pools: this.#pools, routes: () => this.#routes, log });
  }

  async apply({ set, deleted }: DataplaneChange<IngressEntry>): Promise<void> {
    let config: IngressConfig | undefined;
    let routesChanged = false;
    let endpointsChanged = false;
    const faults: string[] = [];
    for (const [key, entry] of set) {
      if (entry.kind === 'ingress') {
        this.#ingresses.set(key, entry);
        routesChanged = true;
      } else if (entry.kind === 'service') this.#backends.setService(nameIn(key), entry);
      else if (entry.kind === 'slice') {
        this.#backends.setSlice(key, entry);
        endpointsChanged = true;
      } else if (entry.kind === 'config') config = entry;
      else await this.#tls.set(key, entry.file).catch(error => faults.push(`${key}: ${errorText(error)}`));
    }
    for (const key of deleted) {
      if (key.startsWith('ingress/')) routesChanged = this.#ingresses.delete(key) || routesChanged;
      else if (key.startsWith('service/')) this.#backends.setService(nameIn(key), undefined);
      else if (key.startsWith('slice/')) {
        this.#backends.setSlice(key, undefined);
        endpointsChanged = true;
      } else if (key.startsWith('certificate/')) this.#tls.delete(key);
    }
    if (routesChanged) this.#routes = new RouteTable(this.#ingresses.values());
    if (endpointsChanged) this.#pools.prune((address, port) => this.#backends.has(address, port));
    if (config) {
      this.#config = config;
      this.#pools.setVerification(config.insecureSkipVerify ?? false);
      await this.#tls
        .setDefault(config.defaultCertificate)
        .catch(error => faults.push(`the default certificate: ${errorText(error)}`));
      for (const { server } of this.#servers.values()) server.useDefaultCertificate();
      await this.#bind(config);
    }
    if (faults.length > 0) throw new Error(faults.join('; '));
  }

  async drain(graceMs: number): Promise<void> {
    clearTimeout(this.#retry);
    this.#config = undefined;
    await Promise.all(Array.from(this.#servers.values(), ({ server }) => server.drain(graceMs)));
    this.#pools.destroy();
  }

  async #bind(config: IngressConfig): Promise<void> {
    clearTimeout(this.#retry);
    this.#failures.clear();
    const wanted = new Map<string, ListenAddress & { entryPoint: EntryPoint }>();
    for (const entryPoint of ['web', 'websecure'] as const) {
      for (const one of config[entryPoint]) wanted.set(`${entryPoint} ${one.address}#${one.port}`, { ...one, entryPoint });
    }
    for (const [key, { server }] of this.#servers) {
      if (wanted.has(key)) continue;
      this.#servers.delete(key);
      void server.drain(movedGraceMs);
    }
    for (const [key, one] of wanted) {
      if (this.#servers.has(key)) continue;
      const server = new EntryServer({ ...one, proxy: this.#proxy, tls: this.#tls, log: this.#context.log.bind(this.#context) });
      try {
        await server.start();
        this.#servers.set(key, { entryPoint: one.entryPoint, server });
      } catch (error) {
        this.#failures.set(key, errorText(error));
      }
    }
    this.#report();
    if (this.#failures.size > 0) {
      this.#retry = setTimeout(() => {
        if (this.#config === config) void this.#bind(config);
      }, rebindMs).unref();
    }
  }

  #report(): void {
    const bound = (wanted: EntryPoint): ListenAddress[] =>
      Array.from(this.#servers.values()).flatMap(({ entryPoint, server }) => (entryPoint === wanted ? [server.bound] : []));
    const failures = Array.from(this.#failures, ([key, text]) => `${key}: ${text}`);
    const report: IngressReport = { web: bound('web'), websecure: bound('websecure'), failures };
    const text = JSON.stringify(report);
    if (text === this.#lastReport) return;
    this.#lastReport = text;
    this.#context.report(report);
  }
}

function nameIn(key: string): string {
  return key.slice(key.indexOf('/') + 1);
}
