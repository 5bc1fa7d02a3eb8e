import { backoffMs } from '../base/backoff.js';
import { sleep } from '../base/clock.js';
import type { Clock } from '../base/clock.js';
import type { Disposable } from '../base/disposable.js';
import type { Logger } from '../base/logger.js';
import { Client } from '../client/client.js';
import { ApiEventRecorder } from '../client/event-recorder.js';
import { SharedInformerFactory } from '../client/informer-factory.js';
import type { ApiTransport } from '../contracts/api-transport.js';
import { identityOf, managerIdentity } from './controller.js';
import type { Controller, ControllerContext, ControllerDescriptor, ControllerEnvironment } from './controller.js';

export interface ControllerManagerOptions {
  readonly transport: ApiTransport;
  readonly environment: ControllerEnvironment;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly controllers: readonly ControllerDescriptor[];
}

export interface ControllerState {
  readonly name: string;
  /** `starting` until the informers that it reads are synced. */
  readonly phase: 'starting' | 'running' | 'failed';
  readonly error?: unknown;
}

const restart = { initialMs: 1000, maximumMs: 60_000, jitter: 0.2 };
/** After so long a controller that still waits for its informers is named in the log. */
const slowStartMs = 30_000;

/**
 * Runs controllers over one set of informers, each with its own identity and event source. One that cannot start is started again,
 * alone; the others never wait for it.
 */
export class ControllerManager {
  readonly #options: ControllerManagerOptions;
  #supervised: SupervisedController[] = [];
  #informers: SharedInformerFactory | undefined;
  #reminder: Disposable | undefined;

  constructor(options: ControllerManagerOptions) {
    this.#options = options;
  }

  /** The shared informers, once started. */
  get informers(): SharedInformerFactory | undefined {
    return this.#informers;
  }

  get states(): readonly ControllerState[] {
    return this.#supervised.map(controller => controller.state);
  }

  /** Starts all controllers; each begins to work when its own informers are synced. */
  start(): void {
    const { transport, environment, clock, logger } = this.#options;
    const reader = new Client(transport, managerIdentity, 'kube-controller-manager');
    const informers = new SharedInformerFactory({ client: reader, clock, logger: logger.child('informers') });
    this.#informers = informers;
    this.#supervised = this.#options.controllers.map(descriptor => {
      const client = reader.as(identityOf(descriptor), descriptor.name);
      const childLogger = logger.child(descriptor.name);
      const component = descriptor.component ?? descriptor.name;
      // Events are written as the manager itself: not every controller's role allows them.
      const recorder = new ApiEventRecorder({ client: reader, clock, logger: childLogger, component });
      return new SupervisedController(descriptor, { client, informers, recorder, clock, logger: childLogger, environment });
    });
    for (const controller of this.#supervised) controller.start();
    informers.start();
    this.#reminder = clock.setTimer(slowStartMs, () => {
      const waiting = this.states.filter(state => state.phase !== 'running').map(state => state.name);
      if (waiting.length > 0)
        logger.warn('controllers still wait for the objects that they read', { controllers: waiting.join(',') });
    });
  }

  /** Resolves when every controller runs. */
  async whenRunning(): Promise<void> {
    await Promise.all(this.#supervised.map(controller => controller.firstRun));
  }

  async stop(): Promise<void> {
    await this.#reminder?.dispose();
    await Promise.all(this.#supervised.map(controller => controller.stop()));
    await this.#informers?.stop();
  }
}

class SupervisedController {
  readonly firstRun: Promise<void>;
  readonly #descriptor: ControllerDescriptor;
  readonly #context: ControllerContext & { readonly recorder: ApiEventRecorder };
  readonly #stopping = new AbortController();
  readonly #ran: () => void;
  #controller: Controller | undefined;
  #loop: Promise<void> | undefined;
  #state: ControllerState;

  constructor(descriptor: ControllerDescriptor, context: ControllerContext & { readonly recorder: ApiEventRecorder }) {
    this.#descriptor = descriptor;
    this.#context = context;
    this.#state = { name: descriptor.name, phase: 'starting' };
    const { promise, resolve } = Promise.withResolvers<void>();
    this.firstRun = promise;
    this.#ran = resolve;
  }

  get state(): ControllerState {
    return this.#state;
  }

  start(): void {
    this.#loop ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#controller?.stop();
    await this.#loop;
    await this.#context.recorder.stop();
  }

  async #run(): Promise<void> {
    const { name } = this.#descriptor;
    const { clock, logger } = this.#context;
    for (let failures = 0; !this.#stopping.signal.aborted; failures++) {
      this.#state = { name, phase: 'starting' };
      try {
        this.#controller = this.#descriptor.create(this.#context);
        await this.#controller.start();
        this.#state = { name, phase: 'running' };
        this.#ran();
        return;
      } catch (error) {
        if (this.#stopping.signal.aborted) return;
        this.#state = { name, phase: 'failed', error };
        logger.error('the controller did not start, trying again', { error });
        await this.#discard();
      }
      try {
        await sleep(clock, backoffMs(restart, failures), this.#stopping.signal);
      } catch {
        return;
      }
    }
  }

  async #discard(): Promise<void> {
    const controller = this.#controller;
    this.#controller = undefined;
    try {
      await controller?.stop();
    } catch (error) {
      this.#context.logger.warn('a controller that failed did not stop cleanly', { error });
    }
  }
}
