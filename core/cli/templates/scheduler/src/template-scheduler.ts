import {
  ApiEventRecorder,
  Client,
  errorText,
  isPodFinished,
  isStatusError,
  Resources,
  SharedInformerFactory,
} from 'k3s-ts/plugin';
import type { ApiTransport, Binding, Clock, Disposable, Informer, Logger, Node, Part, Pod } from 'k3s-ts/plugin';
import { notSupported, Room } from './fit.js';

export interface TemplateSchedulerOptions {
  readonly transport: ApiTransport;
  readonly clock: Clock;
  readonly logger: Logger;
}

interface Running {
  readonly client: Client;
  readonly factory: SharedInformerFactory;
  readonly pods: Informer<Pod>;
  readonly nodes: Informer<Node>;
  readonly recorder: ApiEventRecorder;
  readonly stopping: AbortController;
  retry?: Disposable;
  working?: Promise<void>;
}

const schedulerName = 'default-scheduler';
const retryMs = 1000;

/**
 * After every change of a pod or a node it tries all pods that wait, the most important first, one at a time. Simple, and fast
 * enough for hundreds of pods; for thousands keep a queue and what each node has free.
 */
export class TemplateScheduler implements Part {
  readonly #options: TemplateSchedulerOptions;
  /** Nodes of pods that were bound and whose news has not come back yet, by the pod's uid. */
  readonly #assumed = new Map<string, string>();
  #running: Running | undefined;
  #isChanged = false;

  constructor(options: TemplateSchedulerOptions) {
    this.#options = options;
  }

  async start(signal: AbortSignal): Promise<void> {
    const { transport, clock, logger } = this.#options;
    // The API server knows this name, and what it may do.
    const client = new Client(
      transport,
      { name: 'system:kube-scheduler', groups: ['system:authenticated'] },
      'template-scheduler',
    );
    const factory = new SharedInformerFactory({ client, clock, logger });
    const recorder = new ApiEventRecorder({ client, clock, logger, component: schedulerName });
    const [pods, nodes] = [factory.informer(Resources.Pods), factory.informer(Resources.Nodes)];
    const running: Running = { client, factory, pods, nodes, recorder, stopping: new AbortController() };
    this.#running = running;
    factory.start();
    await factory.whenSynced(signal);
    const changed = (): void => this.#changed(running);
    for (const informer of [pods, nodes]) informer.addHandler({ added: changed, updated: changed, deleted: changed });
    changed();
  }

  async stop(): Promise<void> {
    const running = this.#running;
    this.#running = undefined;
    if (!running) return;
    running.stopping.abort();
    await running.retry?.dispose();
    await running.working;
    await running.factory.stop();
    await running.recorder.stop();
    this.#assumed.clear();
  }

  #changed(running: Running): void {
    this.#isChanged = true;
    if (!running.stopping.signal.aborted) running.working ??= this.#work(running).finally(() => (running.working = undefined));
  }

  /** Never rejects. */
  async #work(running: Running): Promise<void> {
    while (this.#isChanged && !running.stopping.signal.aborted) {
      this.#isChanged = false;
      // What changes at the same time is looked at together.
      await new Promise(resolve => setImmediate(resolve));
      try {
        for (const pod of this.#waiting(running)) await this.#place(running, pod);
      } catch (error) {
        this.#options.logger.warn('a pod could not be scheduled, trying again', { error: errorText(error) });
        running.retry ??= this.#options.clock.setTimer(retryMs, () => {
          delete running.retry;
          this.#changed(running);
        });
      }
    }
  }

  #waiting({ pods }: Running): Pod[] {
    return pods
      .list()
      .filter(pod => this.#nodeOf(pod) === undefined && !isPodFinished(pod) && pod.metadata.deletionTimestamp === undefined)
      .filter(({ spec }) => (spec.schedulerName ?? schedulerName) === schedulerName && !spec.schedulingGates?.length)
      .sort((left, right) => (right.spec.priority ?? 0) - (left.spec.priority ?? 0) || ageOrder(left, right));
  }

  async #place(running: Running, pod: Pod): Promise<void> {
    if (running.stopping.signal.aborted) return;
    const feature = notSupported(pod);
    if (feature !== undefined) return this.#refuse(running, pod, `this scheduler does not support ${feature}`);
    const rooms = this.#rooms(running);
    const counts = new Map<string, number>();
    let best: Room | undefined;
    for (const room of rooms) {
      const reasons = room.misfits(pod);
      for (const reason of reasons) counts.set(reason, (counts.get(reason) ?? 0) + 1);
      if (reasons.length === 0 && (!best || room.score(pod) > best.score(pod))) best = room;
    }
    if (best) return this.#bind(running, pod, best.name);
    const why = Array.from(counts, ([reason, count]) => `${count} ${reason}`).join(', ');
    const message = rooms.length === 0 ? 'no nodes available to schedule pods' : `0/${rooms.length} nodes are available: ${why}.`;
    return this.#refuse(running, pod, message);
  }

  #rooms({ nodes, pods }: Running): Room[] {
    const rooms = new Map(nodes.list().map(node => [node.metadata.name, new Room(node)]));
    for (const pod of pods.list()) if (!isPodFinished(pod)) rooms.get(this.#nodeOf(pod) ?? '')?.add(pod);
    return [...rooms.values()];
  }

  #nodeOf({ metadata, spec }: Pod): string | undefined {
    if (spec.nodeName) this.#assumed.delete(metadata.uid!);
    return spec.nodeName || this.#assumed.get(metadata.uid!);
  }

  async #bind({ client, recorder }: Running, pod: Pod, nodeName: string): Promise<void> {
    const { name, namespace, uid } = pod.metadata;
    const target = { kind: 'Node', name: nodeName };
    const binding: Binding = { apiVersion: 'v1', kind: 'Binding', metadata: { name, namespace, uid }, target };
    this.#assumed.set(uid!, nodeName);
    try {
      await client.resource(Resources.Pods, namespace).subresource<Binding>('binding').create(binding, { name });
    } catch (error) {
      this.#assumed.delete(uid!);
      // Deleted, or bound by somebody else: the informer will say so.
      if (isStatusError(error, 'NotFound', 'Conflict')) return;
      throw error;
    }
    recorder.event(pod, 'Normal', 'Scheduled', `Successfully assigned ${namespace}/${name} to ${nodeName}`);
  }

  async #refuse({ client, recorder }: Running, pod: Pod, message: string): Promise<void> {
    const { name, namespace, uid } = pod.metadata;
    const known = pod.status.conditions?.find(({ type }) => type === 'PodScheduled');
    if (known?.status === 'False' && known.message === message) return;
    const lastTransitionTime = new Date(this.#options.clock.now()).toISOString().replace(/\.\d+/, '');
    const condition = { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message, lastTransitionTime };
    const patch = { metadata: { uid }, status: { conditions: [condition] } };
    try {
      await client.resource(Resources.Pods, namespace).subresource('status').patch(name, 'strategic', patch);
    } catch (error) {
      if (isStatusError(error, 'NotFound', 'Conflict')) return;
      throw error;
    }
    recorder.event(pod, 'Warning', 'FailedScheduling', message);
  }
}

function ageOrder(left: Pod, right: Pod): number {
  const [a, b] = [left.metadata.creationTimestamp ?? '', right.metadata.creationTimestamp ?? ''];
  return a < b ? -1 : a > b ? 1 : 0;
}
