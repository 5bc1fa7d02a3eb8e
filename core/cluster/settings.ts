import ipaddr from 'ipaddr.js';
import type { ConfigValues } from '../../config/index.js';
import type { ClusterSettings } from '../contracts/cluster-settings.js';
import { clusterError } from './cluster-errors.js';
import { kubernetesVersion } from './version.js';

export interface SettingsOptions {
  readonly role: 'server' | 'agent';
  readonly values: ConfigValues;
  /** Of the machine. */
  readonly hostName: string;
  /** What `--token-file` and `--agent-token-file` hold. */
  readonly token: string | undefined;
  readonly agentToken: string | undefined;
}

/** The typed settings of a cluster. Values were checked by the configuration's formats. */
export function makeClusterSettings({ role, values, hostName, token, agentToken }: SettingsOptions): ClusterSettings {
  const serviceCidrs = orDefault(values['service-cidr'], '10.43.0.0/16');
  const clusterCidrs = orDefault(values['cluster-cidr'], '10.42.0.0/16');
  checkFamilies(clusterCidrs, serviceCidrs);
  checkNodeIps(values['node-ip'] ?? []);
  const [first, last] = values['service-node-port-range']?.split('-').map(Number) ?? [30000, 32767];
  return Object.freeze({
    role,
    version: kubernetesVersion,
    preset: values.preset,
    bindAddress: values['bind-address'],
    httpsListenPort: values['https-listen-port'] ?? 6443,
    advertiseAddress: values['advertise-address'],
    advertisePort: values['advertise-port'],
    tlsSans: values['tls-san'] ?? [],
    clusterCidrs,
    serviceCidrs,
    serviceNodePortRange: Object.freeze({ first: first!, last: last! }),
    clusterDns: values['cluster-dns']?.length
      ? values['cluster-dns']
      : Object.freeze(serviceCidrs.map(range => nthAddress(range, 10))),
    clusterDomain: values['cluster-domain'] ?? 'cluster.local',
    nodeEnabled: role === 'agent' || !values['disable-agent'],
    nodeName: values['node-name'] ?? hostName.toLowerCase(),
    nodeIps: values['node-ip'],
    nodeExternalIps: values['node-external-ip'],
    nodeInternalDns: values['node-internal-dns'],
    nodeExternalDns: values['node-external-dns'],
    nodeLabels: values['node-label'],
    nodeTaints: values['node-taint'],
    preferBundledBin: values['prefer-bundled-bin'],
    token,
    agentToken,
    serverUrl: values.server,
    kubeconfig: Object.freeze({
      mode: Number.parseInt(values['write-kubeconfig-mode'] ?? '0600', 8),
      group: values['write-kubeconfig-group'],
      name: values['write-kubeconfig-name'] ?? 'default',
    }),
    disabled: values.disable ?? [],
  });
}

/** As K3s: pods and Services have addresses of the same families, of each one range. Throws `ADDRESS_FAMILIES`. */
function checkFamilies(clusterCidrs: readonly string[], serviceCidrs: readonly string[]): void {
  const families = (ranges: readonly string[]): string => ranges.map(range => (range.includes(':') ? 'IPv6' : 'IPv4')).join(',');
  for (const [flag, ranges] of [
    ['cluster-cidr', clusterCidrs],
    ['service-cidr', serviceCidrs],
  ] as const) {
    if (['IPv4', 'IPv4,IPv6', 'IPv6,IPv4', 'IPv6'].includes(families(ranges))) continue;
    const message = `--${flag} ${ranges.join(',')} names more than one range of a family`;
    throw clusterError('ADDRESS_FAMILIES', message, { mend: 'give one IPv4 range, or one IPv4 and one IPv6 range' });
  }
  if (new Set([families(clusterCidrs), families(serviceCidrs)].map(text => text.split(',').sort().join(','))).size === 1) return;
  const message = `--cluster-cidr ${clusterCidrs.join(',')} and --service-cidr ${serviceCidrs.join(',')} must share the same IP version (IPv4, IPv6 or dual-stack)`;
  throw clusterError('ADDRESS_FAMILIES', message, {
    mend: 'give both flags ranges of the same families, like 10.42.0.0/16,fd00:42::/56 and 10.43.0.0/16,fd00:43::/112',
  });
}

/** As the kubelet has it: one address, or one of each family. Throws `ADDRESS_FAMILIES`. */
function checkNodeIps(nodeIps: readonly string[]): void {
  const versions = nodeIps.map(ip => ip.includes(':'));
  if (new Set(versions).size === versions.length) return;
  const message = `--node-ip ${nodeIps.join(',')} names more than one address of a family`;
  throw clusterError('ADDRESS_FAMILIES', message, { mend: 'give one address, or one IPv4 and one IPv6 address' });
}

function orDefault(list: readonly string[] | undefined, fallback: string): readonly string[] {
  return list?.length ? list : Object.freeze([fallback]);
}

/** The address `index` above the start of a range. */
export function nthAddress(range: string, index: number): string {
  const [address, length] = ipaddr.parseCIDR(range);
  const bytes = ipaddr.parse(address.toString()).toByteArray();
  // Host bits of what the user wrote do not count.
  for (let bit = length; bit < bytes.length * 8; bit++) bytes[bit >> 3]! &= ~(0x80 >> (bit & 7));
  let carry = index;
  for (let at = bytes.length - 1; at >= 0 && carry > 0; at--) {
    const sum = bytes[at]! + carry;
    bytes[at] = sum & 0xff;
    carry = sum >> 8;
  }
  return ipaddr.fromByteArray(bytes).toString();
}
