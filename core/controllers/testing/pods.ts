import { Pods } from '../../api/generated/resources.js';
import type { ContainerStatus, Pod, PodStatus } from '../../api/generated/types.js';
import { formatTime } from '../../api/time.js';
import { produce } from '../../machinery/object.js';
import type { ControllerHarness } from './harness.js';

/** Plays scheduler and kubelet for tests: pods run, finish and go when the test says so. */
export class PodDriver {
  readonly #harness: ControllerHarness;
  readonly #namespace: string;

  constructor(harness: ControllerHarness, namespace = 'default') {
    this.#harness = harness;
    this.#namespace = namespace;
  }

  async pods(labels: Readonly<Record<string, string>> = {}): Promise<Pod[]> {
    const selector = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
    return this.#harness.resource(Pods, this.#namespace).objects({ labelSelector: selector.join(',') });
  }

  async names(labels: Readonly<Record<string, string>> = {}): Promise<string[]> {
    return (await this.pods(labels)).map(pod => pod.metadata.name);
  }

  async setStatus(name: string, status: PodStatus): Promise<void> {
    const pods = this.#harness.resource(Pods, this.#namespace);
    const pod = await pods.get(name);
    await pods.updateStatus(
      name,
      produce(pod, draft => void (draft.status = status)),
    );
  }

  /** Binds and runs pods: those named, or all that are pending and not being deleted. */
  async run(...names: string[]): Promise<void> {
    for (const pod of await this.pods()) {
      const wanted =
        names.length > 0 ? names.includes(pod.metadata.name) : pod.status?.phase === 'Pending' && !pod.metadata.deletionTimestamp;
      if (!wanted) continue;
      if (!pod.spec.nodeName) {
        await this.#harness.resource(Pods, this.#namespace).patch(pod.metadata.name, 'merge', { spec: { nodeName: 'node' } });
      }
      await this.setStatus(pod.metadata.name, this.readyStatus());
    }
    await this.#harness.settle();
  }

  readyStatus(ready = true): PodStatus {
    const now = formatTime(this.#harness.clock.now());
    const status = ready ? 'True' : 'False';
    return {
      phase: 'Running',
      startTime: now,
      conditions: [{ type: 'Ready', status, lastProbeTime: null, lastTransitionTime: now }],
    };
  }

  /** Ends a pod, with the exit code of its one container. */
  async finish(name: string, exitCode = 0, extra: Partial<PodStatus> = {}): Promise<void> {
    const now = formatTime(this.#harness.clock.now());
    const terminated = { exitCode, finishedAt: now, startedAt: now };
    const container = { name: 'main', state: { terminated }, ready: false, restartCount: 0 } as unknown as ContainerStatus;
    await this.setStatus(name, {
      phase: exitCode === 0 ? 'Succeeded' : 'Failed',
      startTime: now,
      containerStatuses: [container],
      ...extra,
    });
    await this.#harness.settle();
  }

  /** Lets pods that are being deleted go. */
  async reap(): Promise<void> {
    for (const pod of await this.pods()) {
      if (!pod.metadata.deletionTimestamp) continue;
      await this.#harness.resource(Pods, this.#namespace).delete(pod.metadata.name, { gracePeriodSeconds: 0 });
    }
    await this.#harness.settle();
  }

  /** Runs and reaps until nothing is left to do. */
  async converge(rounds = 20): Promise<void> {
    for (let round = 0; round < rounds; round++) {
      const before = this.#harness.transport.writes().length;
      await this.run();
      await this.reap();
      await this.#harness.settle();
      if (this.#harness.transport.writes().length === before) return;
    }
  }
}
