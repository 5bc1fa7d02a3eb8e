import { isIP } from 'node:net';
import { definePlugin } from 'k3s-ts/plugin';

/** What k3s knows before it loads the plugin. Keep this file small: it is imported also for help and `k3s plugin list`. */
export const plugin = definePlugin({
  id: 'template-load-balancer',
  slot: 'load-balancer',
  contract: 1,
  side: 'server',
  requires: ['apiserver'],
  summary: 'gives Services the addresses of a list',
  options: {
    addresses: {
      doc: 'what may be given',
      format: checkAddresses,
      default: ['192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.4'],
    },
  },
  flags: {
    'template-load-balancer-addresses': {
      option: 'addresses',
      kind: 'list',
      summary: 'addresses for Services',
      command: 'server',
    },
  },
  load: () => import('./template-load-balancer-module.js'),
});

function checkAddresses(value: unknown): void {
  if (!Array.isArray(value) || value.length === 0) throw new Error('must be a list of addresses');
  for (const each of value) if (isIP(String(each)) === 0) throw new Error(`"${each}" is no address`);
}
