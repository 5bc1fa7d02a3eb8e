import { definePlugin } from 'k3s-ts/plugin';

/** What k3s knows before it loads the plugin. Keep this file small: it is imported also for help and `k3s plugin list`. */
export const plugin = definePlugin({
  id: 'template-scheduler',
  slot: 'scheduler',
  contract: 1,
  requires: ['apiserver'],
  summary: 'chooses the node with the most free CPU',
  load: () => import('./template-scheduler-module.js'),
});
