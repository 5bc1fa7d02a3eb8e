import { ApiTransport, Clock, ClusterPaths, ClusterSettings, Cni, ContainerModule, Ledger, Logger, Part } from 'k3s-ts/plugin';
import { TemplateCni } from './template-cni.js';

export const module = new ContainerModule(({ bind }) => {
  bind(Cni).toResolvedValue(
    (
      transport: ApiTransport,
      clock: Clock,
      logger: Logger,
      ledger: Ledger,
      clusterPaths: ClusterPaths,
      settings: ClusterSettings,
    ) => new TemplateCni({ transport, clock, logger, ledger, clusterPaths, nodeName: settings.nodeName }),
    [ApiTransport, Clock, Logger, Ledger, ClusterPaths, ClusterSettings],
  );
  bind(Part).toService(Cni);
});
