import { HostCommands } from '../../../core/host/commands.js';
import { ConntrackCommand } from '../../../core/host/conntrack.js';
import { IpCommand } from '../../../core/host/links.js';
import { NftCommand } from '../../../core/host/nftables.js';
import { ProcSysctl } from '../../../core/host/sysctl.js';
import {
  ApiTransport,
  Clock,
  ClusterSettings,
  ContainerModule,
  Ledger,
  Logger,
  Part,
  PluginOptions,
} from '../../../core/plugin-api/index.js';
import type { NftablesOptions } from './index.js';
import { NftablesServiceProxy } from './nftables-service-proxy.js';

export const module = new ContainerModule(({ bind }) => {
  bind(Part).toResolvedValue(
    (
      transport: ApiTransport,
      settings: ClusterSettings,
      options: NftablesOptions,
      clock: Clock,
      logger: Logger,
      ledger: Ledger,
    ) => {
      const commands = new HostCommands({ preferBundledBin: settings.preferBundledBin });
      return new NftablesServiceProxy({
        transport,
        settings,
        options,
        clock,
        logger,
        ledger,
        host: {
          commands,
          nftables: new NftCommand(commands),
          links: new IpCommand(commands),
          sysctl: new ProcSysctl(),
          conntrack: new ConntrackCommand(commands),
        },
      });
    },
    [ApiTransport, ClusterSettings, PluginOptions, Clock, Logger, Ledger],
  );
});
