import { contractToken, definePlugin } from 'k3s-ts/plugin';
import { manifests } from './manifests.js';

/** What k3s knows before it loads the plugin. Keep this file small: it is imported also for help and `k3s plugin list`. */
export const plugin = definePlugin({
  id: 'template-metrics',
  slot: 'metrics',
  contract: 1,
  summary: 'metrics.k8s.io from the last two measurements',
  requires: ['apiserver'],
  // The account below is there first, and so are the sources.
  after: ['core', 'kubelet', 'metrics-sources'],
  provides: [contractToken({ id: 'api-groups', contract: 1 })],
  manifests,
  load: () => import('./template-metrics-module.js'),
});
