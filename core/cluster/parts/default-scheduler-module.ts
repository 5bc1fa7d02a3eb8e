import { ContainerModule } from 'inversify';
import { ApiTransport } from '../../contracts/api-transport.js';
import { Clock } from '../../contracts/clock.js';
import { Logger } from '../../contracts/logger.js';
import { Part } from '../../contracts/part.js';
import { ResourceCatalogue } from '../../contracts/resource-catalogue.js';
import { SchedulerPlugin } from '../../contracts/scheduler-plugin.js';
import { SchedulerPart } from '../../scheduler/scheduler-part.js';

export const module = new ContainerModule(({ bind }) => {
  bind(Part).toResolvedValue(
    (transport: ApiTransport, catalogue: ResourceCatalogue, clock: Clock, logger: Logger, plugins: SchedulerPlugin[]) =>
      new SchedulerPart({ transport, catalogue, clock, logger, plugins: () => plugins }),
    [ApiTransport, ResourceCatalogue, Clock, Logger, { isMultiple: true, serviceIdentifier: SchedulerPlugin }],
  );
});
