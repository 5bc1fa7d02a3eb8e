import {
  Clock,
  ClusterPaths,
  ContainerModule,
  Datastore,
  DatastorePart,
  Logger,
  Part,
  PartReporter,
  PluginOptions,
} from '../../../core/plugin-api/index.js';
import type { SqlitePluginOptions } from './index.js';
import { SqliteDatastore } from './sqlite-datastore.js';

export const module = new ContainerModule(({ bind }) => {
  bind(Datastore).toResolvedValue(
    (logger: Logger, clock: Clock, paths: ClusterPaths, options: SqlitePluginOptions, reporter: PartReporter) =>
      new SqliteDatastore({
        directory: paths.server.dbDir,
        logger,
        clock,
        quotaBytes: options.quotaBytes || undefined,
        onFailure: error => reporter.failed(error),
      }),
    [Logger, Clock, ClusterPaths, PluginOptions, PartReporter],
  );
  bind(Part).to(DatastorePart);
});
