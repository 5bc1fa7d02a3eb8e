import { dropTableScript } from '../../../core/host/nftables.js';

export const masqueradeTable = { family: 'inet', name: 'k3s-flannel' } as const;

export interface MasqueradeInput {
  readonly clusterCidrs: readonly string[];
  /** This node's pod ranges. */
  readonly podCidrs: readonly string[];
  readonly ipv6: boolean;
}

/**
 * Pods keep their address towards pods of any node, and get the node's towards the rest of the world; what is not a pod gets the
 * node's towards pods of other nodes, since these could not answer. Source: flannel's traffic manager.
 */
export function masqueradeScript({ clusterCidrs, podCidrs, ipv6 }: MasqueradeInput): string {
  const rules: string[] = [];
  for (const family of [4, 6] as const) {
    if (family === 6 && !ipv6) continue;
    const ofFamily = (ranges: readonly string[]): string[] => ranges.filter(range => range.includes(':') === (family === 6));
    const header = family === 4 ? 'ip' : 'ip6';
    const multicast = family === 4 ? '224.0.0.0/4' : 'ff00::/8';
    for (const cluster of ofFamily(clusterCidrs)) {
      rules.push(
        `${header} saddr ${cluster} ${header} daddr ${cluster} return`,
        `${header} saddr ${cluster} ${header} daddr != ${multicast} masquerade fully-random`,
      );
      for (const own of ofFamily(podCidrs)) rules.push(`${header} saddr != ${cluster} ${header} daddr ${own} return`);
      rules.push(`${header} saddr != ${cluster} ${header} daddr ${cluster} masquerade fully-random`);
    }
  }
  const { family, name } = masqueradeTable;
  const body = ['type nat hook postrouting priority 100; policy accept;', ...rules].map(rule => `    ${rule}\n`).join('');
  return `${dropTableScript(family, name)}table ${family} ${name} {\n  chain postrouting {\n${body}  }\n}\n`;
}
