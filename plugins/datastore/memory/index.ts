import { definePlugin } from '../../../core/plugin-api/descriptor.js';

export const memoryDatastore = definePlugin({
  id: 'memory',
  slot: 'datastore',
  contract: 1,
  summary: 'keeps objects in memory, gone after a stop',
  load: () => import('./memory-module.js'),
});
