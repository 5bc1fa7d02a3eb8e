import {
  ApiTransport,
  Clock,
  ClusterSettings,
  ContainerModule,
  Dataplane,
  Logger,
  Part,
  PluginOptions,
} from '../../../core/plugin-api/index.js';
import { CorednsPart } from './coredns-part.js';
import type { CorednsOptions } from './index.js';

export const module = new ContainerModule(({ bind }) => {
  bind(Part).toResolvedValue(
    (
      transport: ApiTransport,
      dataplane: Dataplane,
      settings: ClusterSettings,
      options: CorednsOptions,
      clock: Clock,
      logger: Logger,
    ) => new CorednsPart({ transport, dataplane, settings, options, clock, logger }),
    [ApiTransport, Dataplane, ClusterSettings, PluginOptions, Clock, Logger],
  );
});
