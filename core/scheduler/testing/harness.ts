import { Pods } from '../../api/generated/resources.js';
import type { Pod } from '../../api/generated/types.js';
import type { ResourceReference } from '../../api/resource-reference.js';
import { FakeClock } from '../../base/fake-clock.js';
import { silentLogger } from '../../base/logger.js';
import { Client } from '../../client/client.js';
import { SharedInformerFactory } from '../../client/informer-factory.js';
import { FakeRecorder } from '../../client/testing/fake-recorder.js';
import { settle } from '../../client/testing/settle.js';
import type { SchedulerPlugin } from '../../contracts/scheduler-plugin.js';
import type { KubeObject } from '../../machinery/object.js';
import { Scheduler } from '../scheduler.js';
import { SchedulingTransport } from './scheduling-transport.js';

/** A scheduler over an API server in memory. */
export class SchedulerHarness {
  readonly clock = new FakeClock();
  readonly transport = new SchedulingTransport(this.clock);
  readonly recorder = new FakeRecorder();
  readonly client = new Client(this.transport, { name: 'system:kube-scheduler', groups: [] });
  readonly admin = new Client(this.transport, { name: 'admin', groups: [] });
  readonly informers = new SharedInformerFactory({ client: this.client, clock: this.clock, logger: silentLogger });
  readonly scheduler: Scheduler;

  constructor(plugins: readonly SchedulerPlugin[] = []) {
    const { client, informers, recorder, clock } = this;
    this.scheduler = new Scheduler({ client, informers, recorder, clock, logger: silentLogger, random: () => 0.5, plugins });
  }

  async start(): Promise<void> {
    this.scheduler.start();
    this.informers.start();
    await this.scheduler.ready;
    await settle(20);
  }

  async stop(): Promise<void> {
    await this.scheduler.stop();
    await this.informers.stop();
  }

  async create<T>(resource: ResourceReference<T>, ...objects: T[]): Promise<void> {
    for (const object of objects) {
      await this.admin.resource(resource, (object as KubeObject).metadata.namespace).create(object);
    }
    await settle(20);
  }

  async pod(name: string, namespace = 'default'): Promise<Pod> {
    return this.admin.resource(Pods, namespace).get(name);
  }

  async nodeOf(name: string, namespace = 'default'): Promise<string | undefined> {
    return (await this.pod(name, namespace)).spec.nodeName;
  }

  /** The message of the pod's PodScheduled condition. */
  async reasonOf(name: string, namespace = 'default'): Promise<string | undefined> {
    return (await this.pod(name, namespace)).status.conditions?.find(({ type }) => type === 'PodScheduled')?.message;
  }
}
