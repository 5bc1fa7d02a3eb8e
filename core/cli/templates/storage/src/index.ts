import { isAbsolute, normalize } from 'node:path';
import { definePlugin } from 'k3s-ts/plugin';
import { manifests } from './manifests.js';

/** What k3s knows before it loads the plugin. Keep this file small: it is imported also for help and `k3s plugin list`. */
export const plugin = definePlugin({
  id: 'template-storage',
  slot: 'storage',
  contract: 1,
  // One for the whole cluster: every node sees the same folders. Of several servers each may do everything: twice is safe.
  side: 'server',
  // The StorageClass and the account of the manifests are there first.
  requires: ['apiserver', 'core'],
  summary: 'volumes as folders that all nodes share, StorageClass template-storage',
  manifests,
  options: { path: { doc: 'the shared folder; empty: one of the data directory', format: checkPath, default: '' } },
  flags: {
    'template-storage-path': { option: 'path', kind: 'string', summary: 'folder that all nodes share', command: 'server' },
  },
  load: () => import('./template-storage-module.js'),
});

function checkPath(value: unknown): void {
  if (value === '') return;
  const isFolder = typeof value === 'string' && isAbsolute(value) && normalize(value) === value && value !== '/';
  if (!isFolder) throw new Error(`"${String(value)}" must be an absolute path without "..", and not the root`);
}
