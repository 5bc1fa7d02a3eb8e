import { definePlugin } from 'k3s-ts/plugin';
import { manifests } from './manifests.js';

export interface TemplateIngressOptions {
  readonly port: number;
  readonly tlsPort: number;
}

/** What k3s knows before it loads the plugin. Keep this file small: it is imported also for help and `k3s plugin list`. */
export const plugin = definePlugin<TemplateIngressOptions>({
  id: 'template-ingress',
  slot: 'ingress',
  contract: 1,
  side: 'server',
  // `core`: the objects of `manifests` are there before the part starts.
  requires: ['apiserver', 'core'],
  summary: 'HTTP from outside by Ingress objects, in the process',
  options: {
    port: { doc: 'port of the node for HTTP; 0: a free one', format: 'port', default: 0 },
    tlsPort: { doc: 'port of the node for HTTPS; 0: a free one', format: 'port', default: 0 },
  },
  flags: {
    'template-ingress-port': { option: 'port', kind: 'number', summary: 'port of the node for HTTP', command: 'server' },
    'template-ingress-tls-port': { option: 'tlsPort', kind: 'number', summary: 'port of the node for HTTPS', command: 'server' },
  },
  manifests,
  load: () => import('./template-ingress-module.js'),
});
