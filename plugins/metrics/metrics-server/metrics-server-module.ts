import {
  ApiGroup,
  ApiTransport,
  Clock,
  ContainerModule,
  Logger,
  MetricsSource,
  Part,
  PluginOptions,
} from '../../../core/plugin-api/index.js';
import type { MetricsServerOptions } from './index.js';
import { MetricsGroup } from './metrics-group.js';
import { MetricsServerPart } from './metrics-server-part.js';

export const module = new ContainerModule(({ bind }) => {
  // The API server injects the group: it must not need the API server.
  bind(MetricsGroup).toResolvedValue(() => new MetricsGroup());
  bind(ApiGroup).toService(MetricsGroup);
  bind(Part).toResolvedValue(
    (
      group: MetricsGroup,
      transport: ApiTransport,
      options: MetricsServerOptions,
      sources: MetricsSource[],
      clock: Clock,
      logger: Logger,
    ) => new MetricsServerPart({ group, transport, sources, resolutionMs: options.resolutionSeconds * 1000, clock, logger }),
    [MetricsGroup, ApiTransport, PluginOptions, { isMultiple: true, serviceIdentifier: MetricsSource }, Clock, Logger],
  );
});
