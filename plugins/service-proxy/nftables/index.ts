import { definePlugin } from '../../../core/plugin-api/descriptor.js';
import { proxyArguments } from './proxy-arguments.js';

export interface NftablesOptions {
  readonly nodePortAddresses: readonly string[];
  readonly nodePortsOnLoopback: boolean;
  readonly arguments: readonly string[];
}

export const nftablesServiceProxy = definePlugin<NftablesOptions>({
  id: 'nftables',
  slot: 'service-proxy',
  contract: 1,
  aliases: ['kube-proxy'],
  requires: ['apiserver'],
  summary: 'Services by nftables rules of the kernel',
  options: {
    nodePortAddresses: {
      default: [],
      format: Array,
      doc: 'ranges of local addresses on which node ports answer; empty: all local addresses',
    },
    nodePortsOnLoopback: { default: true, format: Boolean, doc: 'whether node ports also answer on 127.0.0.1' },
    arguments: {
      default: [],
      format: Array,
      doc: "kube-proxy's arguments as name=value; docs/flags.md lists them",
    },
  },
  arguments: proxyArguments,
  flags: { 'kube-proxy-arg': { option: 'arguments', kind: 'list', summary: 'flag=value for the service proxy' } },
  load: () => import('./nftables-module.js'),
});
