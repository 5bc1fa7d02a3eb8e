import type { Node } from '../../../../core/plugin-api/index.js';

export function nodeObject(name: string, podCIDRs: string[], annotations: Record<string, string> = {}): Node {
  const spec = podCIDRs.length > 0 ? { podCIDR: podCIDRs[0], podCIDRs } : {};
  return { apiVersion: 'v1', kind: 'Node', metadata: { name, annotations }, spec, status: {} } as Node;
}
