import { definePlugin } from '../../../core/plugin-api/descriptor.js';

export interface SqlitePluginOptions {
  readonly quotaBytes: number;
}

export const sqliteDatastore = definePlugin<SqlitePluginOptions>({
  id: 'sqlite',
  slot: 'datastore',
  contract: 1,
  aliases: ['kine'],
  summary: 'one SQLite file below the data directory',
  options: {
    quotaBytes: { default: 0, format: 'nat', doc: 'size that the file may reach; 0: as far as the disk allows' },
  },
  load: () => import('./sqlite-module.js'),
});
