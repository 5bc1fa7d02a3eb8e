import { ApiTransport, Clock, ClusterSettings, ContainerModule, Ledger, Logger, Part } from 'k3s-ts/plugin';
import { TemplateServiceProxy } from './template-service-proxy.js';

export const module = new ContainerModule(({ bind }) => {
  bind(Part).toResolvedValue(
    (transport: ApiTransport, clock: Clock, logger: Logger, ledger: Ledger, settings: ClusterSettings) =>
      new TemplateServiceProxy({ transport, clock, logger, ledger, settings }),
    [ApiTransport, Clock, Logger, Ledger, ClusterSettings],
  );
});
