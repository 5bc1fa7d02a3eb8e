import { ContainerModule } from 'inversify';
import { ApiTransport } from '../../contracts/api-transport.js';
import { Clock } from '../../contracts/clock.js';
import { ClusterAuthority } from '../../contracts/cluster-authority.js';
import { ClusterSettings } from '../../contracts/cluster-settings.js';
import { Logger } from '../../contracts/logger.js';
import { Part } from '../../contracts/part.js';
import { PluginOptions } from '../../contracts/plugin-options.js';
import { ResourceCatalogue } from '../../contracts/resource-catalogue.js';
import { ControllersPart } from '../../controllers/controllers-part.js';
import { controllersTuning } from '../arguments/controller-arguments.js';
import type { ArgumentOptions } from './argument-options.js';

export const module = new ContainerModule(({ bind }) => {
  bind(Part).toResolvedValue(
    (
      transport: ApiTransport,
      catalogue: ResourceCatalogue,
      authority: ClusterAuthority,
      settings: ClusterSettings,
      clock: Clock,
      logger: Logger,
      options: ArgumentOptions,
    ) => {
      const { tuning } = controllersTuning(options.arguments);
      return new ControllersPart({ transport, catalogue, authority, settings, tuning, clock, logger });
    },
    [ApiTransport, ResourceCatalogue, ClusterAuthority, ClusterSettings, Clock, Logger, PluginOptions],
  );
});
