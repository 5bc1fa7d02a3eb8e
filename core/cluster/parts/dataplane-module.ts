import { ContainerModule } from 'inversify';
import { Clock } from '../../contracts/clock.js';
import { ClusterPaths } from '../../contracts/cluster-paths.js';
import { Dataplane } from '../../contracts/dataplane.js';
import { Ledger } from '../../contracts/ledger.js';
import { Logger } from '../../contracts/logger.js';
import { Part } from '../../contracts/part.js';
import { PluginOptions } from '../../contracts/plugin-options.js';
import { SelectedParts } from '../selected-parts.js';
import type { DataplaneOptions } from './dataplane.js';
import { DataplanePart } from './dataplane-part.js';

export const module = new ContainerModule(({ bind }) => {
  bind(DataplanePart).toResolvedValue(
    (options: DataplaneOptions, selected: SelectedParts, paths: ClusterPaths, ledger: Ledger, clock: Clock, logger: Logger) =>
      new DataplanePart({ options, selected, paths, ledger, clock, logger }),
    [PluginOptions, SelectedParts, ClusterPaths, Ledger, Clock, Logger],
  );
  bind(Part).toService(DataplanePart);
  bind(Dataplane).toResolvedValue((part: DataplanePart) => part.dataplane, [DataplanePart]);
});
