import { definePlugin } from '../../../core/plugin-api/descriptor.js';
import { manifests } from './manifests.js';

export interface TraefikOptions {
  readonly engine: 'embedded';
  readonly webPort: number;
  readonly websecurePort: number;
  readonly listenAddresses: readonly string[];
  readonly insecureSkipVerify: boolean;
}

export const traefik = definePlugin<TraefikOptions>({
  id: 'traefik',
  slot: 'ingress',
  contract: 1,
  // The listeners are a node's; publishing needs the API in this process until agents have a client of their own.
  side: 'server',
  requires: ['apiserver', 'core'],
  summary: 'HTTP from outside by Ingress objects, served by the dataplane process',
  options: {
    engine: { default: 'embedded', format: ['embedded'], doc: 'embedded: without a container' },
    webPort: { default: 10_080, format: 'port', doc: 'port of the node behind port 80 of Service traefik' },
    websecurePort: { default: 10_443, format: 'port', doc: 'port of the node behind port 443 of Service traefik' },
    insecureSkipVerify: {
      default: false,
      format: Boolean,
      doc: 'take any certificate of endpoints with the scheme https, as serversTransport.insecureSkipVerify of Traefik',
    },
    listenAddresses: { default: [], format: Array, doc: 'instead of the addresses of the node' },
  },
  manifests,
  dataplane: new URL('./dataplane/module.js', import.meta.url).href,
  load: () => import('./traefik-module.js'),
});
