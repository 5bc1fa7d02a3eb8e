import { podLimits, podQosClass, podRequests } from '../../api/pod-resources.js';
import type { Pod } from '../../api/generated/types.js';
import type { CgroupLimits } from '../../host/cgroups.js';
import { parseQuantity } from '../../machinery/quantity.js';

export const minimumShares = 2;
const maximumShares = 262_144;
const periodMicros = 100_000;
const minimumQuotaMicros = 1000;

/** Source: pkg/kubelet/cm MilliCPUToShares. */
export function cpuShares(milliCpu: number): number {
  return Math.min(maximumShares, Math.max(minimumShares, Math.floor((milliCpu * 1024) / 1000)));
}

/** What all pods together may use. Source: pkg/kubelet/cm getCgroupConfig. */
export function nodeLimits(allocatable: Readonly<Record<string, string>>, maximumThreads: number): CgroupLimits {
  return {
    cpuShares: cpuShares(parseQuantity(allocatable['cpu'] ?? '0').milliValue()),
    memoryBytes: parseQuantity(allocatable['memory'] ?? '0').value(),
    pids: maximumThreads,
  };
}

/**
 * What a pod may use as a whole; without a limit where one of its containers has none.
 * Source: pkg/kubelet/cm ResourceConfigForPod.
 */
export function podCgroupLimits(pod: Pod): CgroupLimits {
  if (podQos(pod) === 'BestEffort') return { cpuShares: minimumShares, ...quota(0), memoryBytes: -1 };
  const requests = podRequests(pod);
  const limits = podLimits(pod);
  const limitOf = (name: 'cpu' | 'memory') => (limited(pod, name) ? limits.get(name) : undefined);
  const cpuLimit = limitOf('cpu')?.milliValue() ?? 0;
  const request = requests.get('cpu')?.milliValue() ?? 0;
  return {
    cpuShares: cpuShares(request > 0 ? request : cpuLimit),
    ...quota(cpuLimit),
    memoryBytes: limitOf('memory')?.value() || -1,
  };
}

export function podQos(pod: Pod): 'Guaranteed' | 'Burstable' | 'BestEffort' {
  // It never changes in a pod's life.
  return (pod.status?.qosClass as ReturnType<typeof podQosClass> | undefined) ?? podQosClass(pod.spec);
}

function quota(milliCpu: number): CgroupLimits {
  if (milliCpu === 0) return { cpuPeriodMicros: periodMicros, cpuQuotaMicros: -1 };
  const micros = Math.floor((milliCpu * periodMicros) / 1000);
  return { cpuPeriodMicros: periodMicros, cpuQuotaMicros: Math.max(minimumQuotaMicros, micros) };
}

function limited(pod: Pod, name: 'cpu' | 'memory'): boolean {
  if (pod.spec.resources?.limits?.[name] !== undefined) return true;
  return [...pod.spec.containers, ...(pod.spec.initContainers ?? [])].every(({ resources }) => {
    const text = resources?.limits?.[name];
    return text !== undefined && !parseQuantity(text).isZero;
  });
}
