import { Leases, Nodes, Pods } from '../api/generated/resources.js';
import type { Lease, Node, Pod, Taint } from '../api/generated/types.js';
import { podCondition, podsByNode } from '../api/pods.js';
import { nowTime } from '../api/time.js';
import type { Informer } from '../client/informer-types.js';
import { keyOf, splitObjectKey } from '../client/entries.js';
import { jsonEqual, produce } from '../machinery/object.js';
import { isStatusError } from '../machinery/status-error.js';
import type { ControllerContext, ControllerDescriptor } from './controller.js';
import {
  conditionTaintKeys,
  evictionRate,
  evictionsPerSecond,
  nodeCondition,
  observeHealth,
  silentConditions,
  wantedConditionTaints,
  zoneOf,
  zoneState,
} from './node-health.js';
import type { NodeHealth, ZoneState } from './node-health.js';
import { patchPodStatus } from './pod-status.js';
import { Reconciler } from './reconciler.js';
import { ZoneTainter } from './zone-tainter.js';

const monitorEveryMs = 5000;
const leaseNamespace = 'kube-node-lease';
const updateTries = 5;
const notReadyTaint = 'node.kubernetes.io/not-ready';
const unreachableTaint = 'node.kubernetes.io/unreachable';
const exclusionLabel = 'node.kubernetes.io/exclude-disruption';
const betaLabels: readonly (readonly [string, string])[] = [
  ['kubernetes.io/os', 'beta.kubernetes.io/os'],
  ['kubernetes.io/arch', 'beta.kubernetes.io/arch'],
];

/** Kinds of work in the one queue. */
const monitorKey = 'monitor';
const nodeKey = (name: string): string => `node:${name}`;
const evictKey = (name: string): string => `evict:${name}`;
const podKey = (key: string): string => `pod:${key}`;

interface Zone {
  state: ZoneState;
  readonly tainter: ZoneTainter;
}

/**
 * Watches over nodes: silent ones become Ready=Unknown, conditions become taints, pods of nodes that are not ready are marked, and
 * zones that fail as a whole are spared. Source: pkg/controller/nodelifecycle.
 */
class NodeLifecycleController extends Reconciler {
  readonly #nodes: Informer<Node>;
  readonly #pods: Informer<Pod>;
  readonly #leases: Informer<Lease>;
  readonly #health = new Map<string, NodeHealth>();
  readonly #known = new Map<string, Node>();
  readonly #zones = new Map<string, Zone>();
  /** Nodes whose pods could not all be marked. */
  readonly #unmarked = new Set<string>();

  constructor(context: ControllerContext) {
    super(context, { name: 'node-lifecycle-controller', workers: 8 });
    this.#nodes = context.informers.informer(Nodes);
    this.#pods = context.informers.informer(Pods);
    this.#leases = context.informers.informer(Leases);
  }

