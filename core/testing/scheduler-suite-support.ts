import assert from 'node:assert/strict';
import { isStatusError, Resources } from '../plugin-api/index.js';
import type { Client, Node, Pod, PodSpec } from '../plugin-api/index.js';
import { until } from './until.js';

/** A running cluster with the scheduler under test and without a node. */
export interface SchedulerUnderTest {
  /** Of the cluster's administrator. */
  readonly client: Client;
  /** Stops the scheduler, calls `whileAway`, and resolves when it runs again. */
  restart(whileAway: () => Promise<void>): Promise<void>;
  /**
   * What the scheduler may refuse, as the suite names it: a pod that asks for it has to stay unbound, with a condition that says
   * what was asked for. `true`: anything that may be refused at all. Absent: nothing.
   */
  readonly mayRefuse?: true | readonly Refusable[];
  dispose(): Promise<void>;
}

/** The hard rules that a small scheduler may leave out, by the word that its refusal has to contain. */
export type Refusable = 'affinity' | 'topology' | 'volume' | 'preemption';

export interface NodeWish {
  readonly labels?: Readonly<Record<string, string>>;
  readonly taints?: NonNullable<Node['spec']>['taints'];
  readonly unschedulable?: boolean;
  readonly allocatable?: Readonly<Record<string, string>>;
}

export interface PodWish {
  readonly cpu?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly spec?: Partial<PodSpec>;
}

export const namespace = 'default';

/** What the suite's cases say and ask. */
export class SchedulerWorld {
  readonly client: Client;
  readonly #subject: SchedulerUnderTest;
  #accountKnown: Promise<unknown> | undefined;

  constructor(subject: SchedulerUnderTest) {
    this.#subject = subject;
    this.client = subject.client;
  }

  get pods() {
    return this.client.resource(Resources.Pods, namespace);
  }

  get nodes() {
    return this.client.resource(Resources.Nodes);
  }

  restart(whileAway: () => Promise<void>): Promise<void> {
    return this.#subject.restart(whileAway);
  }

  mayRefuse(what: Refusable): boolean {
    const { mayRefuse = [] } = this.#subject;
    return mayRefuse === true || mayRefuse.includes(what);
  }

  /** A Node as a healthy kubelet would keep it; nobody is behind it. */
  async node(name: string, { labels, taints, unschedulable, allocatable }: NodeWish = {}): Promise<void> {
    const resources = { cpu: '1', memory: '1Gi', pods: '10', ...allocatable };
    const metadata = { name, labels: { 'kubernetes.io/hostname': name, ...labels } };
    // Cordoned until it is whole: what is half made shall not count.
    const node = { apiVersion: 'v1', kind: 'Node', metadata, spec: { unschedulable: true }, status: {} };
    await this.nodes.create(node as unknown as Node);
    const conditions = [{ type: 'Ready', status: 'True', reason: 'KubeletReady', message: '' }];
    const status = { capacity: resources, allocatable: resources, conditions };
    await this.nodes.subresource<Node>('status').patch(name, 'merge', { status });
    await this.nodes.patch(name, 'merge', { spec: { taints: taints ?? null, unschedulable: unschedulable ?? null } });
    if (unschedulable || taints) return;
    // The node controller takes the taint of a cordoned node away, and may do so a little later.
    await until(`node ${name} has no taints`, async () => ((await this.nodes.get(name)).spec?.taints?.length ? undefined : true));
  }

  async pod(name: string, { cpu, labels, spec }: PodWish = {}): Promise<Pod> {
    this.#accountKnown ??= until('the account that pods run as', () =>
      this.client.resource(Resources.ServiceAccounts, namespace).get('default'),
    );
    await this.#accountKnown;
    const requests = cpu === undefined ? {} : { resources: { requests: { cpu } } };
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, labels },
      spec: { containers: [{ name: 'main', image: 'busybox', ...requests }], ...spec },
    };
    return this.pods.create(pod as unknown as Pod);
  }

  get(name: string): Promise<Pod> {
    return this.pods.get(name);
  }

  /** Resolves with the node that the pod was bound to. */
  async bound(name: string): Promise<string> {
    return until(`pod ${name} is bound`, async () => {
      const pod = await this.get(name);
      if (!pod.spec.nodeName) throw new Error(scheduled(pod)?.message ?? 'it has no condition');
      return pod.spec.nodeName;
    });
  }

  /** Resolves with the message of a pod that the scheduler has tried, and that stays unbound. */
  async refused(name: string): Promise<string> {
    return until(`pod ${name} is told why it waits`, async () => {
      const pod = await this.get(name);
      assertUnbound(pod);
      const condition = scheduled(pod);
      return condition?.status === 'False' && condition.reason === 'Unschedulable' ? (condition.message ?? '') : undefined;
    });
  }

  /** Bound in the end; or, where that is allowed, refused with a message that names it. */
  async boundOrRefused(name: string, what: Refusable): Promise<string | undefined> {
    return until(`pod ${name} is bound${this.mayRefuse(what) ? ` or refused for its ${what}` : ''}`, async () => {
      const pod = await this.get(name);
      if (pod.spec.nodeName) return { nodeName: pod.spec.nodeName };
      const condition = scheduled(pod);
      const named = condition?.reason === 'Unschedulable' && condition.message?.toLowerCase().includes(what);
      return named && this.mayRefuse(what) ? {} : undefined;
    }).then(({ nodeName }: { nodeName?: string }) => nodeName);
  }

  async isUnbound(name: string): Promise<void> {
    assertUnbound(await this.get(name));
  }

  /** Looked at for a fifth of a second: no event tells that nobody does anything. */
  async staysUnbound(...names: readonly string[]): Promise<void> {
    const untilMs = performance.now() + 200;
    // However busy the process is, a scheduler that still runs gets its turns.
    for (let times = 0; times < 20 || performance.now() < untilMs; times++) {
      for (const name of names) await this.isUnbound(name);
      await new Promise(resolve => setTimeout(resolve, 10));
    }
  }

  /** As a kubelet does for a pod that has ended. Twice is harmless. */
  async remove(name: string): Promise<void> {
    try {
      await this.pods.delete(name, { gracePeriodSeconds: 0 });
    } catch (error) {
      if (!isStatusError(error, 'NotFound')) throw error;
    }
  }
}

export const scheduled = (pod: Pod) => pod.status?.conditions?.find(({ type }) => type === 'PodScheduled');

function assertUnbound(pod: Pod): void {
  assert.equal(pod.spec.nodeName, undefined, `pod ${pod.metadata.name} was bound to ${pod.spec.nodeName}`);
}
