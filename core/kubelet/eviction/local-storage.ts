import { join } from 'node:path';
import { podLimits } from '../../api/pod-resources.js';
import type { Pod } from '../../api/generated/types.js';
import type { ContainerStats } from '../../contracts/container-runtime.js';
import { parseQuantity } from '../../machinery/quantity.js';
import type { KubeletSettings } from '../kubelet-context.js';
import { podUid } from '../kubelet-context.js';
import { podLogDirectory } from '../runtime/runtime-specs.js';
import type { NodeUsage } from './node-usage.js';

const storage = 'ephemeral-storage';

/** Whether anything of the pod's files has a limit, so that they have to be counted. */
export function hasStorageLimit({ spec }: Pod): boolean {
  return (
    (spec.volumes ?? []).some(({ emptyDir }) => emptyDir?.sizeLimit !== undefined) ||
    [...spec.containers, ...(spec.initContainers ?? [])].some(({ resources }) => resources?.limits?.[storage] !== undefined)
  );
}

export interface StorageUsage {
  readonly volumes: ReadonlyMap<string, number>;
  /** Writable layer and logs. */
  readonly containers: ReadonlyMap<string, number>;
  readonly totalBytes: number;
}

export async function storageUsage(
  pod: Pod,
  stats: readonly ContainerStats[],
  usage: NodeUsage,
  settings: KubeletSettings,
): Promise<StorageUsage> {
  const volumes = new Map<string, number>();
  let totalBytes = 0;
  for (const { name, emptyDir } of pod.spec.volumes ?? []) {
    if (!emptyDir) continue;
    const directory = join(settings.rootDir, 'pods', podUid(pod), 'volumes/kubernetes.io~empty-dir', name);
    const bytes = await usage.directoryBytes(directory);
    volumes.set(name, bytes);
    if (emptyDir.medium !== 'Memory') totalBytes += bytes;
  }
  const containers = new Map<string, number>();
  for (const { name, writableLayerBytes } of stats) {
    const bytes = writableLayerBytes + (await usage.directoryBytes(join(podLogDirectory(pod, settings), name)));
    containers.set(name, bytes);
    totalBytes += bytes;
  }
  return { volumes, containers, totalBytes };
}

/** Why the pod has to go for the files it wrote; undefined when it is within its limits. Source: eviction localStorageEviction. */
export function storageLimitExceeded(pod: Pod, used: StorageUsage): string | undefined {
  for (const { name, emptyDir } of pod.spec.volumes ?? []) {
    const limit = emptyDir?.sizeLimit === undefined ? 0 : parseQuantity(emptyDir.sizeLimit).value();
    if (limit > 0 && (used.volumes.get(name) ?? 0) > limit) {
      return `Usage of EmptyDir volume "${name}" exceeds the limit "${emptyDir!.sizeLimit}". `;
    }
  }
  const total = podLimits(pod).get(storage);
  if (total && !total.isZero && used.totalBytes > total.value()) {
    return `Pod ephemeral local storage usage exceeds the total limit of containers ${total.toString()}. `;
  }
  for (const { name, resources } of [...pod.spec.containers, ...(pod.spec.initContainers ?? [])]) {
    const text = resources?.limits?.[storage];
    if (text === undefined || (used.containers.get(name) ?? 0) <= parseQuantity(text).value()) continue;
    return `Container ${name} exceeded its local ephemeral storage limit "${text}". `;
  }
  return undefined;
}
