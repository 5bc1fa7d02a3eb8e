import { Clock, ContainerModule, Datastore, DatastorePart, Logger, Part } from 'k3s-ts/plugin';
import { TemplateDatastore } from './template-datastore.js';

export const module = new ContainerModule(({ bind }) => {
  bind(Datastore).toResolvedValue((logger: Logger, clock: Clock) => new TemplateDatastore({ logger, clock }), [Logger, Clock]);
  bind(Part).to(DatastorePart);
});
