import type { BackendReference, EntryPoint, IngressRoutes, PathType } from './state.js';

export interface RouteTarget {
  readonly namespace: string;
  readonly ingress: string;
  readonly backend: BackendReference;
}

interface PathRoute {
  readonly path: string;
  readonly isExact: boolean;
  readonly entryPoints: readonly EntryPoint[] | undefined;
  readonly tlsOnly: boolean;
  readonly target: RouteTarget;
}

/**
 * Which Ingress a request belongs to. Exact hosts before wildcards before none; the longest path, exact before prefix; the older
 * Ingress; default backends last. Where the rules of a host have no path for a request, rules for more hosts may, as with Traefik.
 * Source: the Ingress API's rules for hosts and paths. Pure; built anew when an Ingress changes.
 */
export class RouteTable {
  readonly #exact = new Map<string, PathRoute[]>();
  /** By what follows the first label. */
  readonly #wildcard = new Map<string, PathRoute[]>();
  readonly #any: PathRoute[] = [];
  readonly #defaults: PathRoute[] = [];

  constructor(ingresses: Iterable<IngressRoutes>) {
    const ordered = [...ingresses].sort(
      (left, right) => compare(left.created, right.created) || compare(keyOf(left), keyOf(right)),
    );
    for (const ingress of ordered) this.#add(ingress);
    for (const routes of [...this.#exact.values(), ...this.#wildcard.values(), this.#any]) routes.sort(byPrecedence);
  }

  /** `host` as the request has it, with or without a port; `path` without the query, as `normalizePath` gives it. */
  match(entryPoint: EntryPoint, host: string, path: string): RouteTarget | undefined {
    const name = hostName(host);
    const dot = name.indexOf('.');
    return (
      find(this.#exact.get(name), entryPoint, path) ??
      (dot > 0 ? find(this.#wildcard.get(name.slice(dot + 1)), entryPoint, path) : undefined) ??
      find(this.#any, entryPoint, path) ??
      find(this.#defaults, entryPoint, path)
    );
  }

  #add({ namespace, name, rules, defaultBackend, entryPoints, tlsOnly }: IngressRoutes): void {
    const route = (path: string, type: PathType, backend: BackendReference): PathRoute => {
      const isExact = type === 'Exact';
      // A slash at the end means nothing to a prefix by elements.
      const plain = isExact || path === '/' ? path : path.replace(/\/+$/, '') || '/';
      return { path: plain, isExact, entryPoints, tlsOnly, target: { namespace, ingress: name, backend } };
    };
    for (const { host, paths } of rules) {
      const routes = paths.map(({ path, type, backend }) => route(path || '/', type, backend));
      if (host === '') this.#any.push(...routes);
      else if (host.startsWith('*.')) append(this.#wildcard, host.slice(2).toLowerCase(), routes);
      else append(this.#exact, host.toLowerCase(), routes);
    }
    if (defaultBackend) this.#defaults.push(route('/', 'Prefix', defaultBackend));
  }
}

function find(routes: readonly PathRoute[] | undefined, entryPoint: EntryPoint, path: string): RouteTarget | undefined {
  if (!routes) return undefined;
  for (const route of routes) {
    if (route.tlsOnly && entryPoint === 'web') continue;
    if (route.entryPoints && !route.entryPoints.includes(entryPoint)) continue;
    if (route.isExact ? route.path === path : isBelow(path, route.path)) return route.target;
  }
  return undefined;
}

/** Element by element: /a holds /a and /a/b, not /ab. */
function isBelow(path: string, prefix: string): boolean {
  if (prefix === '/') return true;
  return path.startsWith(prefix) && (path.length === prefix.length || path[prefix.length] === '/');
}

function byPrecedence(left: PathRoute, right: PathRoute): number {
  return right.path.length - left.path.length || Number(right.isExact) - Number(left.isExact);
}

function append(map: Map<string, PathRoute[]>, key: string, routes: readonly PathRoute[]): void {
  const known = map.get(key);
  if (known) known.push(...routes);
  else map.set(key, [...routes]);
}

function compare(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}

function keyOf({ namespace, name }: IngressRoutes): string {
  return `${namespace}/${name}`;
}

/** Lower case, without port and the dot at the end. */
export function hostName(host: string): string {
  const end = host.startsWith('[') ? host.indexOf(']') + 1 : host.indexOf(':');
  const name = end > 0 ? host.slice(0, end) : host;
  return (name.endsWith('.') ? name.slice(0, -1) : name).toLowerCase();
}

/**
 * A path without `.` and `..` elements and doubled slashes, so that no spelling leads past a route; undefined for what is no path.
 * What needs no change comes back as it is.
 */
export function normalizePath(path: string): string | undefined {
  if (path[0] !== '/') return undefined;
  if (!path.includes('/.') && !path.includes('//') && !path.includes('%2e') && !path.includes('%2E')) return path;
  const elements: string[] = [];
  const given = path.replace(/%2e/gi, '.').split('/').slice(1);
  for (const [index, element] of given.entries()) {
    const isLast = index === given.length - 1;
    if (element === '..') elements.pop();
    else if (element !== '.' && element !== '') elements.push(element);
    if (isLast && (element === '' || element === '.' || element === '..')) elements.push('');
  }
  return `/${elements.join('/')}`;
}
