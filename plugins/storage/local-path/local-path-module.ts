import { HostCommands } from '../../../core/host/commands.js';
import {
  ApiTransport,
  Clock,
  ClusterPaths,
  ClusterSettings,
  ContainerModule,
  Logger,
  Part,
  PluginOptions,
} from '../../../core/plugin-api/index.js';
import type { LocalPathOptions } from './index.js';
import { LocalPathPart } from './local-path-part.js';
import { HostProjectQuotas } from './project-quota.js';

export const module = new ContainerModule(({ bind }) => {
  bind(Part).toResolvedValue(
    (
      transport: ApiTransport,
      settings: ClusterSettings,
      paths: ClusterPaths,
      options: LocalPathOptions,
      clock: Clock,
      logger: Logger,
    ) =>
      new LocalPathPart({
        transport,
        nodeName: settings.nodeEnabled ? settings.nodeName : undefined,
        isServer: settings.role === 'server',
        storageDir: options.path || paths.storageDir,
        quotas: new HostProjectQuotas(new HostCommands({ preferBundledBin: settings.preferBundledBin })),
        clock,
        logger,
      }),
    [ApiTransport, ClusterSettings, ClusterPaths, PluginOptions, Clock, Logger],
  );
});
