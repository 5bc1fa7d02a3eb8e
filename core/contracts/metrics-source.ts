/** What something has used when it was measured. */
export interface UsageSample {
  readonly timeMs: number;
  /** CPU time since the thing began, in nanoseconds: a counter, from which rates are made. */
  readonly cpuUsageCoreNanos: number;
  readonly memoryWorkingSetBytes: number;
}

export interface ContainerUsage extends UsageSample {
  readonly name: string;
  /** When it began; a rate can then be told from its first sample on. */
  readonly startedAtMs?: number;
}

export interface PodUsage {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  /** Those that run. */
  readonly containers: readonly ContainerUsage[];
}

export interface NodeUsage {
  readonly nodeName: string;
  /** The whole machine; absent where that cannot be measured. */
  readonly node?: UsageSample & { readonly startedAtMs?: number };
  readonly pods: readonly PodUsage[];
}

/**
 * Who knows what nodes and their pods use: the kubelet of this process, the tunnel for the others. metrics.k8s.io asks every 15
 * seconds and makes rates of two answers. Several sources may tell of different nodes; of two that tell of one the later counts.
 */
export interface MetricsSource {
  /** One measurement now. A node that does not answer in time is left out; rejects only when there is nothing to tell at all. */
  usage(signal: AbortSignal): Promise<readonly NodeUsage[]>;
}

export const MetricsSource: unique symbol = Symbol.for('k3s/metrics-sources@1');
