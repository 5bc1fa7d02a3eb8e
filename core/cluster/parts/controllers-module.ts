import { ContainerModule } from 'inversify';
import { ApiTransport } from '../../contracts/api-transport.js';
import { Clock } from '../../contracts/clock.js';
import { ClusterAuthority } from '../../contracts/cluster-authority.js';
import { ClusterSettings } from '../../contracts/cluster-settings.js';
import { Logger } from '../../contracts/logger.js';
import { Part } from '../../contracts/part.js';
import { ResourceCatalogue } from '../../contracts/resource-catalogue.js';
import { ControllersPart } from '../../controllers/controllers-part.js';

export const module = new ContainerModule(({ bind }) => {
  bind(Part).toResolvedValue(
    (
      transport: ApiTransport,
      catalogue: ResourceCatalogue,
      authority: ClusterAuthority,
      settings: ClusterSettings,
      clock: Clock,
      logger: Logger,
    ) => new ControllersPart({ transport, catalogue, authority, settings, clock, logger }),
    [ApiTransport, ResourceCatalogue, ClusterAuthority, ClusterSettings, Clock, Logger],
  );
});
