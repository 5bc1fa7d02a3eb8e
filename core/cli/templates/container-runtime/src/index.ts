import { definePlugin } from 'k3s-ts/plugin';

/** What k3s knows before it loads the plugin. Keep this file small: it is imported also for help and `k3s plugin list`. */
export const plugin = definePlugin({
  id: 'template-container-runtime',
  slot: 'container-runtime',
  contract: 1,
  summary: 'containers as plain processes of this host, without isolation',
  load: () => import('./template-container-runtime-module.js'),
});
