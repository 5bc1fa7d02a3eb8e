import { ContainerModule } from 'inversify';
import { ApiTransport } from '../../contracts/api-transport.js';
import { Clock } from '../../contracts/clock.js';
import { ClusterSettings } from '../../contracts/cluster-settings.js';
import { Logger } from '../../contracts/logger.js';
import { Part } from '../../contracts/part.js';
import { ResourceCatalogue } from '../../contracts/resource-catalogue.js';
import { SelectedParts } from '../selected-parts.js';
import { ManifestsPart } from './manifests-part.js';

export const module = new ContainerModule(({ bind }) => {
  bind(Part).toResolvedValue(
    (
      transport: ApiTransport,
      catalogue: ResourceCatalogue,
      selected: SelectedParts,
      settings: ClusterSettings,
      clock: Clock,
      logger: Logger,
    ) => new ManifestsPart({ transport, catalogue, selected, settings, clock, logger }),
    [ApiTransport, ResourceCatalogue, SelectedParts, ClusterSettings, Clock, Logger],
  );
});
