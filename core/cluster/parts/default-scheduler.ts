import { definePlugin } from '../../plugin-api/descriptor.js';
import type { ArgumentOptions } from './argument-options.js';

export const defaultScheduler = definePlugin<ArgumentOptions>({
  id: 'default-scheduler',
  slot: 'scheduler',
  contract: 1,
  aliases: ['kube-scheduler'],
  requires: ['apiserver'],
  after: ['scheduler-plugins'],
  summary: 'chooses nodes for pods as kube-scheduler does',
  options: { arguments: { default: [], format: Array, doc: 'arguments of kube-scheduler as name=value' } },
  flags: {
    'kube-scheduler-arg': { option: 'arguments', kind: 'list', summary: 'flag=value for the scheduler', command: 'server' },
  },
  load: () => import('./default-scheduler-module.js'),
});
