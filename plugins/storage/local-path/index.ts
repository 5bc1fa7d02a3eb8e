import { definePlugin } from '../../../core/plugin-api/descriptor.js';
import { localPathManifests } from './local-path-manifests.js';

export interface LocalPathOptions {
  readonly path: string;
}

export const localPathStorage = definePlugin<LocalPathOptions>({
  id: 'local-storage',
  slot: 'storage',
  contract: 1,
  aliases: ['local-path'],
  after: ['apiserver', 'core'],
  summary: 'volumes as directories of the node, StorageClass local-path',
  options: {
    path: { default: '', format: String, doc: 'folder of local volumes; empty: storage below the data directory' },
  },
  flags: {
    'default-local-storage-path': {
      option: 'path',
      kind: 'string',
      command: 'server',
      summary: 'folder of local volumes',
    },
  },
  manifests: localPathManifests,
  load: () => import('./local-path-module.js'),
});
