import { definePlugin } from '../../plugin-api/descriptor.js';
import type { ArgumentOptions } from './argument-options.js';

export const controllers = definePlugin<ArgumentOptions>({
  id: 'controllers',
  slot: 'controllers',
  contract: 1,
  requires: ['apiserver'],
  summary: 'the control loops of kube-controller-manager',
  options: { arguments: { default: [], format: Array, doc: 'arguments of kube-controller-manager as name=value' } },
  flags: {
    'kube-controller-manager-arg': {
      option: 'arguments',
      kind: 'list',
      summary: 'flag=value for the controllers',
      command: 'server',
    },
  },
  load: () => import('./controllers-module.js'),
});
