import { HostCommands } from '../../../core/host/commands.js';
import { ConntrackCommand } from '../../../core/host/conntrack.js';
import { IpCommand } from '../../../core/host/links.js';
import { NftCommand } from '../../../core/host/nftables.js';
import { ProcSysctl } from '../../../core/host/sysctl.js';
import {
  ApiTransport,
  Clock,
  ClusterPaths,
  ClusterSettings,
  Cni,
  ContainerModule,
  Ledger,
  Logger,
  Part,
  PluginOptions,
} from '../../../core/plugin-api/index.js';
import { FlannelCni } from './flannel-cni.js';
import type { FlannelOptions } from './index.js';

/** What the part is made of, gathered because there is much of it. */
class FlannelHost {
  readonly commands: HostCommands;
  readonly links: IpCommand;
  readonly nftables: NftCommand;
  readonly sysctl = new ProcSysctl();
  readonly conntrack: ConntrackCommand;

  constructor({ preferBundledBin }: ClusterSettings) {
    this.commands = new HostCommands({ preferBundledBin });
    this.links = new IpCommand(this.commands);
    this.nftables = new NftCommand(this.commands);
    this.conntrack = new ConntrackCommand(this.commands);
  }
}

export const module = new ContainerModule(({ bind }) => {
  bind(FlannelCni).toResolvedValue(
    (
      transport: ApiTransport,
      settings: ClusterSettings,
      paths: ClusterPaths,
      options: FlannelOptions,
      clock: Clock,
      logger: Logger,
      ledger: Ledger,
    ) =>
      new FlannelCni({
        transport,
        settings,
        clusterPaths: paths,
        options,
        clock,
        logger,
        ledger,
        host: new FlannelHost(settings),
      }),
    [ApiTransport, ClusterSettings, ClusterPaths, PluginOptions, Clock, Logger, Ledger],
  );
  bind(Cni).toService(FlannelCni);
  bind(Part).toService(FlannelCni);
});
