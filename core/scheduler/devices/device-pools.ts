import type { CounterSet, Device, Node, NodeSelector, ResourceSlice } from '../../api/generated/types.js';
import { nodeSelectorMatches } from '../../api/node-affinity.js';
import { poolKey } from './device-id.js';

/** Devices that a driver publishes together. Source: k8s.io/dynamic-resource-allocation/structured pools. */
export interface DevicePool {
  readonly key: string;
  readonly driver: string;
  readonly name: string;
  /** Slices are missing, or it contradicts itself: nothing of it can be allocated. */
  readonly fault?: 'incomplete' | 'invalid';
  /** With devices for the node. */
  readonly slices: readonly ResourceSlice[];
  /** Of the same pool, for other nodes: their devices use up counters, too. */
  readonly otherSlices: readonly ResourceSlice[];
  readonly counterSets: ReadonlyMap<string, CounterSet>;
}

interface NodeChoice {
  readonly nodeName?: string;
  readonly allNodes?: boolean;
  readonly nodeSelector?: NodeSelector;
}

export function reachesNode({ nodeName, allNodes, nodeSelector }: NodeChoice, { metadata }: Node): boolean {
  if (nodeName) return nodeName === metadata.name;
  if (allNodes) return true;
  return nodeSelector !== undefined && nodeSelectorMatches(nodeSelector, metadata.labels ?? {}, metadata.name);
}

/** Slices by where they are; made once for all nodes. */
export class PoolDirectory {
  readonly #ofNode = new Map<string, ResourceSlice[]>();
  readonly #shared: ResourceSlice[] = [];
  readonly #ofPool = new Map<string, ResourceSlice[]>();

  constructor(slices: Iterable<ResourceSlice>) {
    for (const slice of slices) {
      const { driver, pool, nodeName, sharedCounters } = slice.spec;
      append(this.#ofPool, poolKey(driver, pool.name), slice);
      if (nodeName && !sharedCounters?.length) append(this.#ofNode, nodeName, slice);
      else this.#shared.push(slice);
    }
  }

  /** By name, those with binding conditions last: who names pools and slices says what is taken first. */
  poolsFor(node: Node): DevicePool[] {
    const relevant = new Map<string, ResourceSlice[]>();
    for (const slice of [...(this.#ofNode.get(node.metadata.name) ?? []), ...this.#shared]) {
      if (isRelevant(slice, node)) addNewest(relevant, slice);
    }
    const first: DevicePool[] = [];
    const last: DevicePool[] = [];
    for (const [key, slices] of relevant) {
      const pool = this.#pool(key, slices);
      if (pool) (pool.slices.some(hasBindingConditions) ? last : first).push(pool);
    }
    return [...first.sort(byName), ...last.sort(byName)];
  }

  /** Undefined: a newer generation is being published that has nothing for the node. */
  #pool(key: string, slices: ResourceSlice[]): DevicePool | undefined {
    const { driver, pool } = slices[0]!.spec;
    const bare = { key, driver, name: pool.name, slices: [], otherSlices: [], counterSets: new Map<string, CounterSet>() };
    let otherSlices: readonly ResourceSlice[] = [];
    if (slices.length !== pool.resourceSliceCount) {
      const all = this.#ofPool.get(key) ?? [];
      if (all.some(({ spec }) => spec.pool.generation > pool.generation)) return undefined;
      const current = all.filter(({ spec }) => spec.pool.generation === pool.generation);
      if (current.length !== pool.resourceSliceCount) return { ...bare, fault: 'incomplete' };
      otherSlices = current.filter(slice => !slices.includes(slice));
    }
    slices.sort((a, b) => compare(a.metadata.name, b.metadata.name));
    const withDevices = slices.filter(({ spec }) => !spec.sharedCounters?.length);
    const counterSets = countersOf(slices);
    if (
      !counterSets ||
      hasDuplicates(withDevices) ||
      ![...slices, ...otherSlices].every(slice => knowsCounters(slice, counterSets))
    )
      return { ...bare, fault: 'invalid' };
    return { ...bare, slices: withDevices, otherSlices, counterSets };
  }
}

function append<T>(map: Map<string, T[]>, key: string, value: T): void {
  const list = map.get(key);
  if (list) list.push(value);
  else map.set(key, [value]);
}

function isRelevant({ spec }: ResourceSlice, node: Node): boolean {
  // Counters belong to the whole pool.
  if (spec.sharedCounters?.length) return true;
  if (spec.nodeName || spec.allNodes || spec.nodeSelector) return reachesNode(spec, node);
  return spec.perDeviceNodeSelection === true && (spec.devices ?? []).some(device => reachesNode(device, node));
}

function addNewest(pools: Map<string, ResourceSlice[]>, slice: ResourceSlice): void {
  const { driver, pool } = slice.spec;
  const key = poolKey(driver, pool.name);
  const known = pools.get(key);
  const generation = known?.[0]!.spec.pool.generation;
  if (!known || pool.generation > generation!) pools.set(key, [slice]);
  else if (pool.generation === generation) known.push(slice);
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
const byName = (a: DevicePool, b: DevicePool): number => compare(a.driver, b.driver) || compare(a.name, b.name);

function hasBindingConditions({ spec }: ResourceSlice): boolean {
  return (spec.devices ?? []).some(({ bindingConditions }) => bindingConditions?.length);
}

/** Undefined when two sets have one name. */
function countersOf(slices: readonly ResourceSlice[]): Map<string, CounterSet> | undefined {
  const sets = new Map<string, CounterSet>();
  for (const set of slices.flatMap(({ spec }) => spec.sharedCounters ?? [])) {
    if (sets.has(set.name)) return undefined;
    sets.set(set.name, set);
  }
  return sets;
}

function hasDuplicates(slices: readonly ResourceSlice[]): boolean {
  const names = slices.flatMap(({ spec }) => (spec.devices ?? []).map(({ name }) => name));
  return new Set(names).size < names.length;
}

/** Whether all counters that its devices use are there. */
function knowsCounters({ spec }: ResourceSlice, sets: ReadonlyMap<string, CounterSet>): boolean {
  return (spec.devices ?? []).every(({ consumesCounters = [] }: Device) =>
    consumesCounters.every(({ counterSet, counters = {} }) => {
      const known = sets.get(counterSet)?.counters;
      return known !== undefined && Object.keys(counters).every(name => Object.hasOwn(known, name));
    }),
  );
}
