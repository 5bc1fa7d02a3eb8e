import type { Service } from '../../../api/generated/types.js';
import { age } from '../../handlers/table.js';
import type { RowContext } from '../../registry/resource-definition.js';

/** `a=b,c=d`, sorted; `<none>` for no labels. */
export function formatLabels(labels: Readonly<Record<string, string>> | undefined): string {
  const pairs = Object.entries(labels ?? {}).map(([key, value]) => `${key}=${value}`);
  return pairs.sort().join(',') || '<none>';
}

/** Source: printService. */
export function serviceRow(service: Readonly<Service>, context: RowContext): readonly unknown[] {
  const { spec } = service;
  const ports = (spec.ports ?? []).map(({ port, nodePort, protocol }) => `${port}${nodePort ? `:${nodePort}` : ''}/${protocol}`);
  return [
    service.metadata.name,
    spec.type ?? '',
    spec.clusterIPs?.[0] ?? '<none>',
    externalAddress(service),
    ports.join(',') || '<none>',
    age(service, context),
    formatLabels(spec.selector),
  ];
}

function externalAddress({ spec, status }: Readonly<Service>): string {
  const external = spec.externalIPs ?? [];
  switch (spec.type) {
    case 'ClusterIP':
    case 'NodePort':
      return external.join(',') || '<none>';
    case 'LoadBalancer': {
      const ingress = (status?.loadBalancer?.ingress ?? []).map(({ ip, hostname }) => ip || hostname || '').filter(text => text);
      return [...[...new Set(ingress)].sort(), ...external].join(',') || '<pending>';
    }
    case 'ExternalName':
      return spec.externalName ?? '';
    default:
      return '<unknown>';
  }
}
