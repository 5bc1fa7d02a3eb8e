import { dropTableScript } from '../../../core/host/nftables.js';
import type { Nftables } from '../../../core/host/nftables.js';
import { errorText } from '../../../core/plugin-api/index.js';
import type { Ledger, Logger } from '../../../core/plugin-api/index.js';

export const guardTable = 'k3s-traefik';

export interface ListenerGuardOptions {
  readonly nftables: Nftables;
  readonly ledger: Ledger;
  readonly logger: Logger;
  readonly ports: readonly number[];
  /** Pod ranges of the cluster. */
  readonly clusterCidrs: readonly string[];
}

/**
 * Lets only pods, the node itself and what a Service's rules have sent reach the ports of the listeners: whether 80 and 443 of the
 * node answer is the load balancer's decision, not ours. Translation comes before the input hook, so that its mark is seen.
 */
export async function guardListeners({ nftables, ledger, logger, ports, clusterCidrs }: ListenerGuardOptions): Promise<void> {
  const four = clusterCidrs.filter(range => !range.includes(':'));
  const six = clusterCidrs.filter(range => range.includes(':'));
  const accepts = [
    'iifname "lo" accept',
    'ct status dnat accept',
    ...(four.length > 0 ? [`ip saddr { ${four.join(', ')} } accept`] : []),
    ...(six.length > 0 ? [`ip6 saddr { ${six.join(', ')} } accept`] : []),
  ];
  const lines = [
    'chain listeners {',
    ...accepts.map(rule => `  ${rule}`),
    '  drop',
    '}',
    'chain input {',
    '  type filter hook input priority -105; policy accept;',
    `  ct state new tcp dport { ${ports.join(', ')} } jump listeners`,
    '}',
  ];
  const body = lines.map(line => `  ${line}\n`).join('');
  try {
    await ledger.record('nftables-table', `inet ${guardTable}`);
    await nftables.apply(`${dropTableScript('inet', guardTable)}table inet ${guardTable} {\n${body}}\n`);
  } catch (error) {
    logger.warn('the ports of the Ingress listeners are open to everybody who reaches this node', { error: errorText(error) });
  }
}
