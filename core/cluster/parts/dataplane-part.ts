import { join } from 'node:path';
import type { Clock } from '../../contracts/clock.js';
import type { ClusterPaths } from '../../contracts/cluster-paths.js';
import type { Dataplane } from '../../contracts/dataplane.js';
import type { Ledger } from '../../contracts/ledger.js';
import type { Logger } from '../../contracts/logger.js';
import type { Part } from '../../contracts/part.js';
import { DataplaneHost } from '../../dataplane/dataplane-host.js';
import type { SelectedParts } from '../selected-parts.js';
import type { DataplaneOptions } from './dataplane.js';

/** Where the child's record, socket, log and state lie. `k3s killall` needs it, too. */
export function dataplaneDirectory(paths: ClusterPaths): string {
  return join(paths.runDir, 'dataplane');
}

export interface DataplanePartOptions {
  readonly options: DataplaneOptions;
  readonly selected: SelectedParts;
  readonly paths: ClusterPaths;
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The dataplane as a part: enabled modules are what the descriptors of the selected plugins name. */
export class DataplanePart implements Part {
  readonly #host: DataplaneHost;

  constructor({ options, selected, paths, ledger, clock, logger }: DataplanePartOptions) {
    const directory = dataplaneDirectory(paths);
    const modules = new Map(selected.flatMap(({ id, dataplane }) => (dataplane === undefined ? [] : [[id, dataplane] as const])));
    const onChild = (): Promise<void> => ledger.record('process', 'dataplane', { directory });
    this.#host = new DataplaneHost({ directory, modules, mode: options.mode, clock, logger, onChild });
  }

  get dataplane(): Dataplane {
    return this.#host;
  }

  start(): Promise<void> {
    return this.#host.start();
  }

  ready(): Promise<void> {
    return this.#host.ready();
  }

  stop(): Promise<void> {
    return this.#host.stop();
  }
}
