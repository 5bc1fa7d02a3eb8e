import type { NodeUsage, UsageSample } from 'k3s-ts/plugin';

export interface Rate {
  readonly timeMs: number;
  readonly windowMs: number;
  readonly cpuNanocores: number;
  readonly memoryBytes: number;
}

/** Of one node or pod: a pod's by container, a node's by ''. */
export interface Rates {
  readonly uid: string;
  readonly byContainer: ReadonlyMap<string, Rate>;
}

interface Known {
  readonly sample: UsageSample;
  readonly rate: Rate | undefined;
}

/** What was measured last, by `node/NAME` or `pod/NAMESPACE/NAME`. */
export class UsageRates {
  readonly #known = new Map<string, { uid: string; samples: Map<string, Known>; atMs: number }>();

  add(nodes: readonly NodeUsage[], nowMs: number, keptMs: number): void {
    for (const { nodeName, node, pods } of nodes) {
      if (node) this.#set(`node/${nodeName}`, '', [['', node]], nowMs);
      for (const { namespace, name, uid, containers } of pods) {
        this.#set(
          `pod/${namespace}/${name}`,
          uid,
          containers.map(sample => [sample.name, sample]),
          nowMs,
        );
      }
    }
    for (const [key, { atMs }] of this.#known) if (nowMs - atMs > keptMs) this.#known.delete(key);
  }

  /** Undefined until every container was measured twice. */
  get(key: string): Rates | undefined {
    const known = this.#known.get(key);
    if (!known || known.samples.size === 0) return undefined;
    const byContainer = new Map<string, Rate>();
    for (const [name, { rate }] of known.samples) {
      if (!rate) return undefined;
      byContainer.set(name, rate);
    }
    return { uid: known.uid, byContainer };
  }

  #set(key: string, uid: string, samples: readonly (readonly [string, UsageSample])[], atMs: number): void {
    const before = this.#known.get(key);
    const earlier = before?.uid === uid ? before.samples : undefined;
    const next = new Map(samples.map(([name, sample]) => [name, rated(earlier?.get(name), sample)]));
    this.#known.set(key, { uid, samples: next, atMs });
  }
}

function rated(before: Known | undefined, sample: UsageSample): Known {
  // The counter began again with its container.
  if (!before || sample.cpuUsageCoreNanos < before.sample.cpuUsageCoreNanos) return { sample, rate: undefined };
  const windowMs = sample.timeMs - before.sample.timeMs;
  // The same measurement again.
  if (windowMs <= 0) return before;
  const cpuNanocores = Math.round(((sample.cpuUsageCoreNanos - before.sample.cpuUsageCoreNanos) / windowMs) * 1000);
  return { sample, rate: { timeMs: sample.timeMs, windowMs, cpuNanocores, memoryBytes: sample.memoryWorkingSetBytes } };
}
