import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { FakeClock } from '../base/fake-clock.js';
import { silentLogger } from '../base/logger.js';
import { ConfigMaps } from '../api/generated/resources.js';
import type { ConfigMap } from '../api/generated/types.js';
import { FakeTransport } from '../client/testing/fake-transport.js';
import { settle } from '../client/testing/settle.js';
import type { ControllerContext, ControllerDescriptor } from './controller.js';
import { ControllerManager } from './controller-manager.js';
import { controllers } from './controllers.js';
import { Reconciler } from './reconciler.js';
import { fakeEnvironment } from './testing/environment.js';

class Marker extends Reconciler {
  constructor(context: ControllerContext) {
    super(context, { name: 'marker' });
  }
  protected override register(): void {
    this.watch(this.context.informers.informer(ConfigMaps), {
      added: entry => this.queue.add(`${entry.namespace}/${entry.name}`),
    });
  }
  protected override async sync(key: string): Promise<void> {
    const [namespace, name] = key.split('/');
    await this.context.client.resource(ConfigMaps, namespace).patch(name!, 'merge', { data: { seen: 'yes' } });
  }
}

describe('ControllerManager', () => {
  const clock = new FakeClock();
  let transport: FakeTransport;
  let manager: ControllerManager;
  const run = (...descriptors: ControllerDescriptor[]): void => {
    manager = new ControllerManager({
      transport,
      environment: fakeEnvironment(),
      clock,
      logger: silentLogger,
      controllers: descriptors,
    });
    manager.start();
  };
  beforeEach(() => void (transport = new FakeTransport(clock)));
  afterEach(() => manager.stop());

  it('lets the others work while one cannot start, and starts that one again', async () => {
    let failures = 3;
    run(
      { name: 'marker', serviceAccount: 'marking', create: context => new Marker(context) },
      {
        name: 'unlucky',
        create: context => {
          if (failures-- > 0) throw new Error('no luck');
          return new Marker(context);
        },
      },
    );
    await transport.create({
      caller: { name: 'tester', groups: [] },
      resource: ConfigMaps,
      namespace: 'default',
      object: { metadata: { name: 'one' } } as unknown as ConfigMap,
    });
    await settle();
    expect(manager.states).toMatchObject([{ phase: 'running' }, { phase: 'failed', error: { message: 'no luck' } }]);
    expect(transport.actions.find(action => action.verb === 'patch')?.caller).toBe('system:serviceaccount:kube-system:marking');
    await clock.advance(1300);
    expect(failures).toBe(1);
    await clock.advance(15_000);
    await manager.whenRunning();
    expect(manager.states.map(state => state.phase)).toEqual(['running', 'running']);
    expect(transport.actions.some(action => action.caller === 'system:serviceaccount:kube-system:unlucky')).toBe(true);
  });

  it('runs and stops all controllers there are', async () => {
    run(...controllers);
    await settle(20);
    expect(manager.states.filter(state => state.phase !== 'running')).toEqual([]);
    const names = controllers.map(controller => controller.name);
    expect(names).toEqual([...new Set(names)].sort());
  });
});
