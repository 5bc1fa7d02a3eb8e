import type { FilesystemUsage } from './node-usage.js';

export type PressureCondition = 'MemoryPressure' | 'DiskPressure';

/** Something that runs out. Names are upstream's. */
export interface Threshold {
  readonly signal: 'memory.available' | 'nodefs.available' | 'nodefs.inodesFree' | 'imagefs.available' | 'imagefs.inodesFree';
  readonly condition: PressureCondition;
  /** As messages name it. */
  readonly resource: 'memory' | 'ephemeral-storage' | 'inodes';
  /** Bytes, or a part of the capacity. */
  readonly limit: { readonly bytes: number } | { readonly fraction: number };
  /** Once crossed, so much of the capacity beyond the limit has to be free again. */
  readonly minimumReclaim?: number;
}

const fivePercent = { limit: { fraction: 0.05 }, minimumReclaim: 0.1 } as const;

/** K3s's for disk space and upstream's for what K3s has none; all are hard. Memory first: nothing is done about disks before it. */
export const thresholds: readonly Threshold[] = [
  { signal: 'memory.available', condition: 'MemoryPressure', resource: 'memory', limit: { bytes: 100 * 1024 ** 2 } },
  { signal: 'nodefs.available', condition: 'DiskPressure', resource: 'ephemeral-storage', ...fivePercent },
  { signal: 'imagefs.available', condition: 'DiskPressure', resource: 'ephemeral-storage', ...fivePercent },
  { signal: 'nodefs.inodesFree', condition: 'DiskPressure', resource: 'inodes', limit: { fraction: 0.05 } },
  { signal: 'imagefs.inodesFree', condition: 'DiskPressure', resource: 'inodes', limit: { fraction: 0.05 } },
];

export interface Observations {
  readonly availableMemoryBytes: number;
  readonly memoryBytes: number;
  readonly nodefs: FilesystemUsage;
  readonly imagefs: FilesystemUsage;
}

export interface CrossedThreshold extends Threshold {
  readonly available: number;
  readonly least: number;
}

/** The thresholds that the node is below of; those that `reclaiming` names, until their minimum is free again. */
export function crossed(
  seen: Observations,
  reclaiming: (signal: Threshold['signal']) => boolean = () => false,
  limits: readonly Threshold[] = thresholds,
): CrossedThreshold[] {
  return limits.flatMap(threshold => {
    const { available, capacity } = measure(threshold.signal, seen);
    if (capacity === 0) return [];
    const { limit } = threshold;
    const least = 'bytes' in limit ? limit.bytes : Math.floor(capacity * limit.fraction);
    const wanted = reclaiming(threshold.signal) ? least + Math.floor(capacity * (threshold.minimumReclaim ?? 0)) : least;
    return available < wanted ? [{ ...threshold, available, least }] : [];
  });
}

function measure(signal: Threshold['signal'], seen: Observations): { available: number; capacity: number } {
  if (signal === 'memory.available') return { available: seen.availableMemoryBytes, capacity: seen.memoryBytes };
  const filesystem = signal.startsWith('nodefs') ? seen.nodefs : seen.imagefs;
  return signal.endsWith('inodesFree')
    ? { available: filesystem.freeInodes, capacity: filesystem.inodes }
    : { available: filesystem.availableBytes, capacity: filesystem.capacityBytes };
}

/** Bytes as Go's quantities print them: in the largest unit that divides them. */
export function binaryText(bytes: number): string {
  let value = Math.floor(bytes);
  const units = ['', 'Ki', 'Mi', 'Gi', 'Ti'];
  let unit = 0;
  while (value !== 0 && value % 1024 === 0 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${value}${units[unit]}`;
}