  protected override register(): void {
    this.#pods.addIndex(podsByNode.name, podsByNode.keys);
    this.watch(this.#nodes, {
      added: entry => this.queue.add(nodeKey(entry.name)),
      updated: (_previous, entry) => this.queue.add(nodeKey(entry.name)),
    });
    this.watch(this.#pods, {
      added: entry => {
        if (entry.object.spec.nodeName) this.queue.add(podKey(keyOf(entry)));
      },
      updated: (previous, entry) => {
        const { nodeName } = entry.object.spec;
        if (nodeName && nodeName !== previous.object.spec.nodeName) this.queue.add(podKey(keyOf(entry)));
      },
    });
    this.watch(this.#leases);
    this.queue.add(monitorKey);
  }

  override async stop(): Promise<void> {
    for (const { tainter } of this.#zones.values()) tainter.dispose();
    await super.stop();
  }

  protected override async sync(key: string): Promise<void> {
    if (key === monitorKey) {
      try {
        await this.#monitor();
      } finally {
        this.queue.addAfter(monitorKey, this.context.environment.tuning?.nodeMonitorPeriodMs ?? monitorEveryMs);
      }
      return;
    }
    const name = key.slice(key.indexOf(':') + 1);
    if (key.startsWith('pod:')) return this.#syncPod(name);
    const node = this.#nodes.get('', name);
    if (!node) return;
    if (key.startsWith('evict:')) await this.#taintNoExecute(node);
    else await this.#syncNode(node);
  }

  /** Taints of conditions, and the beta names of two labels. */
  async #syncNode(node: Node): Promise<void> {
    const wanted = wantedConditionTaints(node);
    await this.#changeTaints(node, taints => {
      const kept = taints.filter(({ key, effect }) => effect !== 'NoSchedule' || !conditionTaintKeys.has(key) || wanted.has(key));
      const present = new Set(kept.filter(taint => taint.effect === 'NoSchedule').map(taint => taint.key));
      const missing = [...wanted].filter(key => !present.has(key)).map(key => this.#newTaint(key, 'NoSchedule'));
      return [...missing, ...kept];
    });
    const { labels = {}, name } = node.metadata;
    const changes: Record<string, string> = {};
    for (const [stable, beta] of betaLabels) {
      const value = labels[stable];
      if (value !== undefined && labels[beta] !== value) changes[beta] = value;
    }
    if (Object.keys(changes).length > 0) {
      await this.context.client.resource(Nodes).patch(name, 'strategic', { metadata: { labels: changes } });
    }
  }

  /** Pods that were bound to a node after it fell silent. */
  async #syncPod(key: string): Promise<void> {
    const { namespace, name } = splitObjectKey(key);
    const pod = this.#pods.get(namespace, name);
    const node = pod?.spec.nodeName ? this.#nodes.get('', pod.spec.nodeName) : undefined;
    if (!pod || !node || !this.#health.has(node.metadata.name)) return;
    const ready = nodeCondition(node, 'Ready');
    if (ready && ready.status !== 'True') await this.#markPods([pod]);
  }

  async #monitor(): Promise<void> {
    const nodes = this.#nodes.list();
    const present = new Set(nodes.map(node => node.metadata.name));
    for (const [name, node] of this.#known) {
      if (present.has(name)) continue;
      this.#event(node, 'RemovingNode', `Removing Node ${name} from Controller`);
      this.#known.delete(name);
      this.#health.delete(name);
      this.#unmarked.delete(name);
      this.#zone(node).tainter.remove(name);
    }
    for (const node of nodes) {
      const { name } = node.metadata;
      if (this.#known.has(name)) continue;
      this.#known.set(name, node);
      this.#event(node, 'RegisteredNode', `Registered Node ${name} in Controller`);
      await this.#markReachable(node);
    }
    const readiness = new Map<string, boolean[]>();
    for (const node of nodes) {
      try {
        const ready = await this.#monitorNode(node);
        if (node.metadata.labels?.[exclusionLabel] !== undefined) continue;
        const zone = zoneOf(node);
        readiness.set(zone, [...(readiness.get(zone) ?? []), ready]);
      } catch (error) {
        this.context.logger.warn('health of a node not updated', { node: node.metadata.name, error });
      }
    }
    await this.#handleDisruption(readiness, nodes);
  }

  /** Whether the node is ready. */
  async #monitorNode(seen: Node): Promise<boolean> {
    const wasReady = nodeCondition(seen, 'Ready')?.status === 'True';
    const node = await this.#updateHealth(seen);
    const ready = nodeCondition(node, 'Ready');
    const { name } = node.metadata;
    if (ready) {
      await this.#updateTaints(node, ready.status);
      const nowSilent = ready.status !== 'True' && wasReady;
      if (nowSilent) this.#event(node, 'NodeNotReady', `Node ${name} status is now: NodeNotReady`);
      if (nowSilent || (this.#unmarked.has(name) && ready.status !== 'True')) {
        this.#unmarked.add(name);
        await this.#markPods(this.#pods.byIndex(podsByNode.name, name));
      }
    }
    this.#unmarked.delete(name);
    return ready?.status === 'True';
  }

  async #updateHealth(seen: Node): Promise<Node> {
    const { name } = seen.metadata;
    const { clock, client } = this.context;
    for (let node = seen, tries = 1; ; tries++) {
      const now = { nowMs: clock.now(), monotonicMs: clock.monotonicMs() };
      const health = observeHealth(this.#health.get(name), node, this.#leases.get(leaseNamespace, name), now);
      this.#health.set(name, health);
      const conditions = silentConditions(node, health, now, this.context.environment.tuning);
      if (!conditions) return node;
      try {
        return await client.resource(Nodes).updateStatus(
          name,
          produce(node, draft => void (draft.status = { ...draft.status, conditions })),
        );
      } catch (error) {
        if (!isStatusError(error, 'Conflict') || tries >= updateTries) throw error;
        node = await client.resource(Nodes).get(name);
      }
    }
  }

  async #updateTaints(node: Node, ready: string): Promise<void> {
    if (ready === 'True') return this.#markReachable(node);
    const { tainter } = this.#zone(node);
    const [wanted, opposite] = ready === 'False' ? [notReadyTaint, unreachableTaint] : [unreachableTaint, notReadyTaint];
    const has = (key: string): boolean =>
      (node.spec?.taints ?? []).some(taint => taint.key === key && taint.effect === 'NoExecute');
    // A node that was tainted already only changes its colour; there is nothing to spare any more.
    if (has(opposite)) await this.#taintNoExecute(node);
    else {
      if (!has(wanted)) tainter.remove(node.metadata.name);
      tainter.add(node.metadata.name);
    }
  }

  async #taintNoExecute(node: Node): Promise<void> {
    const status = nodeCondition(node, 'Ready')?.status;
    if (status !== 'False' && status !== 'Unknown') return;
    const [wanted, opposite] = status === 'False' ? [notReadyTaint, unreachableTaint] : [unreachableTaint, notReadyTaint];
    await this.#changeTaints(node, taints => {
      const kept = taints.filter(({ key, effect }) => key !== opposite || effect !== 'NoExecute');
      const has = kept.some(({ key, effect }) => key === wanted && effect === 'NoExecute');
      return has ? kept : [this.#newTaint(wanted, 'NoExecute'), ...kept];
    });
  }

  async #markReachable(node: Node): Promise<void> {
    await this.#changeTaints(node, taints =>
      taints.filter(({ key, effect }) => effect !== 'NoExecute' || (key !== notReadyTaint && key !== unreachableTaint)),
    );
    this.#zone(node).tainter.remove(node.metadata.name);
  }

  #newTaint(key: string, effect: string): Taint {
    return { key, effect, timeAdded: nowTime(this.context.clock) };
  }

  /** Taints are one list without keys of their own: it is written whole, against the version it was made from. */
  async #changeTaints(seen: Node, change: (taints: readonly Taint[]) => readonly Taint[]): Promise<void> {
    const nodes = this.context.client.resource(Nodes);
    const { name, uid } = seen.metadata;
    for (let node = seen, tries = 1; ; tries++) {
      const before = node.spec?.taints ?? [];
      const taints = change(before);
      if (jsonEqual(taints, before)) return;
      const { resourceVersion } = node.metadata;
      try {
        await nodes.patch(name, 'merge', {
          metadata: { uid, resourceVersion },
          spec: { taints: taints.length > 0 ? taints : null },
        });
        return;
      } catch (error) {
        if (isStatusError(error, 'NotFound')) return;
        if (!isStatusError(error, 'Conflict') || tries >= updateTries) throw error;
        node = await nodes.get(name);
        if (node.metadata.uid !== uid) return;
      }
    }
  }

  async #markPods(pods: readonly Pod[]): Promise<void> {
    for (const pod of pods) {
      if (podCondition(pod, 'Ready')?.status !== 'True') continue;
      const { reason, message } = podCondition(pod, 'Ready')!;
      try {
        await patchPodStatus(this.context, pod, { condition: { type: 'Ready', status: 'False', reason, message } });
        this.context.recorder.event(pod, 'Warning', 'NodeNotReady', 'Node is not ready');
      } catch (error) {
        if (!isStatusError(error, 'NotFound', 'Conflict')) throw error;
      }
    }
  }

  #zone(node: Node): Zone {
    const key = zoneOf(node);
    let zone = this.#zones.get(key);
    if (!zone) {
      const tainter = new ZoneTainter(this.context.clock, evictionsPerSecond, name => this.queue.add(evictKey(name)));
      this.#zones.set(key, (zone = { state: 'Initial', tainter }));
    }
    return zone;
  }

  /** While every zone is down the fault is probably on this side: nobody is evicted. */
  async #handleDisruption(readiness: ReadonlyMap<string, boolean[]>, nodes: readonly Node[]): Promise<void> {
    const states = new Map(Array.from(readiness, ([key, ready]) => [key, zoneState(ready)] as const));
    for (const [key, { tainter }] of this.#zones) {
      if (readiness.has(key)) continue;
      tainter.dispose();
      this.#zones.delete(key);
    }
    const allWere = [...this.#zones.values()].every(zone => zone.state === 'FullDisruption');
    const allAre = [...states.values()].every(state => state === 'FullDisruption');
    if (allAre && allWere) return;
    if (allAre) {
      for (const node of nodes) await this.#markReachable(node);
      for (const zone of this.#zones.values()) {
        zone.tainter.setRate(0);
        zone.state = 'FullDisruption';
      }
      return;
    }
    if (allWere) for (const health of this.#health.values()) health.probeMs = this.context.clock.monotonicMs();
    for (const [key, zone] of this.#zones) {
      const state = states.get(key)!;
      if (state === zone.state && !allWere) continue;
      zone.tainter.setRate(evictionRate(state, readiness.get(key)!.length));
      zone.state = state;
    }
  }

  #event(node: Node, reason: string, text: string): void {
    const { name, uid } = node.metadata;
    const message = reason === 'NodeNotReady' ? text : `Node ${name} event: ${text}`;
    this.context.recorder.event({ apiVersion: 'v1', kind: 'Node', name, uid }, 'Normal', reason, message);
  }
}

export const nodeLifecycleController: ControllerDescriptor = {
  name: 'node-lifecycle-controller',
  serviceAccount: 'node-controller',
  component: 'node-controller',
  create: context => new NodeLifecycleController(context),
};
