import type { Clock } from '../base/clock.js';
import type { Logger } from '../base/logger.js';
import { Client } from '../client/client.js';
import { ApiEventRecorder } from '../client/event-recorder.js';
import { SharedInformerFactory } from '../client/informer-factory.js';
import type { ApiTransport } from '../contracts/api-transport.js';
import { controllerIdentity } from './controller.js';
import type { Controller, ControllerDescriptor } from './controller.js';

export interface ControllerManagerOptions {
  readonly transport: ApiTransport;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly controllers: readonly ControllerDescriptor[];
}

/** Runs controllers over one set of informers, each with its own identity and event source. */
export class ControllerManager {
  readonly #options: ControllerManagerOptions;
  readonly #recorders: ApiEventRecorder[] = [];
  readonly #controllers: Controller[] = [];
  #informers: SharedInformerFactory | undefined;

  constructor(options: ControllerManagerOptions) {
    this.#options = options;
  }

  /** The shared informers, once started. */
  get informers(): SharedInformerFactory | undefined {
    return this.#informers;
  }

  /** Resolves when every controller's informers are synced and its workers run. */
  async start(): Promise<void> {
    const { transport, clock, logger } = this.#options;
    const reader = new Client(transport, { name: 'system:kube-controller-manager', groups: ['system:authenticated'] });
    const informers = new SharedInformerFactory({ client: reader, clock, logger: logger.child('informers') });
    this.#informers = informers;
    const starting: Promise<void>[] = [];
    for (const descriptor of this.#options.controllers) {
      const client = reader.as(controllerIdentity(descriptor.serviceAccount ?? descriptor.name), descriptor.name);
      const childLogger = logger.child(descriptor.name);
      const component = descriptor.component ?? descriptor.name;
      // Events are written as the manager itself: not every controller's role allows them.
      const recorder = new ApiEventRecorder({ client: reader, clock, logger: childLogger, component });
      const controller = descriptor.create({ client, informers, recorder, clock, logger: childLogger });
      this.#recorders.push(recorder);
      this.#controllers.push(controller);
      starting.push(controller.start());
    }
    informers.start();
    await Promise.all(starting);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#controllers.map(controller => controller.stop()));
    await Promise.all(this.#recorders.map(recorder => recorder.stop()));
    await this.#informers?.stop();
  }
}
