import ipaddr from 'ipaddr.js';
import type { ConfigValues } from '../../config/index.js';
import type { ClusterSettings } from '../contracts/cluster-settings.js';
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
    clusterCidrs: orDefault(values['cluster-cidr'], '10.42.0.0/16'),
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
