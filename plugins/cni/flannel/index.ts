import { definePlugin } from '../../../core/plugin-api/descriptor.js';

export interface FlannelOptions {
  readonly backend: string;
  readonly ipv6Masquerade: boolean;
  readonly externalIp: boolean;
  readonly interface: string;
  readonly configurationFile: string;
  readonly cniConfigurationFile: string;
  readonly binaryDirectories: readonly string[];
}

export const flannel = definePlugin<FlannelOptions>({
  id: 'flannel',
  slot: 'cni',
  contract: 1,
  requires: ['apiserver'],
  summary: 'pod network: a bridge on each node, VXLAN or routes between nodes',
  options: {
    backend: {
      default: 'vxlan',
      format: ['none', 'vxlan', 'host-gw', 'wireguard-native'],
      doc: 'how pod packets travel between nodes; none: another network installs itself in /etc/cni/net.d',
    },
    ipv6Masquerade: { default: false, format: Boolean, doc: 'masquerade what pods send out by IPv6' },
    externalIp: { default: false, format: Boolean, doc: "nodes reach each other's pods over their external addresses" },
    interface: { default: '', format: String, doc: "link to the other nodes; empty: the one with the node's address" },
    configurationFile: { default: '', format: String, doc: "flannel's net-conf.json, of which Backend is read" },
    cniConfigurationFile: { default: '', format: String, doc: 'CNI configuration to install instead of ours' },
    binaryDirectories: { default: [], format: Array, doc: 'folders of CNI plugins; empty: those that come with k3s' },
  },
  flags: {
    'flannel-backend': {
      option: 'backend',
      kind: 'string',
      summary: 'how pod packets travel between nodes (vxlan)',
      command: 'server',
    },
    'flannel-ipv6-masq': {
      option: 'ipv6Masquerade',
      kind: 'boolean',
      summary: 'masquerade IPv6 of pods',
      command: 'server',
    },
    'flannel-external-ip': {
      option: 'externalIp',
      kind: 'boolean',
      summary: 'pod network over external addresses',
      command: 'server',
    },
    'flannel-iface': { option: 'interface', kind: 'string', summary: 'interface of the pod network' },
    'flannel-conf': { option: 'configurationFile', kind: 'string', summary: 'flannel configuration file' },
    'flannel-cni-conf': { option: 'cniConfigurationFile', kind: 'string', summary: 'flannel CNI configuration file' },
  },
  load: () => import('./flannel-module.js'),
});
