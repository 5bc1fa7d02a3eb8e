import { ContainerModule } from 'inversify';
import { ApiTransport } from '../../contracts/api-transport.js';
import { Clock } from '../../contracts/clock.js';
import { ClusterPaths } from '../../contracts/cluster-paths.js';
import { ClusterSettings } from '../../contracts/cluster-settings.js';
import { ContainerRuntime } from '../../contracts/container-runtime.js';
import { Ledger } from '../../contracts/ledger.js';
import { Logger } from '../../contracts/logger.js';
import { Part } from '../../contracts/part.js';
import { KubeletPart } from '../../kubelet/kubelet-part.js';

export const module = new ContainerModule(({ bind }) => {
  bind(Part).toResolvedValue(
    (
      transport: ApiTransport,
      runtime: ContainerRuntime,
      settings: ClusterSettings,
      paths: ClusterPaths,
      clock: Clock,
      logger: Logger,
      ledger: Ledger,
    ) => new KubeletPart({ transport, runtime, settings, paths, clock, logger, ledger }),
    [ApiTransport, ContainerRuntime, ClusterSettings, ClusterPaths, Clock, Logger, Ledger],
  );
});
