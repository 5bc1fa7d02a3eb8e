import {
  ApiTransport,
  Clock,
  ClusterPaths,
  ClusterSettings,
  ContainerModule,
  Dataplane,
  Logger,
  Part,
  PluginOptions,
} from '../../../core/plugin-api/index.js';
import type { TraefikOptions } from './index.js';
import { TraefikPart } from './traefik-part.js';

export const module = new ContainerModule(({ bind }) => {
  bind(Part).toResolvedValue(
    (
      transport: ApiTransport,
      dataplane: Dataplane,
      settings: ClusterSettings,
      paths: ClusterPaths,
      options: TraefikOptions,
      clock: Clock,
      logger: Logger,
    ) => new TraefikPart({ transport, dataplane, settings, paths, options, clock, logger }),
    [ApiTransport, Dataplane, ClusterSettings, ClusterPaths, PluginOptions, Clock, Logger],
  );
});
