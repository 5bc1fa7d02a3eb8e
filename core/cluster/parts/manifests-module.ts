import { ContainerModule } from 'inversify';
import { ApiTransport } from '../../contracts/api-transport.js';
import { Clock } from '../../contracts/clock.js';
import { Logger } from '../../contracts/logger.js';
import { Part } from '../../contracts/part.js';
import { ResourceCatalogue } from '../../contracts/resource-catalogue.js';
import { SelectedParts } from '../selected-parts.js';
import { ManifestsPart } from './manifests-part.js';

export const module = new ContainerModule(({ bind }) => {
  bind(Part).toResolvedValue(
    (transport: ApiTransport, catalogue: ResourceCatalogue, selected: SelectedParts, clock: Clock, logger: Logger) =>
      new ManifestsPart({ transport, catalogue, selected, clock, logger }),
    [ApiTransport, ResourceCatalogue, SelectedParts, Clock, Logger],
  );
});
