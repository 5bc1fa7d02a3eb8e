import { ApiGroup, ApiTransport, Clock, ContainerModule, Logger, MetricsSource, Part } from 'k3s-ts/plugin';
import { MetricsApi } from './metrics-api.js';
import { TemplateMetrics } from './template-metrics.js';

export const module = new ContainerModule(({ bind }) => {
  // The API server injects the group: it must not need the API server.
  bind(MetricsApi).toResolvedValue(() => new MetricsApi());
  bind(ApiGroup).toService(MetricsApi);
  bind(Part).toResolvedValue(
    (api: MetricsApi, transport: ApiTransport, sources: MetricsSource[], clock: Clock, logger: Logger) =>
      new TemplateMetrics({ api, transport, sources, clock, logger }),
    [MetricsApi, ApiTransport, { isMultiple: true, serviceIdentifier: MetricsSource }, Clock, Logger],
  );
});
