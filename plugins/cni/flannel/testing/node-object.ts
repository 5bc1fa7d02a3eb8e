import type { Node, Pod } from '../../../../core/plugin-api/index.js';

export function nodeObject(name: string, podCIDRs: string[], annotations: Record<string, string> = {}): Node {
  const spec = podCIDRs.length > 0 ? { podCIDR: podCIDRs[0], podCIDRs } : {};
  return { apiVersion: 'v1', kind: 'Node', metadata: { name, annotations }, spec, status: {} } as Node;
}

export function podObject(name: string, nodeName: string, podIP: string, hostPort: number, protocol = 'TCP'): Pod {
  const containers = [{ name: 'c', image: 'i', ports: [{ containerPort: 8080, hostPort, protocol }] }];
  const status = { phase: 'Running', podIP, podIPs: [{ ip: podIP }], startTime: '2026-01-01T00:00:00Z' };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default' },
    spec: { nodeName, containers },
    status,
  } as Pod;
}
