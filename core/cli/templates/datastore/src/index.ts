import { definePlugin } from 'k3s-ts/plugin';

/** What k3s knows before it loads the plugin. Keep this file small: it is imported also for help and `k3s plugin list`. */
export const plugin = definePlugin({
  id: 'template-datastore',
  slot: 'datastore',
  contract: 1,
  summary: 'keeps objects in memory, gone after a stop',
  load: () => import('./template-datastore-module.js'),
});
