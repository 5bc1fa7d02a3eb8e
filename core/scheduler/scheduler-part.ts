import type { Clock } from '../base/clock.js';
import { abortReason } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import { Client } from '../client/client.js';
import { ApiEventRecorder } from '../client/event-recorder.js';
import { SharedInformerFactory } from '../client/informer-factory.js';
import type { ApiTransport } from '../contracts/api-transport.js';
import type { Part } from '../contracts/part.js';
import type { ResourceCatalogue } from '../contracts/resource-catalogue.js';
import type { SchedulerPlugin } from '../contracts/scheduler-plugin.js';
import { ServedInformers } from './served-informers.js';
import { Scheduler } from './scheduler.js';

export interface SchedulerPartOptions {
  readonly transport: ApiTransport;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly catalogue: ResourceCatalogue;
  /** Asked at each start. */
  readonly plugins?: () => readonly SchedulerPlugin[];
  readonly random?: () => number;
}

interface Running {
  readonly scheduler: Scheduler;
  readonly informers: SharedInformerFactory;
  readonly recorder: ApiEventRecorder;
}

/** The scheduler as the kernel runs it: with upstream's identity, informers and event source of its own. */
export class SchedulerPart implements Part {
  readonly #options: SchedulerPartOptions;
  #running: Running | undefined;

  constructor(options: SchedulerPartOptions) {
    this.#options = options;
  }

  start(): void {
    if (this.#running) return;
    const { transport, catalogue, clock, logger, random, plugins } = this.#options;
    const client = new Client(transport, { name: 'system:kube-scheduler', groups: ['system:authenticated'] }, 'kube-scheduler');
    const informers = new SharedInformerFactory({ client, clock, logger });
    const recorder = new ApiEventRecorder({ client, clock, logger, component: 'default-scheduler' });
    const served = new ServedInformers(informers, catalogue);
    const scheduler = new Scheduler({ client, informers: served, recorder, clock, logger, random, plugins: plugins?.() });
    this.#running = { scheduler, informers, recorder };
    scheduler.start();
    informers.start();
  }

  async ready(signal: AbortSignal): Promise<void> {
    const { promise, reject } = Promise.withResolvers<never>();
    const onAbort = (): void => reject(abortReason(signal));
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      if (signal.aborted) onAbort();
      await Promise.race([this.#running?.scheduler.ready, promise]);
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  async stop(): Promise<void> {
    const running = this.#running;
    this.#running = undefined;
    if (!running) return;
    await running.scheduler.stop();
    await running.recorder.stop();
    await running.informers.stop();
  }
}
