import {
  Clock,
  ClusterPaths,
  ContainerModule,
  Datastore,
  DatastorePart,
  Logger,
  Part,
  PluginOptions,
} from '../../../core/plugin-api/index.js';
import type { SqlitePluginOptions } from './index.js';
import { SqliteDatastore } from './sqlite-datastore.js';

export const module = new ContainerModule(({ bind }) => {
  bind(Datastore).toResolvedValue(
    (logger: Logger, clock: Clock, paths: ClusterPaths, options: SqlitePluginOptions) =>
      new SqliteDatastore({ directory: paths.server.dbDir, logger, clock, quotaBytes: options.quotaBytes || undefined }),
    [Logger, Clock, ClusterPaths, PluginOptions],
  );
  bind(Part).to(DatastorePart);
});
