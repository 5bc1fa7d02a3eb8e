import { FakeClock } from '../../base/fake-clock.js';
import { silentLogger } from '../../base/logger.js';
import type { ResourceReference } from '../../api/resource-reference.js';
import { Client } from '../../client/client.js';
import type { ResourceClient } from '../../client/client.js';
import { SharedInformerFactory } from '../../client/informer-factory.js';
import { FakeRecorder } from '../../client/testing/fake-recorder.js';
import { FakeTransport } from '../../client/testing/fake-transport.js';
import { controllerIdentity, identityOf } from '../controller.js';
import type { Controller, ControllerContext, ControllerDescriptor, ControllerEnvironment } from '../controller.js';
import { fakeEnvironment } from './environment.js';
import { rightsOf } from './rights.js';

/** Controllers over a fake API server and a fake clock, for whole scenarios: change objects, `settle`, look at objects. */
export class ControllerHarness {
  readonly clock = new FakeClock();
  readonly transport = new FakeTransport(this.clock);
  readonly client = new Client(this.transport, { name: 'tester', groups: [] });
  readonly recorder = new FakeRecorder();
  readonly informers = new SharedInformerFactory({ client: this.client, clock: this.clock, logger: silentLogger });
  /** What the controllers are told about the cluster; replace it before `start`. */
  environment: ControllerEnvironment = fakeEnvironment();
  readonly #controllers: Controller[] = [];

  /**
   * Creates and starts; call it after the objects that should be there from the start, or before. A descriptor's controller may do
   * only what its bootstrap role allows.
   */
  async start(...controllers: (ControllerDescriptor | ((context: ControllerContext) => Controller))[]): Promise<void> {
    const starting = controllers.map(entry => {
      const create = typeof entry === 'function' ? entry : entry.create;
      const controller = create(this.context(typeof entry === 'function' ? undefined : entry));
      this.#controllers.push(controller);
      return controller.start();
    });
    this.informers.start();
    await Promise.all(starting);
    await this.settle();
  }

  context(descriptor?: ControllerDescriptor): ControllerContext {
    const identity = descriptor ? identityOf(descriptor) : controllerIdentity('under-test');
    if (descriptor) this.transport.reactors.push(rightsOf(descriptor, identity.name));
    return {
      client: this.client.as(identity),
      informers: this.informers,
      recorder: this.recorder,
      clock: this.clock,
      logger: silentLogger,
      environment: this.environment,
    };
  }

  resource<T>(resource: ResourceReference<T>, namespace = 'default'): ResourceClient<T> {
    return this.client.resource(resource, resource.namespaced ? namespace : undefined);
  }

  /** Lets the controllers work until the API is quiet. Failed keys come back only with `advance`. */
  async settle(): Promise<void> {
    let quietTurns = 0;
    for (let seen = -1; quietTurns < 6;) {
      await new Promise(resolve => setImmediate(resolve));
      if (this.transport.actions.length === seen) quietTurns++;
      else quietTurns = 0;
      seen = this.transport.actions.length;
    }
  }

  /** Moves the clock, and settles before and after. */
  async advance(byMs: number): Promise<void> {
    await this.settle();
    await this.clock.advance(byMs);
    await this.settle();
  }

  /** The reasons and messages of events so far. */
  events(reason?: string): string[] {
    return this.recorder.lines(reason);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#controllers.map(controller => controller.stop()));
    await this.informers.stop();
  }
}
