import { isIP } from 'node:net';
import { definePlugin } from '../../../core/plugin-api/descriptor.js';
import { manifests } from './manifests.js';

export interface CorednsOptions {
  readonly engine: 'embedded';
  readonly port: number;
  readonly metricsPort: number;
  readonly listenAddresses: readonly string[];
  readonly resolvConf: string;
  readonly upstream: string;
}

/** `address` or `address:port`; empty: none. */
function serverAddress(value: unknown): void {
  const text = String(value);
  const match = /^(?:\[(.+)\]|([^:]+)):\d{1,5}$/.exec(text);
  const address = match?.[1] ?? match?.[2] ?? text;
  if (text !== '' && isIP(address) === 0) throw new Error('must be address:port of a DNS server');
}

export const coredns = definePlugin<CorednsOptions>({
  id: 'coredns',
  slot: 'cluster-dns',
  contract: 1,
  // The listener is a node's; publishing needs the API in this process until agents have a client of their own.
  side: 'server',
  requires: ['apiserver', 'core'],
  summary: 'names of Services and pods, answered by the dataplane process',
  options: {
    engine: { default: 'embedded', format: ['embedded'], doc: 'embedded: without a container' },
    port: { default: 10_053, format: 'port', doc: 'port of the node behind Service kube-dns; answers cluster and node only' },
    metricsPort: { default: 9153, format: 'port', doc: 'port of the node for Prometheus; 0: none' },
    listenAddresses: { default: [], format: Array, doc: 'instead of the addresses of the node' },
    resolvConf: { default: '/etc/resolv.conf', format: String, doc: 'file that names the servers for all other names' },
    upstream: {
      default: '',
      format: serverAddress,
      doc: 'address:port of the server for all other names, instead of resolvConf',
    },
  },
  manifests,
  dataplane: new URL('./dataplane/module.js', import.meta.url).href,
  load: () => import('./coredns-module.js'),
});
