import { definePlugin } from '../../plugin-api/descriptor.js';

export const controllers = definePlugin({
  id: 'controllers',
  slot: 'controllers',
  contract: 1,
  requires: ['apiserver'],
  summary: 'the control loops of kube-controller-manager',
  load: () => import('./controllers-module.js'),
});
