import type {
  EndpointSlice,
  Ingress,
  IngressBackend,
  IngressClass,
  Service,
  ServicePort,
} from '../../../core/plugin-api/index.js';
import type {
  BackendReference,
  EntryPoint,
  IngressRoutes,
  IngressService,
  IngressSlice,
  PathType,
  RouteRule,
  Scheme,
} from './dataplane/state.js';
import { readServiceAnnotations, schemeAnnotation } from './service-annotations.js';

export const serviceNameLabel = 'kubernetes.io/service-name';
export const controllerName = 'traefik.io/ingress-controller';
const classAnnotation = 'kubernetes.io/ingress.class';
const prefix = 'traefik.ingress.kubernetes.io/';
const entryPointsAnnotation = `${prefix}router.entrypoints`;
const tlsAnnotation = `${prefix}router.tls`;

/**
 * Whether an Ingress is ours: by a class of our controller, by the old annotation, or because it names no class at all, as Traefik
 * takes it.
 */
export function isOurs({ metadata, spec }: Ingress, classOf: (name: string) => IngressClass | undefined): boolean {
  const annotation = metadata.annotations?.[classAnnotation];
  if (annotation !== undefined && annotation !== '') return annotation === 'traefik';
  if (spec.ingressClassName === undefined) return true;
  return classOf(spec.ingressClassName)?.spec?.controller === controllerName;
}

export interface ReadIngress {
  readonly routes: IngressRoutes;
  /** Names of TLS secrets in its namespace. */
  readonly secrets: readonly string[];
  readonly services: readonly string[];
  /** What its author asked for and does not get. */
  readonly problems: readonly string[];
}

export function readIngress({ metadata, spec }: Ingress): ReadIngress {
  const problems: string[] = [];
  const services = new Set<string>();
  const backendOf = (backend: IngressBackend | undefined): BackendReference | undefined => {
    if (!backend) return undefined;
    const { service } = backend;
    if (!service) {
      problems.push('backends that are resources are not built');
      return undefined;
    }
    services.add(service.name);
    return { service: service.name, port: service.port?.name || service.port?.number || 0 };
  };
  const rules = (spec.rules ?? []).map(({ host = '', http }): RouteRule => {
    const paths = (http?.paths ?? []).flatMap(({ path = '/', pathType, backend }) => {
      const reference = backendOf(backend);
      return reference ? [{ path, type: (pathType ?? 'ImplementationSpecific') as PathType, backend: reference }] : [];
    });
    return { host, paths };
  });
  const defaultBackend = backendOf(spec.defaultBackend);
  const annotations = metadata.annotations ?? {};
  const entryPoints = readEntryPoints(annotations[entryPointsAnnotation], problems);
  for (const name of Object.keys(annotations)) {
    if (name.startsWith(prefix) && name !== entryPointsAnnotation && name !== tlsAnnotation) {
      problems.push(`the annotation ${name} is not built`);
    }
  }
  return {
    routes: {
      kind: 'ingress',
      namespace: metadata.namespace!,
      name: metadata.name!,
      ...(entryPoints && { entryPoints }),
      tlsOnly: annotations[tlsAnnotation] === 'true',
      created: metadata.creationTimestamp ?? '',
      rules,
      ...(defaultBackend && { defaultBackend }),
    },
    secrets: (spec.tls ?? []).flatMap(({ secretName }) => (secretName ? [secretName] : [])),
    services: [...services],
    problems,
  };
}

function readEntryPoints(text: string | undefined, problems: string[]): EntryPoint[] | undefined {
  if (text === undefined) return undefined;
  return text
    .split(',')
    .map(name => name.trim())
    .filter((name): name is EntryPoint => {
      const known = name === 'web' || name === 'websecure';
      if (!known && name !== '') problems.push(`there is no entry point ${name}, only web and websecure`);
      return known;
    });
}

export function ingressService({ metadata, spec }: Service): IngressService {
  const forced = metadata.annotations?.[schemeAnnotation];
  const { sticky } = readServiceAnnotations({ metadata, spec } as Service);
  return {
    kind: 'service',
    namespace: metadata.namespace!,
    name: metadata.name!,
    ports: (spec.ports ?? []).map(port => ({ name: port.name ?? '', port: port.port, scheme: schemeOf(port, forced) })),
    ...(sticky && { sticky }),
  };
}

/** Source: KEP-3726 for `appProtocol`; Traefik for its annotation and the names of ports. */
function schemeOf({ name, port, appProtocol }: ServicePort, forced: string | undefined): Scheme {
  if (forced === 'http' || forced === 'https' || forced === 'h2c') return forced;
  if (appProtocol === 'kubernetes.io/h2c' || appProtocol === 'grpc') return 'h2c';
  if (appProtocol === 'https' || appProtocol === 'kubernetes.io/wss') return 'https';
  return appProtocol === undefined && (port === 443 || name?.startsWith('https')) ? 'https' : 'http';
}

/** Ready endpoints; undefined when the slice belongs to no Service or holds no addresses. */
export function ingressSlice({ metadata, addressType, endpoints, ports }: EndpointSlice): IngressSlice | undefined {
  const service = metadata.labels?.[serviceNameLabel];
  if (service === undefined || addressType === 'FQDN') return undefined;
  return {
    kind: 'slice',
    namespace: metadata.namespace!,
    service,
    addresses: (endpoints ?? []).flatMap(({ addresses, conditions }) => (conditions?.ready === false ? [] : (addresses ?? []))),
    ports: Object.fromEntries(
      (ports ?? []).flatMap(({ name = '', port, protocol = 'TCP' }) =>
        port !== undefined && protocol === 'TCP' ? [[name, port] as const] : [],
      ),
    ),
  };
}
