import { Clock, ContainerModule, Datastore, DatastorePart, Logger, Part } from '../../../core/plugin-api/index.js';
import { MemoryDatastore } from './memory-datastore.js';

export const module = new ContainerModule(({ bind }) => {
  bind(Datastore).toResolvedValue((logger: Logger, clock: Clock) => new MemoryDatastore({ logger, clock }), [Logger, Clock]);
  bind(Part).to(DatastorePart);
});
