import { MetricsSource } from '../../contracts/metrics-source.js';
import { definePlugin } from '../../plugin-api/descriptor.js';

export const kubelet = definePlugin({
  id: 'kubelet',
  slot: 'kubelet',
  contract: 1,
  requires: ['container-runtime'],
  after: ['apiserver'],
  provides: [MetricsSource],
  summary: 'runs the pods that are bound to this node',
  load: () => import('./kubelet-module.js'),
});
