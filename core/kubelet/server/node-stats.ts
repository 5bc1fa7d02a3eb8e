import { readFile } from 'node:fs/promises';
import { cpus, freemem, totalmem } from 'node:os';
import type { Clock } from '../../base/clock.js';
import type { Pod } from '../../api/generated/types.js';
import type { ContainerRuntime, ContainerState, ContainerStats } from '../../contracts/container-runtime.js';
import type { NodePods } from './node-pods.js';

export interface NodeStatsOptions {
  readonly nodeName: string;
  readonly runtime: ContainerRuntime;
  readonly clock: Clock;
  readonly pods: () => NodePods;
}

export interface ContainerUsage {
  readonly state: ContainerState;
  readonly stats: ContainerStats;
  /** Of the time between the last two looks; undefined at the first. */
  readonly usageNanoCores: number | undefined;
}

export interface PodUsage {
  readonly pod: Pod;
  readonly containers: readonly ContainerUsage[];
}

export interface NodeUsage {
  readonly nodeName: string;
  /** Containers are processes of this host. */
  readonly onHost: boolean;
  readonly timeMs: number;
  readonly pods: readonly PodUsage[];
  readonly containersRunning: number;
  readonly cpuUsageCoreNanos: number;
  readonly usageNanoCores: number | undefined;
  readonly memoryWorkingSetBytes: number;
  readonly memoryAvailableBytes: number;
  readonly imageFilesystem: { readonly usedBytes: number; readonly usedInodes: number };
}

interface Sample {
  readonly timeMs: number;
  readonly nanos: number;
}

/** A look is good for so long: several readers share it. */
const freshMs = 1000;

/** Use of processor and memory of this node, its pods and their containers, from the runtime and the host. */
export class NodeStats {
  readonly #options: NodeStatsOptions;
  #samples = new Map<string, Sample>();
  #last: NodeUsage | undefined;
  #reading: Promise<NodeUsage> | undefined;

  constructor(options: NodeStatsOptions) {
    this.#options = options;
  }

  read(): Promise<NodeUsage> {
    const nowMs = this.#options.clock.now();
    if (this.#last && nowMs - this.#last.timeMs < freshMs) return Promise.resolve(this.#last);
    this.#reading ??= this.#read().finally(() => (this.#reading = undefined));
    return this.#reading;
  }

  async #read(): Promise<NodeUsage> {
    const { runtime, clock, nodeName } = this.#options;
    const pods = this.#options.pods();
    const [{ onHost }, all, filesystem] = await Promise.all([runtime.status(), runtime.stats(), runtime.imageFilesystem()]);
    const byContainer = new Map(all.map(stats => [stats.containerId, stats]));
    const samples = new Map<string, Sample>();
    const rate = (key: string, sample: Sample): number | undefined => {
      const before = this.#samples.get(key);
      samples.set(key, sample);
      if (!before || sample.timeMs <= before.timeMs || sample.nanos < before.nanos) return undefined;
      return Math.round(((sample.nanos - before.nanos) / (sample.timeMs - before.timeMs)) * 1000);
    };
    const usages = pods.list().map((pod): PodUsage => {
      const { containers } = pods.runtimeState(pod.metadata.uid ?? '');
      const used = containers.flatMap((state): ContainerUsage[] => {
        const stats = state.state === 'running' ? byContainer.get(state.id) : undefined;
        if (!stats) return [];
        const sample = { timeMs: stats.timeMs, nanos: stats.cpuUsageCoreNanos };
        return [{ state, stats, usageNanoCores: rate(state.id, sample) }];
      });
      return { pod, containers: used };
    });
    const timeMs = clock.now();
    const running = usages.flatMap(({ containers }) => containers);
    const node = onHost ? await hostUsage() : simulatedUsage(running);
    const usageNanoCores = rate('', { timeMs, nanos: node.cpuUsageCoreNanos });
    this.#samples = samples;
    this.#last = {
      nodeName,
      onHost,
      timeMs,
      pods: usages,
      containersRunning: running.length,
      ...node,
      usageNanoCores,
      imageFilesystem: { usedBytes: filesystem.usedBytes, usedInodes: filesystem.usedInodes },
    };
    return this.#last;
  }
}

type HostUsage = Pick<NodeUsage, 'cpuUsageCoreNanos' | 'memoryWorkingSetBytes' | 'memoryAvailableBytes'>;

async function hostUsage(): Promise<HostUsage> {
  const memory = await readFile('/proc/meminfo', 'utf8');
  const available = Number(/^MemAvailable:\s+(\d+)/m.exec(memory)?.[1] ?? freemem() / 1024) * 1024;
  let busyMs = 0;
  for (const { times } of cpus()) busyMs += times.user + times.nice + times.sys + times.irq;
  return {
    cpuUsageCoreNanos: busyMs * 1e6,
    memoryWorkingSetBytes: totalmem() - available,
    memoryAvailableBytes: available,
  };
}

function simulatedUsage(running: readonly ContainerUsage[]): HostUsage {
  const sum = (value: (stats: ContainerStats) => number): number => running.reduce((total, { stats }) => total + value(stats), 0);
  const used = sum(stats => stats.memoryWorkingSetBytes);
  return {
    cpuUsageCoreNanos: sum(stats => stats.cpuUsageCoreNanos),
    memoryWorkingSetBytes: used,
    memoryAvailableBytes: Math.max(0, totalmem() - used),
  };
}
