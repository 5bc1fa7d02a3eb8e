import { totalmem } from 'node:os';
import type { Disposable } from '../../base/disposable.js';
import type { Pod } from '../../api/generated/types.js';
import { isTolerated } from '../../api/taints.js';
import type { ContainerStats } from '../../contracts/container-runtime.js';
import { parseQuantity } from '../../machinery/quantity.js';
import { podQos } from '../cgroups/cgroup-limits.js';
import type { KubeletContext } from '../kubelet-context.js';
import { podText, podUid } from '../kubelet-context.js';
import { hasStorageLimit, storageLimitExceeded, storageUsage } from './local-storage.js';
import type { NodeUsage } from './node-usage.js';
import { isCritical, memoryUsage, rankForEviction } from './ranking.js';
import type { PodUsage } from './ranking.js';
import { binaryText, crossed } from './signals.js';
import type { CrossedThreshold, PressureCondition } from './signals.js';

export interface EvictablePod {
  readonly pod: Pod;
  /** Nothing of it is left that takes memory or disk. */
  readonly finished: boolean;
  fail(reason: string, message: string, graceSeconds?: number): void;
}

export interface EvictionManagerOptions {
  readonly context: Pick<KubeletContext, 'clock' | 'logger' | 'recorder' | 'runtime' | 'settings'>;
  readonly usage: NodeUsage;
  /** Pods that run or are to run, without those that are about to end. */
  readonly pods: () => readonly EvictablePod[];
  readonly sandboxIds: (podUid: string) => readonly string[];
  /** Free what nobody needs, one after the other: containers of finished pods, images. */
  readonly reclaimDisk: readonly (() => Promise<void>)[];
  /** The node's conditions are to be written. */
  readonly changed: () => void;
}

const periodMs = 10_000;
/** A condition stays this long after it was last true. */
const transitionMs = 300_000;
const graceSeconds = 1;
/** So long the pods that were ended may take before others are. */
const cleanUpMs = 30_000;
const cleanUpLookMs = 1000;

/** Keeps the node from running out of memory and disk, by ending pods. Source: pkg/kubelet/eviction. */
export class EvictionManager {
  readonly #options: EvictionManagerOptions;
  readonly #lastTrueMs = new Map<PressureCondition, number>();
  #conditions = new Set<PressureCondition>();
  /** Crossed at the last look, and not yet free of it by their minimum. */
  #unresolved = new Set<CrossedThreshold['signal']>();
  /** Ended at the last look: what they free is not seen before they are gone. */
  #leaving: readonly EvictablePod[] = [];
  #leavingUntilMs = 0;
  #timer: Disposable | undefined;
  #running: Promise<void> | undefined;
  #stopped = false;

  constructor(options: EvictionManagerOptions) {
    this.#options = options;
  }

  start(): void {
    this.#stopped = false;
    this.#arm();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    void this.#timer?.dispose();
    await this.#running;
  }

  get conditions(): ReadonlySet<PressureCondition> {
    return this.#conditions;
  }

