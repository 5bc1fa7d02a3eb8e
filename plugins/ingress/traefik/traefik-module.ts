import { HostCommands } from '../../../core/host/commands.js';
import { NftCommand } from '../../../core/host/nftables.js';
import {
  ApiTransport,
  Clock,
  ClusterPaths,
  ClusterSettings,
  ContainerModule,
  Dataplane,
  Ledger,
  Logger,
  Part,
  PluginOptions,
} from '../../../core/plugin-api/index.js';
import type { TraefikOptions } from './index.js';
import { guardListeners } from './listener-guard.js';
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
      ledger: Ledger,
    ) => {
      // A listener elsewhere was chosen by the user, who also knows who may reach it.
      const ownsPorts = process.getuid?.() === 0 && options.listenAddresses.length === 0;
      const nftables = new NftCommand(new HostCommands({ preferBundledBin: settings.preferBundledBin }));
      const ports = [options.webPort, options.websecurePort];
      const guard = (): Promise<void> => guardListeners({ nftables, ledger, logger, ports, clusterCidrs: settings.clusterCidrs });
      return new TraefikPart({
        transport,
        dataplane,
        settings,
        paths,
        options,
        clock,
        logger,
        ...(ownsPorts && { guard }),
      });
    },
    [ApiTransport, Dataplane, ClusterSettings, ClusterPaths, PluginOptions, Clock, Logger, Ledger],
  );
});
