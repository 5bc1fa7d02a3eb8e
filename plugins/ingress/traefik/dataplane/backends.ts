import type { BackendReference, IngressService, IngressSlice, Scheme, StickyCookie } from './state.js';

export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

export interface Backend {
  readonly scheme: Scheme;
  readonly endpoints: readonly Endpoint[];
  readonly sticky?: StickyCookie;
}

/** Which endpoints stand behind a port of a Service. Answers are kept until the Service or its slices change. */
export class Backends {
  readonly #services = new Map<string, IngressService>();
  readonly #slices = new Map<string, Map<string, IngressSlice>>();
  readonly #serviceOfSlice = new Map<string, string>();
  readonly #resolved = new Map<string, Map<number | string, Backend | undefined>>();
  readonly #next = new Map<Backend, number>();

  setService(key: string, service: IngressService | undefined): void {
    if (service) this.#services.set(key, service);
    else this.#services.delete(key);
    this.#forget(key);
  }

  setSlice(key: string, slice: IngressSlice | undefined): void {
    const before = this.#serviceOfSlice.get(key);
    if (before !== undefined) {
      const slices = this.#slices.get(before)!;
      slices.delete(key);
      if (slices.size === 0) this.#slices.delete(before);
      this.#serviceOfSlice.delete(key);
      this.#forget(before);
    }
    if (!slice) return;
    const service = `${slice.namespace}/${slice.service}`;
    this.#serviceOfSlice.set(key, service);
    this.#slices.set(service, (this.#slices.get(service) ?? new Map<string, IngressSlice>()).set(key, slice));
    this.#forget(service);
  }

  /** Undefined when there is no such Service or port. */
  resolve(namespace: string, { service, port }: BackendReference): Backend | undefined {
    const key = `${namespace}/${service}`;
    let ports = this.#resolved.get(key);
    if (!ports) this.#resolved.set(key, (ports = new Map<number | string, Backend | undefined>()));
    if (!ports.has(port)) ports.set(port, this.#find(key, port));
    return ports.get(port);
  }

  /** Where the next request goes first: one after the other. */
  firstIndex(backend: Backend): number {
    const next = this.#next.get(backend) ?? 0;
    this.#next.set(backend, (next + 1) % Math.max(1, backend.endpoints.length));
    return next;
  }

  /** Whether any Service still has this endpoint. */
  has(address: string, port: number): boolean {
    for (const slices of this.#slices.values()) {
      for (const slice of slices.values()) {
        if (slice.addresses.includes(address) && Object.values(slice.ports).includes(port)) return true;
      }
    }
    return false;
  }

  #find(key: string, port: number | string): Backend | undefined {
    const service = this.#services.get(key);
    const found = service?.ports.find(one => (typeof port === 'number' ? one.port === port : one.name === port));
    if (!found) return undefined;
    const endpoints: Endpoint[] = [];
    const seen = new Set<string>();
    for (const { addresses, ports } of this.#slices.get(key)?.values() ?? []) {
      const target = Object.hasOwn(ports, found.name) ? ports[found.name] : undefined;
      if (target === undefined) continue;
      for (const address of addresses) {
        if (seen.has(`${address} ${target}`)) continue;
        seen.add(`${address} ${target}`);
        endpoints.push({ address, port: target });
      }
    }
    return { scheme: found.scheme, endpoints, ...(service?.sticky && { sticky: service.sticky }) };
  }

  #forget(service: string): void {
    for (const backend of this.#resolved.get(service)?.values() ?? []) if (backend) this.#next.delete(backend);
    this.#resolved.delete(service);
  }
}
