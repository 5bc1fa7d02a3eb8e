import { join } from 'node:path';
import { Clock, ClusterPaths, ContainerModule, Datastore, DatastorePart, Logger, Part, PluginOptions } from 'k3s-ts/plugin';
import { JournalDatastore } from './journal-datastore.js';

export const module = new ContainerModule(({ bind }) => {
  bind(Datastore).toResolvedValue(
    (logger: Logger, clock: Clock, paths: ClusterPaths, options: { rewriteAboveBytes: number }) =>
      new JournalDatastore({ logger, clock, directory: join(paths.server.dbDir, 'journal'), ...options }),
    [Logger, Clock, ClusterPaths, PluginOptions],
  );
  bind(Part).to(DatastorePart);
});
