import { dropTableScript } from '../../../core/host/nftables.js';
import type { UdpFlow } from '../../../core/host/conntrack.js';
import type { Pod } from '../../../core/plugin-api/index.js';

export const hostPortTable = { family: 'inet', name: 'k3s-host-ports' } as const;

/** A port of the node that leads to a pod. */
export interface HostPort {
  readonly protocol: 'tcp' | 'udp' | 'sctp';
  readonly hostPort: number;
  /** Only on this address of the node; undefined: on all. */
  readonly hostIp: string | undefined;
  readonly podIp: string;
  readonly containerPort: number;
}

/** The host ports of pods, sorted; of several claims to one port the pod that was there first has it. */
export function hostPortsOf(pods: readonly Pod[]): HostPort[] {
  const taken = new Map<string, HostPort>();
  const ordered = pods.toSorted((a, b) => (ageOf(a) < ageOf(b) ? -1 : 1));
  for (const pod of ordered) {
    const { spec, status } = pod;
    if (spec.hostNetwork || status?.phase === 'Succeeded' || status?.phase === 'Failed') continue;
    const podIps = (status?.podIPs ?? []).map(({ ip }) => ip ?? '');
    for (const { ports } of [...(spec.initContainers ?? []), ...spec.containers]) {
      for (const { hostPort, hostIP, containerPort, protocol = 'TCP' } of ports ?? []) {
        const kind = protocol.toLowerCase();
        if (!hostPort || (kind !== 'tcp' && kind !== 'udp' && kind !== 'sctp')) continue;
        const hostIp = hostIP && hostIP !== '0.0.0.0' && hostIP !== '::' ? hostIP : undefined;
        for (const podIp of podIps) {
          if (podIp === '' || (hostIp && hostIp.includes(':') !== podIp.includes(':'))) continue;
          const key = `${kind} ${hostPort} ${hostIp ?? ''} ${podIp.includes(':')}`;
          if (!taken.has(key)) taken.set(key, { protocol: kind, hostPort, hostIp, podIp, containerPort });
        }
      }
    }
  }
  return [...taken.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, port]) => port);
}

/**
 * The table of all host ports, made anew as a whole: few pods have any. In the place of the CNI plugin portmap, which wants
 * iptables. Services come first (-100), since node ports were promised cluster-wide.
 */
export function hostPortScript(ports: readonly HostPort[]): string {
  const { family: tableFamily, name } = hostPortTable;
  const lines: string[] = [];
  const translations: string[] = [];
  const postrouting: string[] = [];
  for (const family of ['ip', 'ip6'] as const) {
    const own = ports.filter(({ podIp }) => podIp.includes(':') === (family === 'ip6'));
    if (own.length === 0) continue;
    const type = family === 'ip' ? 'ipv4_addr' : 'ipv6_addr';
    const digit = family === 'ip' ? '4' : '6';
    for (const protocol of ['tcp', 'udp', 'sctp'] as const) {
      const any = own.filter(port => port.protocol === protocol && !port.hostIp);
      const addressed = own.filter(port => port.protocol === protocol && port.hostIp);
      const local = `meta nfproto ipv${digit} fib daddr type local meta l4proto ${protocol} dnat ${family} to`;
      if (addressed.length > 0) {
        const set = `addressed-${protocol}-${digit}`;
        const elements = addressed.map(port => `${port.hostIp} . ${port.hostPort} : ${port.podIp} . ${port.containerPort}`);
        lines.push(`map ${set} { type ${type} . inet_service : ${type} . inet_service; elements = { ${elements.join(', ')} }; }`);
        translations.push(`${local} ${family} daddr . th dport map @${set}`);
      }
      if (any.length > 0) {
        const set = `ports-${protocol}-${digit}`;
        const elements = any.map(port => `${port.hostPort} : ${port.podIp} . ${port.containerPort}`);
        lines.push(`map ${set} { type inet_service : ${type} . inet_service; elements = { ${elements.join(', ')} }; }`);
        translations.push(`${local} th dport map @${set}`);
      }
    }
    const hairpins = new Set(own.map(({ podIp }) => `${podIp} . ${podIp}`));
    lines.push(`set hairpins-${digit} { type ${type} . ${type}; elements = { ${[...hairpins].join(', ')} }; }`);
    postrouting.push(`ct status dnat ${family} saddr . ${family} daddr @hairpins-${digit} masquerade fully-random`);
    if (family === 'ip') postrouting.push('ct status dnat ip saddr 127.0.0.0/8 masquerade fully-random');
  }
  if (translations.length === 0) return dropTableScript(tableFamily, name);
  const chain = (title: string, hook: string, rules: readonly string[]): string[] => [
    `chain ${title} {`,
    `  type ${hook}; policy accept;`,
    ...rules.map(rule => `  ${rule}`),
    '}',
  ];
  const body = [
    ...lines,
    ...chain('prerouting', 'nat hook prerouting priority -95', translations),
    ...chain('output', 'nat hook output priority -95', translations),
    ...chain('postrouting', 'nat hook postrouting priority 100', postrouting),
    // Loopback needs route_localnet; nobody outside may use it (CVE-2020-8558).
    ...chain('guard', 'filter hook prerouting priority -110', ['iifname != "lo" ip daddr 127.0.0.0/8 drop']),
  ];
  const text = body.map(line => `  ${line}\n`).join('');
  return `${dropTableScript(tableFamily, name)}table ${tableFamily} ${name} {\n${text}}\n`;
}

/** Flows that lead to a pod which does not have the port any more. */
export function staleHostPortFlows(flows: readonly UdpFlow[], before: readonly HostPort[], now: readonly HostPort[]): UdpFlow[] {
  const udp = (ports: readonly HostPort[]): HostPort[] => ports.filter(({ protocol }) => protocol === 'udp');
  const wanted = new Set(udp(now).map(({ hostPort, podIp }) => `${hostPort} ${podIp}`));
  const gone = new Set(udp(before).map(({ hostPort, podIp }) => `${hostPort} ${podIp}`));
  const taken = new Set(udp(now).map(({ hostPort }) => hostPort));
  return flows.filter(flow => {
    const key = `${flow.destinationPort} ${flow.answerer}`;
    if (wanted.has(key)) return false;
    // From before the port was anybody's, the answerer is the node itself.
    return gone.has(key) || (flow.answerer === flow.destination && taken.has(flow.destinationPort));
  });
}

const ageOf = ({ metadata, status }: Pod): string => `${status?.startTime ?? 'z'} ${metadata.namespace}/${metadata.name}`;
