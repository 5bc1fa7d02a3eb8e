import { MetricsSource } from '../../contracts/metrics-source.js';
import { definePlugin } from '../../plugin-api/descriptor.js';

export interface KubeletPluginOptions {
  readonly arguments: readonly string[];
  readonly resolvConf: string;
  readonly protectKernelDefaults: boolean;
}

export const kubelet = definePlugin<KubeletPluginOptions>({
  id: 'kubelet',
  slot: 'kubelet',
  contract: 1,
  requires: ['container-runtime'],
  after: ['apiserver'],
  provides: [MetricsSource],
  summary: 'runs the pods that are bound to this node',
  options: {
    arguments: { default: [], format: Array, doc: 'arguments of the kubelet as name=value' },
    protectKernelDefaults: {
      default: false,
      format: Boolean,
      doc: 'refuse kernel settings that differ, instead of setting them',
    },
    resolvConf: { default: '', format: String, doc: "resolv.conf for pods; empty: the host's" },
  },
  flags: {
    'kubelet-arg': { option: 'arguments', kind: 'list', summary: 'flag=value for the kubelet' },
    'protect-kernel-defaults': {
      option: 'protectKernelDefaults',
      kind: 'boolean',
      summary: "fail when kernel settings differ from the kubelet's",
    },
    'resolv-conf': { option: 'resolvConf', kind: 'string', summary: 'resolv.conf for pods' },
  },
  load: () => import('./kubelet-module.js'),
});
