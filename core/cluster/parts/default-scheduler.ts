import { definePlugin } from '../../plugin-api/descriptor.js';

export const defaultScheduler = definePlugin({
  id: 'default-scheduler',
  slot: 'scheduler',
  contract: 1,
  aliases: ['kube-scheduler'],
  requires: ['apiserver'],
  after: ['scheduler-plugins'],
  summary: 'chooses nodes for pods as kube-scheduler does',
  load: () => import('./default-scheduler-module.js'),
});
