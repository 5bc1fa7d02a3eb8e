import type { NodeUsage, UsageSample } from '../../../core/plugin-api/index.js';

/** What something uses: a rate over a window that ends at a time. */
export interface UsageRate {
  readonly timeMs: number;
  readonly windowMs: number;
  readonly cpuNanocores: number;
  readonly memoryBytes: number;
}

export interface PodRates {
  readonly uid: string;
  readonly containers: readonly (UsageRate & { readonly name: string })[];
}

type Sample = UsageSample & { readonly startedAtMs?: number };

interface Known {
  readonly uid: string;
  readonly sample: Sample;
  readonly rate: UsageRate | undefined;
}

/** A container that has just begun tells nothing about itself. Source: metrics-server pkg/storage. */
const shortestWindowMs = 1000;
/** What was not told of for so many rounds is forgotten. */
const roundsKept = 3;

/**
 * Makes rates of counters: keeps the newest sample of each node and container and the rate since the one before. A pod is known
 * when all its running containers are. Source: metrics-server pkg/storage.
 */
export class UsageStore {
  readonly #nodes = new Map<string, { known: Known; round: number }>();
  readonly #pods = new Map<string, { uid: string; containers: ReadonlyMap<string, Known>; round: number }>();
  #round = 0;

  add(all: readonly NodeUsage[]): void {
    this.#round++;
    for (const { nodeName, node, pods } of all) {
      if (node) {
        const known = next(this.#nodes.get(nodeName)?.known, node, nodeName);
        this.#nodes.set(nodeName, { known, round: this.#round });
      }
      for (const { namespace, name, uid, containers } of pods) {
        const key = `${namespace}/${name}`;
        const before = this.#pods.get(key)?.containers;
        const known = new Map(containers.map(sample => [sample.name, next(before?.get(sample.name), sample, uid)]));
        this.#pods.set(key, { uid, containers: known, round: this.#round });
      }
    }
    for (const table of [this.#nodes, this.#pods]) {
      for (const [key, { round }] of table) if (round + roundsKept < this.#round) table.delete(key);
    }
  }

  node(name: string): UsageRate | undefined {
    return this.#nodes.get(name)?.known.rate;
  }

  pod(namespace: string, name: string): PodRates | undefined {
    const found = this.#pods.get(`${namespace}/${name}`);
    if (!found || found.containers.size === 0) return undefined;
    const containers: (UsageRate & { name: string })[] = [];
    for (const [container, { rate }] of found.containers) {
      if (!rate) return undefined;
      containers.push({ name: container, ...rate });
    }
    return { uid: found.uid, containers };
  }
}

function next(before: Known | undefined, sample: Sample, uid: string): Known {
  const same = before?.uid === uid && sample.cpuUsageCoreNanos >= before.sample.cpuUsageCoreNanos ? before : undefined;
  const previous = same && !(sample.startedAtMs !== undefined && sample.startedAtMs > same.sample.timeMs) ? same : undefined;
  // A source may tell the same measurement twice.
  if (previous && sample.timeMs <= previous.sample.timeMs) return previous;
  const since = previous
    ? previous.sample
    : sample.startedAtMs === undefined
      ? undefined
      : { timeMs: sample.startedAtMs, cpuUsageCoreNanos: 0 };
  const windowMs = since ? sample.timeMs - since.timeMs : 0;
  if (!since || windowMs < shortestWindowMs) return { uid, sample, rate: previous?.rate };
  const cpuNanocores = Math.round(((sample.cpuUsageCoreNanos - since.cpuUsageCoreNanos) / windowMs) * 1000);
  const rate = { timeMs: sample.timeMs, windowMs, cpuNanocores, memoryBytes: sample.memoryWorkingSetBytes };
  return { uid, sample, rate };
}
