import {
  Clock,
  ClusterSettings,
  ContainerModule,
  ContainerRuntime,
  Part,
  PluginOptions,
} from '../../../core/plugin-api/index.js';
import { SimulatedRuntime } from './simulated-runtime.js';
import type { SimulatedOptions } from './simulated-runtime.js';

export const module = new ContainerModule(({ bind }) => {
  bind(SimulatedRuntime).toResolvedValue(
    (clock: Clock, settings: ClusterSettings, options: SimulatedOptions) =>
      new SimulatedRuntime({ clock, nodeName: settings.nodeName, clusterCidrs: settings.clusterCidrs, ...options }),
    [Clock, ClusterSettings, PluginOptions],
  );
  bind(ContainerRuntime).toService(SimulatedRuntime);
  bind(Part).toService(SimulatedRuntime);
});
