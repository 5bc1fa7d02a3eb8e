import type { Pod } from '../../api/generated/types.js';
import type { Clock } from '../../base/clock.js';
import type { Disposable } from '../../base/disposable.js';
import type { ClusterEvent, PluginEvent, SchedulerPlugin } from '../../contracts/scheduler-plugin.js';
import { anyEvent, eventMatches, podChanges } from '../cluster-events.js';
import { PodInfo } from '../pod-info.js';
import type { PodSource } from '../pod-info.js';
import { KeyedHeap } from './heap.js';
import { Nominator } from './nominator.js';

/** A pod that waits, with what its earlier attempts left behind. */
export interface QueuedPod {
  info: PodInfo;
  /** When it entered the queue last; `order` tells apart what came in the same millisecond. */
  timestampMs: number;
  order: number;
  attempts: number;
  /** Attempts that found no node, and those in a row that broke: whichever counts sets the back-off. */
  unschedulableCount: number;
  consecutiveErrors: number;
  backoffUntilMs: number;
  /** Who turned it away, and so whose events bring it back. */
  unschedulablePlugins: Set<string>;
  pendingPlugins: Set<string>;
  gatingPlugin: string | undefined;
}

export interface SchedulingQueueOptions {
  readonly clock: Clock;
  readonly plugins: readonly Pick<SchedulerPlugin, 'name' | 'events' | 'preEnqueue'>[];
  /** Called when there may be something to pop. */
  readonly onReady: () => void;
  readonly initialBackoffMs?: number;
  readonly maximumBackoffMs?: number;
}

export type QueuePlace = 'active' | 'backoff' | 'unschedulable' | 'in-flight';

interface SeenEvent {
  readonly event: ClusterEvent;
  readonly previous: unknown;
  readonly next: unknown;
}

type Strategy = 'skip' | 'after-backoff' | 'at-once';

/** Back-offs end on whole windows, so that pods of one window leave by priority. */
const backoffWindowMs = 1000;
const longestUnschedulableMs = 5 * 60_000;
const flushEveryMs = 30_000;

/**
 * Pods that wait to be scheduled: those whose turn it is by priority, those backing off, and those that no change yet could help.
 * When nobody's turn it is, those backing off after they did not fit go early. Source: kube-scheduler's PriorityQueue.
 */
export class SchedulingQueue {
  readonly nominator = new Nominator();
  readonly #clock: Clock;
  readonly #gates: SchedulingQueueOptions['plugins'];
  readonly #events = new Map<string, readonly PluginEvent[]>();
  readonly #onReady: () => void;
  readonly #initialBackoffMs: number;
  readonly #maximumBackoffMs: number;
  readonly #active: KeyedHeap<QueuedPod>;
  readonly #backoff: KeyedHeap<QueuedPod>;
  readonly #errorBackoff: KeyedHeap<QueuedPod>;
  readonly #unschedulable = new Map<string, QueuedPod>();
  /** Events since a pod was taken; its attempt may have seen the cluster as it was before them. */
  readonly #inFlight = new Map<string, { readonly queued: QueuedPod; readonly seen: SeenEvent[] }>();
  #order = 0;
  #backoffTimer: Disposable | undefined;
  #flushTimer: Disposable | undefined;
  #stopped = false;

  constructor(options: SchedulingQueueOptions) {
    this.#clock = options.clock;
    this.#gates = options.plugins.filter(plugin => plugin.preEnqueue);
    this.#onReady = options.onReady;
    this.#initialBackoffMs = options.initialBackoffMs ?? 1000;
    this.#maximumBackoffMs = options.maximumBackoffMs ?? 10_000;
    for (const plugin of options.plugins) this.#events.set(plugin.name, plugin.events ?? [anyEvent]);
    const keyOf = (queued: QueuedPod): string => queued.info.uid;
    this.#active = new KeyedHeap(keyOf, isBefore);
    const endsBefore = (a: QueuedPod, b: QueuedPod): boolean =>
      a.backoffUntilMs === b.backoffUntilMs ? isBefore(a, b) : a.backoffUntilMs < b.backoffUntilMs;
    this.#backoff = new KeyedHeap(keyOf, endsBefore);
    this.#errorBackoff = new KeyedHeap(keyOf, endsBefore);
  }

