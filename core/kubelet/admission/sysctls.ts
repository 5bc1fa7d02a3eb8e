import type { Pod } from '../../api/generated/types.js';
import type { Refusal } from './admit-pod.js';

type Namespace = 'IPC' | 'Net';

interface SafeSysctl {
  readonly namespace: Namespace;
  /** The first kernel where it is the pod's own. */
  readonly kernel?: readonly [number, number];
}

/** What a pod may set without harm to others. Source: pkg/kubelet/sysctl/safe_sysctls.go. */
const safeSysctls: Readonly<Record<string, SafeSysctl>> = {
  'kernel.shm_rmid_forced': { namespace: 'IPC' },
  'net.ipv4.ip_local_port_range': { namespace: 'Net' },
  'net.ipv4.ip_local_reserved_ports': { namespace: 'Net', kernel: [3, 16] },
  'net.ipv4.ip_unprivileged_port_start': { namespace: 'Net' },
  'net.ipv4.ping_group_range': { namespace: 'Net' },
  'net.ipv4.tcp_fin_timeout': { namespace: 'Net', kernel: [4, 6] },
  'net.ipv4.tcp_keepalive_intvl': { namespace: 'Net', kernel: [4, 5] },
  'net.ipv4.tcp_keepalive_probes': { namespace: 'Net', kernel: [4, 5] },
  'net.ipv4.tcp_keepalive_time': { namespace: 'Net', kernel: [4, 5] },
  'net.ipv4.tcp_rmem': { namespace: 'Net', kernel: [4, 15] },
  'net.ipv4.tcp_syncookies': { namespace: 'Net' },
  'net.ipv4.tcp_wmem': { namespace: 'Net', kernel: [4, 15] },
};

/** The namespace that a sysctl, or all with a beginning that ends in `*`, belong to. Source: component-helpers GetNamespace. */
export function sysctlNamespace(pattern: string): Namespace | undefined {
  const name = normalName(pattern).split('*', 1)[0]!;
  if (name === 'kernel.sem' || ['kernel.shm', 'kernel.msg', 'fs.mqueue.'].some(start => name.startsWith(start))) return 'IPC';
  return name.startsWith('net.') ? 'Net' : undefined;
}

/** `unsafe`: what pods may set beside the safe ones, by name or beginning with `*`. Source: pkg/kubelet/sysctl/allowlist.go. */
export function refusedBySysctl({ spec }: Pod, kernelVersion: string, unsafe: readonly string[] = []): Refusal | undefined {
  for (const { name } of spec.securityContext?.sysctls ?? []) {
    const own = normalName(name);
    const allowed = unsafe.find(pattern => matches(own, normalName(pattern)));
    const safe = allowed === undefined ? safeSysctl(own, kernelVersion) : sysctlNamespace(allowed);
    const problem = sysctlProblem(own, safe, spec);
    if (problem !== undefined) return { reason: 'SysctlForbidden', message: `forbidden sysctl: ${problem}` };
  }
  return undefined;
}

function matches(name: string, pattern: string): boolean {
  return pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
}

function safeSysctl(name: string, kernelVersion: string): Namespace | undefined {
  const safe = Object.hasOwn(safeSysctls, name) ? safeSysctls[name] : undefined;
  return safe?.kernel && !isAtLeast(kernelVersion, safe.kernel) ? undefined : safe?.namespace;
}

function sysctlProblem(
  name: string,
  namespace: Namespace | undefined,
  { hostNetwork, hostIPC }: Pod['spec'],
): string | undefined {
  if (!namespace) return `"${name}" not allowlisted`;
  const isHosts = namespace === 'IPC' ? hostIPC : hostNetwork;
  return isHosts ? `"${name}" not allowed with host ${namespace} enabled` : undefined;
}

/** Both `net/ipv4/conf` and `net.ipv4.conf` are written; the first separator tells which. Source: component-helpers NormalizeName. */
export function normalName(name: string): string {
  const first = /[./]/.exec(name)?.[0];
  if (first !== '/') return name;
  return name.replaceAll(/[./]/g, sign => (sign === '/' ? '.' : '/'));
}

function isAtLeast(version: string, [major, minor]: readonly [number, number]): boolean {
  const [, ownMajor = '0', ownMinor = '0'] = /^(\d+)\.(\d+)/.exec(version) ?? [];
  return Number(ownMajor) > major || (Number(ownMajor) === major && Number(ownMinor) >= minor);
}
