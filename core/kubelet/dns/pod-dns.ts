import type { Pod } from '../../api/generated/types.js';
import type { KubeletSettings } from '../kubelet-context.js';

/** What stands in a resolv.conf. */
export interface PodDns {
  readonly servers: readonly string[];
  readonly searches: readonly string[];
  readonly options: readonly string[];
}

const serverLimit = 3;
const searchLimit = 32;
const searchLengthLimit = 2048;

/**
 * The resolv.conf of a pod; `node` is the node's own. Undefined: the runtime's own choice.
 * Source: pkg/kubelet/network/dns GetPodDNS.
 */
export function podDns(
  pod: Pod,
  { clusterDns, clusterDomain }: Pick<KubeletSettings, 'clusterDns' | 'clusterDomain'>,
  node: PodDns | undefined,
): PodDns | undefined {
  const { dnsPolicy = 'ClusterFirst', dnsConfig, hostNetwork } = pod.spec;
  const cluster = dnsPolicy === 'ClusterFirstWithHostNet' || (dnsPolicy === 'ClusterFirst' && !hostNetwork);
  const namespace = `${pod.metadata.namespace}.svc.${clusterDomain}`;
  let base: PodDns = { servers: [], searches: [], options: [] };
  if (cluster && clusterDns.length > 0) {
    const searches = [namespace, `svc.${clusterDomain}`, clusterDomain, ...(node?.searches ?? [])];
    base = { servers: clusterDns, searches, options: ['ndots:5'] };
  } else if (dnsPolicy !== 'None') {
    if (!node && !dnsConfig) return undefined;
    base = node ?? base;
  }
  const options = new Map(base.options.map(option => [option.split(':', 1)[0]!, option]));
  for (const { name = '', value } of dnsConfig?.options ?? []) options.set(name, value === undefined ? name : `${name}:${value}`);
  return {
    servers: [...new Set([...base.servers, ...(dnsConfig?.nameservers ?? [])])].slice(0, serverLimit),
    searches: withinLength([...new Set([...base.searches, ...(dnsConfig?.searches ?? [])])].slice(0, searchLimit)),
    options: [...options.values()],
  };
}

function withinLength(searches: readonly string[]): string[] {
  const kept = [...searches];
  while (kept.join(' ').length > searchLengthLimit) kept.pop();
  return kept;
}
