import type { Node, Pod } from '../api/generated/types.js';
import { hasPodLevelRequests, parseResourceList, podRequests } from '../api/pod-resources.js';
import type { ResourceAmounts } from '../contracts/scheduler-plugin.js';
import { Quantity } from '../machinery/quantity.js';

/** Sums in plain numbers: exact up to 2^53, that is 9 PB. */
export class MutableAmounts implements ResourceAmounts {
  milliCpu = 0;
  memoryBytes = 0;
  ephemeralStorageBytes = 0;
  readonly scalars = new Map<string, number>();

  static from(quantities: ReadonlyMap<string, Quantity>): MutableAmounts {
    const amounts = new MutableAmounts();
    for (const [name, quantity] of quantities) {
      if (name === 'cpu') amounts.milliCpu = quantity.milliValue();
      else if (name === 'memory') amounts.memoryBytes = quantity.value();
      else if (name === 'ephemeral-storage') amounts.ephemeralStorageBytes = quantity.value();
      else if (isScalarResource(name)) amounts.scalars.set(name, quantity.value());
    }
    return amounts;
  }

  add(other: ResourceAmounts, sign: 1 | -1): void {
    this.milliCpu += sign * other.milliCpu;
    this.memoryBytes += sign * other.memoryBytes;
    this.ephemeralStorageBytes += sign * other.ephemeralStorageBytes;
    if (other.scalars.size === 0) return;
    for (const [name, amount] of other.scalars) {
      const sum = (this.scalars.get(name) ?? 0) + sign * amount;
      if (sum === 0) this.scalars.delete(name);
      else this.scalars.set(name, sum);
    }
  }
}

export interface PodAmounts {
  readonly requests: ResourceAmounts;
  /** With guesses for containers that ask for nothing, so that many such pods do not pile up on one node. */
  readonly scoring: { readonly milliCpu: number; readonly memoryBytes: number };
}

const guesses: ReadonlyMap<string, Quantity> = new Map([
  ['cpu', Quantity.ofMilli(100)],
  ['memory', Quantity.of(200 * 1024 * 1024)],
]);

/** What a pod asks for, in numbers, with resizes under way. */
export function podRequestAmounts(pod: Pod): PodAmounts {
  const quantities = podRequests(pod, { useStatusResources: true });
  const requests = MutableAmounts.from(quantities);
  const missing = hasPodLevelRequests(pod.spec) ? new Map([...guesses].filter(([name]) => !quantities.has(name))) : guesses;
  const scoring = podRequests(pod, { useStatusResources: true, nonMissingContainerRequests: missing });
  return {
    requests,
    scoring: { milliCpu: scoring.get('cpu')?.milliValue() ?? 0, memoryBytes: scoring.get('memory')?.value() ?? 0 },
  };
}

export function nodeAllocatable(node: Node | undefined): { amounts: ResourceAmounts; pods: number } {
  const quantities = parseResourceList(node?.status?.allocatable);
  return { amounts: MutableAmounts.from(quantities), pods: quantities.get('pods')?.value() ?? 0 };
}

/** Extended resources (with a domain that is not Kubernetes' own), huge pages and attachable volumes. */
export function isScalarResource(name: string): boolean {
  return (
    isExtendedResource(name) ||
    name.startsWith('hugepages-') ||
    name.includes('kubernetes.io/') ||
    name.startsWith('attachable-volumes-')
  );
}

export function isExtendedResource(name: string): boolean {
  return name.includes('/') && !name.includes('kubernetes.io/') && !name.startsWith('requests.');
}
