import { ApiTransport } from '../../contracts/api-transport.js';
import { definePlugin } from '../../plugin-api/descriptor.js';

export const apiserver = definePlugin({
  id: 'apiserver',
  slot: 'apiserver',
  contract: 1,
  requires: ['datastore'],
  after: ['admission'],
  provides: [ApiTransport],
  summary: 'the Kubernetes API on HTTPS and in process',
  load: () => import('./apiserver-module.js'),
});
