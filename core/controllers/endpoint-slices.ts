import type { DiscoveryEndpointPort, Endpoint, EndpointSlice } from '../api/generated/types.js';
import { canonicalJson } from '../api/hash.js';
import { jsonEqual } from '../machinery/object.js';

/** What the makers of EndpointSlices share. Source: k8s.io/endpointslice. */
export const serviceNameLabel = 'kubernetes.io/service-name';
export const sliceManagedByLabel = 'endpointslice.kubernetes.io/managed-by';

export type AddressType = 'IPv4' | 'IPv6';

/** Ports in a fixed order, and a key equal for equal ports. */
export function portsKey(ports: readonly DiscoveryEndpointPort[] | undefined): string {
  return (ports ?? []).map(canonicalJson).sort().join();
}

/** Tells endpoints apart; two with the same key are the same endpoint, perhaps in another state. */
export function endpointKey({ addresses, hostname, targetRef }: Endpoint): string {
  return [[...addresses].sort().join(), hostname ?? '', targetRef?.namespace ?? '', targetRef?.name ?? ''].join('|');
}

/** Hints are left out: they are not the endpoint's own. */
export function sameState(a: Endpoint, b: Endpoint): boolean {
  const state = ({ nodeName, zone, conditions, targetRef }: Endpoint): unknown => ({
    nodeName,
    zone,
    conditions,
    targetRef: targetRef && { ...targetRef, resourceVersion: undefined },
  });
  return jsonEqual(state(a), state(b));
}

/** Names of slices leave room for what the server adds. */
export function slicePrefix(name: string): string {
  return name.length + 1 > 253 ? name : `${name}-`;
}

export interface SliceChanges {
  readonly create: EndpointSlice[];
  readonly update: EndpointSlice[];
  readonly remove: EndpointSlice[];
}

const removed = -1;

/**
 * The resource versions of what a controller wrote, by Service, so that it neither works on an older copy nor answers to its own
 * writes.
 */
export class SliceTracker {
  readonly #services = new Map<string, Map<string, number>>();

  written(key: string, slice: EndpointSlice): void {
    this.#of(key).set(slice.metadata.uid ?? '', Number(slice.metadata.resourceVersion));
  }

  removing(key: string, slice: EndpointSlice): void {
    this.#of(key).set(slice.metadata.uid ?? '', removed);
  }

  /** Whether the copies at hand are older than what was written. */
  isStale(key: string, slices: readonly EndpointSlice[]): boolean {
    const known = this.#services.get(key);
    if (!known) return false;
    const present = new Set<string>();
    for (const { metadata } of slices) {
      present.add(metadata.uid ?? '');
      const version = known.get(metadata.uid ?? '');
      if (version !== undefined && (version === removed || version > Number(metadata.resourceVersion))) return true;
    }
    for (const [uid, version] of known) if (version !== removed && !present.has(uid)) return true;
    return false;
  }

  /** Whether a slice that was seen is anything but the controller's own last write. */
  isForeign(key: string, slice: EndpointSlice): boolean {
    const version = this.#services.get(key)?.get(slice.metadata.uid ?? '');
    return version === undefined || Number(slice.metadata.resourceVersion) > version;
  }

  /** Whether a deletion that was seen was somebody else's. Forgets the slice. */
  isForeignDeletion(key: string, uid: string): boolean {
    const known = this.#services.get(key);
    const version = known?.get(uid);
    known?.delete(uid);
    return version !== undefined && version !== removed;
  }

  forget(key: string): void {
    this.#services.delete(key);
  }

  #of(key: string): Map<string, number> {
    let known = this.#services.get(key);
    if (!known) this.#services.set(key, (known = new Map()));
    return known;
  }
}
