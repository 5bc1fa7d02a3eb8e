import {
  ApiGroup,
  ApiTransport,
  Clock,
  ClusterPaths,
  ClusterSettings,
  ContainerModule,
  Logger,
  Part,
  ResourceCatalogue,
} from '../../../core/plugin-api/index.js';
import { addonGroup } from './addon-group.js';
import { AddonsPart } from './addons-part.js';

export const module = new ContainerModule(({ bind }) => {
  bind(ApiGroup).toConstantValue(addonGroup);
  bind(Part).toResolvedValue(
    (
      transport: ApiTransport,
      catalogue: ResourceCatalogue,
      settings: ClusterSettings,
      paths: ClusterPaths,
      clock: Clock,
      logger: Logger,
    ) => new AddonsPart({ transport, catalogue, settings, paths, clock, logger }),
    [ApiTransport, ResourceCatalogue, ClusterSettings, ClusterPaths, Clock, Logger],
  );
});
