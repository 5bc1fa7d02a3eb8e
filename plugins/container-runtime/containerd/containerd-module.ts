import {
  Clock,
  ClusterPaths,
  ClusterSettings,
  Cni,
  ContainerModule,
  ContainerRuntime,
  Logger,
  Part,
  PluginOptions,
  defaultCniPaths,
} from '../../../core/plugin-api/index.js';
import { ContainerdPart } from './containerd-part.js';
import type { ContainerdPluginOptions } from './index.js';

export const module = new ContainerModule(({ bind }) => {
  bind(ContainerdPart).toResolvedValue(
    (
      logger: Logger,
      clock: Clock,
      paths: ClusterPaths,
      { preferBundledBin }: ClusterSettings,
      options: ContainerdPluginOptions,
      cni: Cni | undefined,
    ) => new ContainerdPart({ logger, clock, paths, options, preferBundledBin, cni: cni?.paths ?? defaultCniPaths }),
    [Logger, Clock, ClusterPaths, ClusterSettings, PluginOptions, { serviceIdentifier: Cni, optional: true }],
  );
  bind(Part).toService(ContainerdPart);
  bind(ContainerRuntime).toResolvedValue((part: ContainerdPart) => part.runtime, [ContainerdPart]);
});
