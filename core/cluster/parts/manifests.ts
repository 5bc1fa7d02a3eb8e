import { definePlugin } from '../../plugin-api/descriptor.js';

export const manifests = definePlugin({
  id: 'manifests',
  slot: 'core',
  contract: 1,
  requires: ['apiserver'],
  summary: 'applies the objects that plugins bring, and prunes those of plugins that are gone',
  load: () => import('./manifests-module.js'),
});
