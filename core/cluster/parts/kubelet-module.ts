import { ContainerModule } from 'inversify';
import { ApiTransport } from '../../contracts/api-transport.js';
import { Clock } from '../../contracts/clock.js';
import { ClusterPaths } from '../../contracts/cluster-paths.js';
import { ClusterSettings } from '../../contracts/cluster-settings.js';
import { ContainerRuntime } from '../../contracts/container-runtime.js';
import { Ledger } from '../../contracts/ledger.js';
import { Logger } from '../../contracts/logger.js';
import { MetricsSource } from '../../contracts/metrics-source.js';
import { NodeCredentials } from '../../contracts/node-credentials.js';
import { Part } from '../../contracts/part.js';
import { PluginOptions } from '../../contracts/plugin-options.js';
import { KubeletPart } from '../../kubelet/kubelet-part.js';
import { kubeletTuning } from '../arguments/kubelet-arguments.js';
import type { KubeletPluginOptions } from './kubelet.js';

export const module = new ContainerModule(({ bind }) => {
  bind(KubeletPart).toResolvedValue(
    (
      transport: ApiTransport,
      runtime: ContainerRuntime,
      settings: ClusterSettings,
      paths: ClusterPaths,
      clock: Clock,
      logger: Logger,
      ledger: Ledger,
      credentials: NodeCredentials | undefined,
      given: KubeletPluginOptions,
    ) => {
      const { tuning: fromArguments } = kubeletTuning(given.arguments);
      // As in K3s, an argument goes before the flag.
      const { resolvConf, protectKernelDefaults } = given;
      const tuning = { protectKernelDefaults, ...(resolvConf !== '' && { resolvConf }), ...fromArguments };
      const options = { transport, runtime, settings, paths, clock, logger, ledger, ...(credentials ? { credentials } : {}) };
      // Who lets the system choose the server's port wants no fixed one for the node either.
      return new KubeletPart({ ...options, tuning, ...(settings.httpsListenPort === 0 ? { port: 0 } : {}) });
    },
    [
      ApiTransport,
      ContainerRuntime,
      ClusterSettings,
      ClusterPaths,
      Clock,
      Logger,
      Ledger,
      { serviceIdentifier: NodeCredentials, optional: true },
      PluginOptions,
    ],
  );
  bind(Part).toService(KubeletPart);
  bind(MetricsSource).toResolvedValue((part: KubeletPart) => part.metrics, [KubeletPart]);
});