  start(): void {
    if (this.#stopped) return;
    this.#flushTimer = this.#clock.setTimer(flushEveryMs, () => {
      this.#flushLongUnschedulable();
      this.start();
    });
  }

  stop(): void {
    this.#stopped = true;
    void this.#flushTimer?.dispose();
    void this.#backoffTimer?.dispose();
  }

  get counts(): { active: number; backoff: number; unschedulable: number } {
    return {
      active: this.#active.size,
      backoff: this.#backoff.size + this.#errorBackoff.size,
      unschedulable: this.#unschedulable.size,
    };
  }

  place(uid: string): QueuePlace | undefined {
    if (this.#active.has(uid)) return 'active';
    if (this.#backoff.has(uid) || this.#errorBackoff.has(uid)) return 'backoff';
    if (this.#unschedulable.has(uid)) return 'unschedulable';
    return this.#inFlight.has(uid) ? 'in-flight' : undefined;
  }

  add(source: PodSource): void {
    const info = new PodInfo(source);
    this.#activate({
      info,
      timestampMs: this.#clock.monotonicMs(),
      order: this.#order++,
      attempts: 0,
      unschedulableCount: 0,
      consecutiveErrors: 0,
      backoffUntilMs: 0,
      unschedulablePlugins: new Set(),
      pendingPlugins: new Set(),
      gatingPlugin: undefined,
    });
    const { nominatedNodeName } = source.object.status;
    if (nominatedNodeName) this.nominator.set(info, nominatedNodeName);
  }

  update(previous: Pod, source: PodSource): void {
    const next = source.object;
    const uid = next.metadata.uid ?? '';
    const info = new PodInfo(source);
    if (next.status.nominatedNodeName) this.nominator.set(info, next.status.nominatedNodeName);
    else if (previous.status.nominatedNodeName) this.nominator.delete(uid);
    else this.nominator.set(info, this.nominator.nodeOf(uid) ?? '');
    const events = podChanges(previous, next);
    const flight = this.#inFlight.get(uid);
    if (flight) {
      for (const event of events) flight.seen.push({ event, previous, next });
      return;
    }
    const waiting = this.#active.get(uid) ?? this.#backoff.get(uid) ?? this.#errorBackoff.get(uid);
    if (waiting) {
      waiting.info = info;
      return;
    }
    const queued = this.#unschedulable.get(uid);
    if (!queued) return this.add(source);
    queued.info = info;
    for (const event of events) if (this.#requeueOn(queued, { event, previous, next })) return;
  }

  delete(uid: string): void {
    this.nominator.delete(uid);
    this.#active.delete(uid);
    this.#backoff.delete(uid);
    this.#errorBackoff.delete(uid);
    this.#unschedulable.delete(uid);
  }

  /** The next pod to try. It is in flight until `done` or `returnUnscheduled`. */
  pop(): QueuedPod | undefined {
    const queued = this.#active.pop() ?? this.#backoff.pop();
    if (!queued) return undefined;
    queued.attempts++;
    this.#inFlight.set(queued.info.uid, { queued, seen: [] });
    return queued;
  }

  /** The attempt has come so far that events cannot change it any more, or the pod is gone. */
  done(uid: string): void {
    this.#inFlight.delete(uid);
  }

  /**
   * Takes back a pod after a failed attempt. With rejecting plugins it waits for their events (those of the meantime count too);
   * without, it was an error and is tried again after a pause.
   */
  returnUnscheduled(queued: QueuedPod): void {
    const { uid } = queued.info;
    const seen = this.#inFlight.get(uid)?.seen ?? [];
    this.#inFlight.delete(uid);
    if (this.place(uid)) return;
    const isError = queued.unschedulablePlugins.size === 0 && queued.pendingPlugins.size === 0;
    if (isError) queued.consecutiveErrors++;
    else {
      queued.unschedulableCount++;
      queued.consecutiveErrors = 0;
    }
    queued.timestampMs = this.#clock.monotonicMs();
    queued.order = this.#order++;
    queued.backoffUntilMs = this.#backoffEnd(queued);
    if (isError) return this.#enterBackoff(queued);
    let strategy: Strategy = 'skip';
    for (const event of seen) {
      const wish = this.#strategy(queued, event);
      if (wish !== 'skip') strategy = wish;
      if (wish === 'at-once') break;
    }
    if (strategy === 'skip') this.#unschedulable.set(uid, queued);
    else this.#requeue(queued, strategy);
  }

  /** Whether events matter to anybody just now. */
  get isListening(): boolean {
    return this.#inFlight.size > 0 || this.#unschedulable.size > 0;
  }

  /** Something changed: pods that it may help come back, but for those that `filter` leaves out. */
  onEvent(event: ClusterEvent, previous: unknown, next: unknown, filter?: (info: PodInfo) => boolean): void {
    if (!this.isListening) return;
    const seen: SeenEvent = { event, previous, next };
    for (const flight of this.#inFlight.values()) flight.seen.push(seen);
    for (const queued of [...this.#unschedulable.values()]) {
      if (!filter || filter(queued.info)) this.#requeueOn(queued, seen);
    }
  }

  /** Brings a pod back at once, whatever it waits for. */
  activate(uid: string): void {
    const queued = this.#unschedulable.get(uid) ?? this.#backoff.get(uid) ?? this.#errorBackoff.get(uid);
    if (queued) this.#activate(queued);
    else this.#inFlight.get(uid)?.seen.push({ event: anyEvent, previous: undefined, next: undefined });
  }

  #requeueOn(queued: QueuedPod, seen: SeenEvent): boolean {
    if (queued.gatingPlugin !== undefined && !this.#waitsFor(queued.gatingPlugin, seen.event)) return false;
    const strategy = this.#strategy(queued, seen);
    if (strategy === 'skip') return false;
    this.#requeue(queued, strategy);
    return true;
  }

  #waitsFor(plugin: string, event: ClusterEvent): boolean {
    return event === anyEvent || this.#eventsOf(plugin).some(registered => eventMatches(registered, event));
  }

  #eventsOf(plugin: string): readonly PluginEvent[] {
    return this.#events.get(plugin) ?? [anyEvent];
  }

  #strategy(queued: QueuedPod, { event, previous, next }: SeenEvent): Strategy {
    if (event === anyEvent) return 'after-backoff';
    const helps = (plugin: string): boolean =>
      this.#eventsOf(plugin).some(
        registered => eventMatches(registered, event) && (!registered.mayHelp || registered.mayHelp(queued.info, previous, next)),
      );
    for (const plugin of queued.pendingPlugins) if (helps(plugin)) return 'at-once';
    for (const plugin of queued.unschedulablePlugins) if (helps(plugin)) return 'after-backoff';
    return 'skip';
  }

  #requeue(queued: QueuedPod, strategy: Strategy): void {
    if (strategy === 'after-backoff' && this.#isBackingOff(queued)) this.#enterBackoff(queued);
    else this.#activate(queued);
  }

  #enterBackoff(queued: QueuedPod): void {
    if (this.#isGated(queued)) return;
    this.#unschedulable.delete(queued.info.uid);
    (queued.consecutiveErrors > 0 ? this.#errorBackoff : this.#backoff).set(queued);
    this.#armBackoffTimer();
    this.#onReady();
  }

  #activate(queued: QueuedPod): void {
    const { uid } = queued.info;
    this.#backoff.delete(uid);
    this.#errorBackoff.delete(uid);
    if (this.#isGated(queued)) return;
    this.#unschedulable.delete(uid);
    this.#active.set(queued);
    this.#onReady();
  }

  /** Asks the gates; a pod that one of them holds back goes among the unschedulable. */
  #isGated(queued: QueuedPod): boolean {
    for (const plugin of this.#gates) {
      if (!plugin.preEnqueue!(queued.info.pod)) continue;
      queued.gatingPlugin = plugin.name;
      queued.unschedulablePlugins.add(plugin.name);
      this.#unschedulable.set(queued.info.uid, queued);
      return true;
    }
    queued.gatingPlugin = undefined;
    return false;
  }

  #backoffEnd(queued: QueuedPod): number {
    const count = queued.consecutiveErrors > 0 ? queued.consecutiveErrors : queued.unschedulableCount;
    const durationMs = Math.min(this.#maximumBackoffMs, this.#initialBackoffMs * 2 ** Math.min(count - 1, 30));
    return alignToWindow(queued.timestampMs + durationMs);
  }

  #isBackingOff(queued: QueuedPod): boolean {
    return queued.backoffUntilMs >= alignToWindow(this.#clock.monotonicMs());
  }

  #armBackoffTimer(): void {
    if (this.#backoffTimer || this.#stopped) return;
    const nowMs = this.#clock.monotonicMs();
    this.#backoffTimer = this.#clock.setTimer(alignToWindow(nowMs) + backoffWindowMs - nowMs, () => {
      this.#backoffTimer = undefined;
      for (const heap of [this.#backoff, this.#errorBackoff]) {
        for (let queued = heap.peek(); queued && !this.#isBackingOff(queued); queued = heap.peek()) this.#activate(queued);
      }
      if (this.#backoff.size + this.#errorBackoff.size > 0) this.#armBackoffTimer();
    });
  }

  #flushLongUnschedulable(): void {
    const before = this.#clock.monotonicMs() - longestUnschedulableMs;
    for (const queued of [...this.#unschedulable.values()]) {
      if (queued.timestampMs < before) this.#requeueOn(queued, { event: anyEvent, previous: undefined, next: undefined });
    }
  }
}

function isBefore(a: QueuedPod, b: QueuedPod): boolean {
  if (a.info.priority !== b.info.priority) return a.info.priority > b.info.priority;
  return a.timestampMs === b.timestampMs ? a.order < b.order : a.timestampMs < b.timestampMs;
}

function alignToWindow(timeMs: number): number {
  return Math.floor(timeMs / backoffWindowMs) * backoffWindowMs;
}
