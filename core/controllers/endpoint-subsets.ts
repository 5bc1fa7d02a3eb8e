import type { EndpointAddress, EndpointPort, EndpointSubset } from '../api/generated/types.js';
import { canonicalJson } from '../api/hash.js';

/** An Endpoints object is cut off above this many addresses. */
export const endpointsCapacity = 1000;

interface PortGroup {
  readonly port: EndpointPort | undefined;
  /** Readiness by address; whoever is not ready once for a port is not ready for it. */
  readonly ready: Map<string, boolean>;
}

/**
 * The canonical form of subsets: ports with the same addresses in the same state share one subset, everything is sorted.
 * Source: pkg/api/endpoints RepackSubsets (which sorts by a hash of Go's memory, so the order of subsets is our own).
 */
export function repackSubsets(subsets: readonly EndpointSubset[]): EndpointSubset[] {
  const addresses = new Map<string, EndpointAddress>();
  const groups = new Map<string, PortGroup>();
  for (const subset of subsets) {
    const ports = subset.ports?.length ? subset.ports : [undefined];
    const add = (address: EndpointAddress, isReady: boolean): void => {
      const key = `${address.ip}|${address.targetRef?.uid ?? ''}`;
      addresses.set(key, addresses.get(key) ?? address);
      for (const port of ports) {
        const portKey = port ? canonicalJson(port) : '';
        let group = groups.get(portKey);
        if (!group) groups.set(portKey, (group = { port, ready: new Map() }));
        if (group.ready.get(key) !== false) group.ready.set(key, isReady);
      }
    };
    for (const address of subset.addresses ?? []) add(address, true);
    for (const address of subset.notReadyAddresses ?? []) add(address, false);
  }
  const merged = new Map<string, { ports: EndpointPort[]; ready: Map<string, boolean> }>();
  for (const { port, ready } of groups.values()) {
    const key = JSON.stringify([...ready].sort(([a], [b]) => compare(a, b)).concat(port ? [] : [['', false]]));
    let group = merged.get(key);
    if (!group) merged.set(key, (group = { ports: [], ready }));
    if (port) group.ports.push(port);
  }
  const result = Array.from(merged.values(), ({ ports, ready }): EndpointSubset => {
    const chosen = (wanted: boolean): EndpointAddress[] =>
      [...ready]
        .filter(([, isReady]) => isReady === wanted)
        .map(([key]) => key)
        .sort(compare)
        .map(key => addresses.get(key)!);
    const [readyOnes, notReadyOnes] = [chosen(true), chosen(false)];
    return {
      ...(readyOnes.length > 0 ? { addresses: readyOnes } : {}),
      ...(notReadyOnes.length > 0 ? { notReadyAddresses: notReadyOnes } : {}),
      ...(ports.length > 0 ? { ports: ports.sort((a, b) => compare(canonicalJson(a), canonicalJson(b))) } : {}),
    };
  });
  return result.sort((a, b) => compare(canonicalJson(a), canonicalJson(b)));
}

/** At most `endpointsCapacity` addresses, ready ones first, each subset in proportion; undefined when they all fit. */
export function truncateSubsets(subsets: readonly EndpointSubset[]): EndpointSubset[] | undefined {
  const ready = sum(subsets, subset => subset.addresses);
  const notReady = sum(subsets, subset => subset.notReadyAddresses);
  if (ready + notReady <= endpointsCapacity) return undefined;
  const cutsReady = ready > endpointsCapacity;
  const room = cutsReady ? endpointsCapacity : endpointsCapacity - ready;
  const total = cutsReady ? ready : notReady;
  let left = room;
  return subsets.map(({ addresses, notReadyAddresses, ...rest }) => {
    const list = (cutsReady ? addresses : notReadyAddresses) ?? [];
    const kept = list.slice(0, Math.min(left, Math.ceil((list.length / total) * room)));
    left -= kept.length;
    if (cutsReady) return { ...rest, addresses: kept };
    return { ...rest, ...(addresses ? { addresses } : {}), ...(kept.length > 0 ? { notReadyAddresses: kept } : {}) };
  });
}

export function countAddresses(subsets: readonly EndpointSubset[] | undefined): number {
  return sum(subsets ?? [], subset => subset.addresses) + sum(subsets ?? [], subset => subset.notReadyAddresses);
}

function sum(subsets: readonly EndpointSubset[], list: (subset: EndpointSubset) => readonly unknown[] | undefined): number {
  return subsets.reduce((count, subset) => count + (list(subset)?.length ?? 0), 0);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
