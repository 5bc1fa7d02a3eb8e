import type { Ingress, IngressBackend } from 'k3s-ts/plugin';

export interface Backend {
  readonly namespace: string;
  readonly service: string;
  /** Name or number of a port of the Service. */
  readonly port: string | number;
}

interface Route {
  readonly host: string;
  readonly path: string;
  readonly isExact: boolean;
  readonly backend: Backend;
}

/** Which backend a request belongs to. Made anew when an Ingress changes. */
export class Routes {
  readonly #routes: Route[] = [];
  readonly #defaults: Backend[] = [];

  constructor(ingresses: readonly Ingress[]) {
    for (const { metadata, spec } of ingresses.toSorted(byAge)) {
      const namespace = metadata.namespace!;
      for (const { host = '', http } of spec.rules ?? []) {
        for (const { path = '/', pathType, backend } of http?.paths ?? []) {
          const to = backendOf(namespace, backend);
          const isExact = pathType === 'Exact';
          // A slash at the end means nothing to a prefix of elements.
          if (to) this.#routes.push({ host, path: isExact ? path : path.replace(/\/+$/, ''), isExact, backend: to });
        }
      }
      const rest = spec.defaultBackend && backendOf(namespace, spec.defaultBackend);
      if (rest) this.#defaults.push(rest);
    }
    this.#routes.sort((a, b) => b.path.length - a.path.length || Number(b.isExact) - Number(a.isExact));
  }

  /** Exact hosts come before wildcards, and these before none. */
  find(host: string, path: string): Backend | undefined {
    const wildcard = host.replace(/^[^.]+/, '*');
    for (const wanted of [host, wildcard, '']) {
      const route = this.#routes.find(
        each => each.host === wanted && (each.isExact ? each.path === path : isBelow(path, each.path)),
      );
      if (route) return route.backend;
    }
    return this.#defaults[0];
  }
}

/** Element by element: /a holds /a and /a/b, not /ab. */
function isBelow(path: string, prefix: string): boolean {
  return path === prefix || path.startsWith(`${prefix}/`);
}

function backendOf(namespace: string, { service }: IngressBackend): Backend | undefined {
  return service && { namespace, service: service.name, port: service.port?.name || service.port?.number || 0 };
}

function byAge({ metadata: a }: Ingress, { metadata: b }: Ingress): number {
  return `${a.creationTimestamp} ${a.uid}` < `${b.creationTimestamp} ${b.uid}` ? -1 : 1;
}
