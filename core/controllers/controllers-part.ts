import { Namespaces } from '../api/generated/resources.js';
import { Client } from '../client/client.js';
import type { ApiTransport } from '../contracts/api-transport.js';
import type { Clock } from '../contracts/clock.js';
import type { ClusterAuthority } from '../contracts/cluster-authority.js';
import type { ClusterSettings } from '../contracts/cluster-settings.js';
import type { Logger } from '../contracts/logger.js';
import type { Part } from '../contracts/part.js';
import type { ResourceCatalogue } from '../contracts/resource-catalogue.js';
import { managerIdentity } from './controller.js';
import type { ControllersTuning } from './controller.js';
import { ControllerManager } from './controller-manager.js';
import { controllers } from './controllers.js';

export interface ControllersPartOptions {
  readonly transport: ApiTransport;
  readonly catalogue: ResourceCatalogue;
  readonly authority: ClusterAuthority;
  readonly settings: ClusterSettings;
  readonly tuning?: ControllersTuning;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** All controllers as one part of the kernel. A controller that fails is the manager's own concern, never this part's. */
export class ControllersPart implements Part {
  readonly #options: ControllersPartOptions;
  #manager: ControllerManager | undefined;

  constructor(options: ControllersPartOptions) {
    this.#options = options;
  }

  start(): void {
    const { transport, catalogue, authority, settings, tuning, clock, logger } = this.#options;
    const environment = {
      catalogue,
      authority,
      clusterCidrs: settings.clusterCidrs,
      serviceCidrs: settings.serviceCidrs,
      ...(tuning ? { tuning } : {}),
    };
    const enabled = controllers.filter(({ name }) => !tuning?.disabled?.includes(name));
    this.#manager = new ControllerManager({ transport, environment, clock, logger, controllers: enabled });
    this.#manager.start();
  }

  /** The manager can read what it works on: a list of namespaces with its own rights. */
  async ready(signal: AbortSignal): Promise<void> {
    await new Client(this.#options.transport, managerIdentity).resource(Namespaces).list({ limit: 1, signal });
  }

  async stop(): Promise<void> {
    await this.#manager?.stop();
    this.#manager = undefined;
  }
}
