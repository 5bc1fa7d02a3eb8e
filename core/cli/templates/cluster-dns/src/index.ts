import { definePlugin } from 'k3s-ts/plugin';
import { manifests } from './manifests.js';

export interface TemplateClusterDnsOptions {
  readonly port: number;
  /** Empty: the servers that this machine asks. */
  readonly upstream: string;
}

/** What k3s knows before it loads the plugin. Keep this file small: it is imported also for help and `k3s plugin list`. */
export const plugin = definePlugin<TemplateClusterDnsOptions>({
  id: 'template-cluster-dns',
  slot: 'cluster-dns',
  contract: 1,
  side: 'server',
  // `core`: the objects of `manifests` are there before the part starts.
  requires: ['apiserver', 'core'],
  summary: 'names of Services and pods, in the process',
  options: {
    port: { doc: 'port of the node; 0: a free one', format: 'port', default: 0 },
    upstream: { doc: 'address:port of the server for other names', format: String, default: '' },
  },
  flags: {
    'template-cluster-dns-port': { option: 'port', kind: 'number', summary: 'port of the node for DNS', command: 'server' },
    // `k3s plugin check` looks for a flag of the option `upstream`.
    'template-cluster-dns-upstream': {
      option: 'upstream',
      kind: 'string',
      summary: 'address:port of the server for other names',
      command: 'server',
    },
  },
  manifests,
  load: () => import('./template-cluster-dns-module.js'),
});
