import { podRequests } from '../../api/pod-resources.js';
import type { Pod } from '../../api/generated/types.js';
import type { ContainerStats } from '../../contracts/container-runtime.js';

/** What one pod uses of what is scarce. */
export interface PodUsage {
  readonly pod: Pod;
  /** Bytes. */
  readonly used: number;
  readonly containers: readonly { readonly name: string; readonly used: number }[];
}

/** Priority from which on pods are the node's or the cluster's own: never evicted for pressure. */
const criticalPriority = 2_000_000_000;

export function isCritical({ metadata, spec }: Pod): boolean {
  const source = metadata.annotations?.['kubernetes.io/config.source'];
  return (source !== undefined && source !== 'api') || (spec.priority ?? 0) >= criticalPriority;
}

export function memoryUsage(pod: Pod, stats: readonly ContainerStats[]): PodUsage {
  const containers = stats.map(({ name, memoryWorkingSetBytes }) => ({ name, used: memoryWorkingSetBytes }));
  return { pod, containers, used: containers.reduce((sum, { used }) => sum + used, 0) };
}

/**
 * Who goes first: pods that use more than they requested, then the lower priority, then who is further over the request.
 * Source: pkg/kubelet/eviction rankMemoryPressure, rankDiskPressureFunc.
 */
export function rankForEviction(usages: readonly PodUsage[], resource: 'memory' | 'ephemeral-storage'): PodUsage[] {
  const ranked = usages.map(usage => {
    const over = usage.used - (podRequests(usage.pod).get(resource)?.value() ?? 0);
    return { usage, over, exceeds: over > 0 ? 0 : 1, priority: usage.pod.spec.priority ?? 0 };
  });
  ranked.sort((a, b) => a.exceeds - b.exceeds || a.priority - b.priority || b.over - a.over);
  return ranked.map(({ usage }) => usage);
}
