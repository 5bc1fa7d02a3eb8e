import { definePlugin } from '../../../core/plugin-api/descriptor.js';
import { contractToken } from '../../../core/plugin-api/slots.js';

export const addons = definePlugin({
  id: 'addons',
  slot: 'core',
  contract: 1,
  side: 'server',
  aliases: ['deploy'],
  requires: ['apiserver'],
  provides: [contractToken({ id: 'api-groups', contract: 1 })],
  summary: 'applies what lies in server/manifests',
  load: () => import('./addons-module.js'),
});
