import { definePlugin } from 'k3s-ts/plugin';

/** What k3s knows before it loads the plugin. Keep this file small: it is imported also for help and `k3s plugin list`. */
export const plugin = definePlugin({
  id: 'template-service-proxy',
  slot: 'service-proxy',
  contract: 1,
  requires: ['apiserver'],
  summary: 'Services by a proxy in this process',
  load: () => import('./template-service-proxy-module.js'),
});
