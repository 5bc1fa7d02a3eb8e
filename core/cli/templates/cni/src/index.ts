import { definePlugin } from 'k3s-ts/plugin';

/** What k3s knows before it loads the plugin. Keep this file small: it is imported also for help and `k3s plugin list`. */
export const plugin = definePlugin({
  id: 'template-cni',
  slot: 'cni',
  contract: 1,
  requires: ['apiserver'],
  summary: 'pod network: a bridge for the pods of one node',
  load: () => import('./template-cni-module.js'),
});
