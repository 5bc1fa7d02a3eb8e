import {
  Clock,
  ClusterPaths,
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
    (logger: Logger, clock: Clock, paths: ClusterPaths, options: ContainerdPluginOptions, cni: Cni | undefined) =>
      new ContainerdPart({ logger, clock, paths, options, cni: cni?.paths ?? defaultCniPaths }),
    [Logger, Clock, ClusterPaths, PluginOptions, { serviceIdentifier: Cni, optional: true }],
  );
  bind(Part).toService(ContainerdPart);
  bind(ContainerRuntime).toResolvedValue((part: ContainerdPart) => part.runtime, [ContainerdPart]);
});
