import { definePlugin } from 'k3s-ts/plugin';

export const plugin = definePlugin({
  id: 'journal',
  slot: 'datastore',
  contract: 1,
  summary: 'keeps objects in memory and every change in one append-only file',
  options: {
    rewriteAboveBytes: {
      doc: 'a journal below this size is never rewritten by itself',
      format: 'nat',
      default: 16 * 1024 * 1024,
    },
  },
  load: () => import('./journal-module.js'),
});
