import type { Service } from '../../api/generated/types.js';

/**
 * Variables that tell containers where Services are: those of the pod's namespace (unless it wants none), and `kubernetes` always.
 * Source: pkg/kubelet/envvars.
 */
export function serviceEnvironment(services: Iterable<Service>, namespace: string, links: boolean): Map<string, string> {
  const chosen = new Map<string, Service>();
  for (const service of services) {
    const { name = '' } = service.metadata;
    const clusterIp = service.spec.clusterIP;
    if (!clusterIp || clusterIp === 'None') continue;
    if (service.metadata.namespace === 'default' && name === 'kubernetes') {
      if (!chosen.has(name)) chosen.set(name, service);
    } else if (service.metadata.namespace === namespace && links) chosen.set(name, service);
  }
  const result = new Map<string, string>();
  for (const service of chosen.values()) addService(service, result);
  return result;
}

function addService({ metadata, spec }: Service, result: Map<string, string>): void {
  const ports = spec.ports ?? [];
  const prefix = variableName(metadata.name ?? '');
  const host = spec.clusterIP!;
  if (ports.length === 0) return;
  result.set(`${prefix}_SERVICE_HOST`, host);
  result.set(`${prefix}_SERVICE_PORT`, String(ports[0]!.port));
  for (const { name, port } of ports) if (name) result.set(`${prefix}_SERVICE_PORT_${variableName(name)}`, String(port));
  for (const [index, { port, protocol = 'TCP' }] of ports.entries()) {
    const url = `${protocol.toLowerCase()}://${host.includes(':') ? `[${host}]` : host}:${port}`;
    if (index === 0) result.set(`${prefix}_PORT`, url);
    const portPrefix = `${prefix}_PORT_${port}_${protocol.toUpperCase()}`;
    result.set(portPrefix, url);
    result.set(`${portPrefix}_PROTO`, protocol.toLowerCase());
    result.set(`${portPrefix}_PORT`, String(port));
    result.set(`${portPrefix}_ADDR`, host);
  }
}

function variableName(name: string): string {
  return name.replaceAll('-', '_').toUpperCase();
}