  /** Why no further pod like this one is taken now. */
  refusal(pod: Pod): { reason: string; message: string } | undefined {
    if (this.#conditions.size === 0 || isCritical(pod)) return undefined;
    const memoryOnly = this.#conditions.size === 1 && this.#conditions.has('MemoryPressure');
    const taint = { key: 'node.kubernetes.io/memory-pressure', effect: 'NoSchedule' };
    const spared = podQos(pod) !== 'BestEffort' || isTolerated(taint, pod.spec.tolerations);
    if (memoryOnly && spared) return undefined;
    const list = [...this.#conditions].sort().join(' ');
    return { reason: 'Evicted', message: `The node had condition: [${list}]. ` };
  }

  /** One look, and at most one pod for pressure. */
  async look(): Promise<void> {
    const { context, pods } = this.#options;
    const active = pods();
    const stats = this.#statsByPod(active, active.some(({ pod }) => hasStorageLimit(pod)) ? await context.runtime.stats() : []);
    if (await this.#enforceStorageLimits(active, stats)) return;
    let found = await this.#observe(signal => this.#unresolved.has(signal));
    this.#unresolved = new Set(found.map(({ signal }) => signal));
    this.#update(found);
    if (found.length === 0) return;
    const worst = found[0]!;
    this.#nodeEvent(`Attempting to reclaim ${worst.resource}`);
    if (worst.resource !== 'memory') {
      await this.#reclaimDisk();
      found = await this.#observe(() => true);
      if (found.length === 0) return;
    }
    await this.#evictOne(worst, active);
  }

  /** What fails leaves the rest to be tried, and then a pod to be ended. */
  async #reclaimDisk(): Promise<void> {
    const { context, reclaimDisk } = this.#options;
    for (const reclaim of reclaimDisk) {
      try {
        await reclaim();
      } catch (error) {
        context.logger.warn('what nobody needs could not be removed', { error });
      }
    }
  }

  async #observe(reclaiming: (signal: CrossedThreshold['signal']) => boolean): Promise<CrossedThreshold[]> {
    const { context, usage } = this.#options;
    const { path } = await context.runtime.imageFilesystem();
    const [availableMemoryBytes, nodefs, imagefs] = await Promise.all([
      usage.availableMemoryBytes(),
      usage.filesystem(context.settings.rootDir),
      usage.filesystem(path),
    ]);
    return crossed(
      { availableMemoryBytes, memoryBytes: totalmem(), nodefs, imagefs },
      reclaiming,
      context.settings.tuning?.evictionThresholds,
    );
  }

  #update(found: readonly CrossedThreshold[]): void {
    const { clock, settings } = this.#options.context;
    const nowMs = clock.now();
    const stayMs = settings.tuning?.evictionTransitionMs ?? transitionMs;
    for (const { condition } of found) this.#lastTrueMs.set(condition, nowMs);
    const held = [...this.#lastTrueMs].filter(([, atMs]) => nowMs - atMs < stayMs).map(([condition]) => condition);
    const next = new Set(held);
    const same = next.size === this.#conditions.size && held.every(condition => this.#conditions.has(condition));
    this.#conditions = next;
    if (!same) this.#options.changed();
  }

  async #evictOne(threshold: CrossedThreshold, active: readonly EvictablePod[]): Promise<void> {
    const { context, usage } = this.#options;
    const candidates = active.filter(({ pod }) => !isCritical(pod));
    const stats = this.#statsByPod(candidates, await context.runtime.stats());
    const resource = threshold.resource === 'memory' ? 'memory' : 'ephemeral-storage';
    const usages: PodUsage[] = [];
    for (const { pod } of candidates) {
      const own = stats.get(podUid(pod)) ?? [];
      if (resource === 'memory') usages.push(memoryUsage(pod, own));
      else {
        const { containers, totalBytes } = await storageUsage(pod, own, usage, context.settings);
        usages.push({ pod, used: totalBytes, containers: Array.from(containers, ([name, used]) => ({ name, used })) });
      }
    }
    const victim = rankForEviction(usages, resource)[0];
    if (!victim) {
      context.logger.warn('no pod is left that could be evicted', { signal: threshold.signal });
      return;
    }
    const text = (amount: number): string => (threshold.resource === 'inodes' ? String(amount) : binaryText(amount));
    let message = `The node was low on resource: ${threshold.resource}. Threshold quantity: ${text(threshold.least)}, available: ${text(threshold.available)}. `;
    for (const { name, used } of victim.containers) {
      const container = victim.pod.spec.containers.find(own => own.name === name);
      const request = container?.resources?.requests?.[resource] ?? '0';
      if (threshold.resource === 'inodes' || used <= requestBytes(victim.pod, name, resource)) continue;
      message += `Container ${name} was using ${binaryText(used)}, request is ${request}, has larger consumption of ${resource}. `;
    }
    this.#evict(
      candidates.find(({ pod }) => pod === victim.pod)!,
      message,
    );
  }

  async #enforceStorageLimits(
    active: readonly EvictablePod[],
    stats: ReadonlyMap<string, readonly ContainerStats[]>,
  ): Promise<boolean> {
    const { context, usage } = this.#options;
    let evicted = false;
    for (const own of active) {
      if (!hasStorageLimit(own.pod)) continue;
      const used = await storageUsage(own.pod, stats.get(podUid(own.pod)) ?? [], usage, context.settings);
      const message = storageLimitExceeded(own.pod, used);
      if (message === undefined) continue;
      this.#evict(own, message);
      evicted = true;
    }
    return evicted;
  }

  #statsByPod(pods: readonly EvictablePod[], stats: readonly ContainerStats[]): Map<string, ContainerStats[]> {
    const bySandbox = Map.groupBy(stats, ({ sandboxId }) => sandboxId);
    return new Map(
      pods.map(({ pod }) => {
        const uid = podUid(pod);
        return [uid, this.#options.sandboxIds(uid).flatMap(id => bySandbox.get(id) ?? [])];
      }),
    );
  }

  #evict(own: EvictablePod, message: string): void {
    const { logger, recorder } = this.#options.context;
    logger.info('a pod is evicted', { pod: podText(own.pod), reason: message.trim() });
    recorder.event(own.pod, 'Warning', 'Evicted', message);
    own.fail('Evicted', message, graceSeconds);
    this.#leaving = [...this.#leaving, own];
    this.#leavingUntilMs = this.#options.context.clock.now() + cleanUpMs;
  }

  #nodeEvent(message: string): void {
    const { recorder, settings } = this.#options.context;
    const node = { kind: 'Node', name: settings.nodeName, uid: settings.nodeName };
    recorder.event(node, 'Warning', 'EvictionThresholdMet', message);
  }

  #arm(): void {
    if (this.#stopped) return;
    const { clock, logger } = this.#options.context;
    this.#timer = clock.setTimer(this.#leaving.length > 0 ? cleanUpLookMs : periodMs, () => {
      if (this.#leaving.some(({ finished }) => !finished) && clock.now() < this.#leavingUntilMs) return this.#arm();
      this.#leaving = [];
      this.#running = this.look()
        .catch(error => logger.warn("the node's memory and disks could not be looked at", { error }))
        .then(() => this.#arm());
    });
  }
}

function requestBytes(pod: Pod, name: string, resource: string): number {
  const { requests } = pod.spec.containers.find(own => own.name === name)?.resources ?? {};
  return requests?.[resource] === undefined ? 0 : parseQuantity(requests[resource]).value();
}
