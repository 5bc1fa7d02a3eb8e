import type {
  CapacityRequirements,
  Device,
  DeviceClass,
  DeviceRequest,
  DeviceSelector,
  DeviceTaint,
  DeviceToleration,
  Node,
  ResourceClaim,
  ResourceSlice,
  AllocationResult,
} from '../../api/generated/types.js';
import { AllocationError } from './allocation-error.js';
import type { AllocationConstraint, ConstrainedDevice } from './allocation-constraints.js';
import { allocationConstraint } from './allocation-constraints.js';
import { allocationResult } from './allocation-result.js';
import type { Amounts } from './capacities.js';
import { consumedBy, hasRoomFor, ShareLedger } from './capacities.js';
import { FreeCounters, UsedCounters } from './counters.js';
import { deviceKey } from './device-id.js';
import type { DevicePool } from './device-pools.js';
import { PoolDirectory, reachesNode } from './device-pools.js';
import { toleratesDeviceTaint } from '../../api/device-taints.js';
import type { SelectorPrograms } from './selector-programs.js';

/** What claims hold. */
export interface AllocatedDevices {
  /** Whole devices. */
  isAllocated(device: string): boolean;
  /** Shares of devices that many may have. */
  sharesOf(device: string): Amounts | undefined;
}

export interface DeviceAllocatorOptions {
  readonly allocated: AllocatedDevices;
  readonly slices: Iterable<ResourceSlice>;
  readonly classOf: (name: string) => DeviceClass | undefined;
  readonly selectors: SelectorPrograms;
  readonly now: () => number;
  readonly newShareId: () => string;
}

const maximumResults = 32;
/** Upstream's is ten seconds, in threads of its own; here the whole server would stand still. */
const searchLimitMs = 1000;

/** One request, or one alternative of a request. */
export interface RequestChoice {
  readonly name: string;
  /** The request that it is an alternative of. */
  readonly parent: string | undefined;
  readonly adminAccess: boolean;
  readonly class: DeviceClass;
  readonly selectors: readonly DeviceSelector[];
  readonly tolerations: readonly DeviceToleration[] | undefined;
  readonly capacity: CapacityRequirements | undefined;
  readonly count: number;
  /** Of requests for all devices: these. */
  readonly all: readonly Candidate[] | undefined;
}

export interface PlannedRequest {
  readonly choices: readonly RequestChoice[];
  readonly isList: boolean;
  /** The index of the one that was taken. */
  taken: number;
}

interface Candidate {
  readonly key: string;
  readonly pool: DevicePool;
  readonly slice: ResourceSlice;
  readonly device: Device;
}

export interface TakenDevice extends Candidate {
  readonly choice: RequestChoice;
  readonly shareId: string | undefined;
  readonly consumed: Amounts | undefined;
}

/**
 * Finds devices for claims on one node after the other, with one state of the cluster. The first solution counts, in the order of
 * requests and of names of pools and slices. Source: KEP-4381 and k8s.io/dynamic-resource-allocation/structured.
 */
export class DeviceAllocator {
  readonly #options: DeviceAllocatorOptions;
  readonly #directory: PoolDirectory;
  readonly #free: FreeCounters;
  /** Whether the expressions of a request and its class choose a device: the same for all nodes. */
  readonly #chosen = new Map<readonly DeviceSelector[], Map<string, boolean>>();

  constructor(options: DeviceAllocatorOptions) {
    this.#options = options;
    this.#directory = new PoolDirectory(options.slices);
    this.#free = new FreeCounters(key => options.allocated.isAllocated(key) || options.allocated.sharesOf(key) !== undefined);
  }

  /** One result for each claim; undefined when the node has not enough. Throws AllocationError. */
  allocate(node: Node, claims: readonly ResourceClaim[]): AllocationResult[] | undefined {
    const pools = this.#directory.poolsFor(node);
    const context = { ...this.#options, isChosen: this.#isChosen.bind(this) };
    const search = new Search(context, { node, claims, pools, counters: new UsedCounters(this.#free) });
    const taken = search.run();
    if (taken) return claims.map((claim, index) => allocationResult(claim, search.planned[index]!, taken[index]!, node));
    if (pools.some(({ fault }) => fault === 'invalid'))
      throw new AllocationError('invalid resource pools were encountered', 'NODE_ALLOCATION');
    return undefined;
  }

  #isChosen({ key, pool, device }: Candidate, selectors: readonly DeviceSelector[], owner: () => string): boolean {
    let known = this.#chosen.get(selectors);
    if (!known) this.#chosen.set(selectors, (known = new Map()));
    let chosen = known.get(key);
    if (chosen === undefined) {
      chosen = this.#matches(pool.driver, device, selectors, owner);
      known.set(key, chosen);
    }
    return chosen;
  }

  #matches(driver: string, device: Device, selectors: readonly DeviceSelector[], owner: () => string): boolean {
    for (const [index, { cel }] of selectors.entries()) {
      const match = this.#options.selectors.matches(cel!.expression, { ...device, driver });
      if ('error' in match) throw new AllocationError(`${owner()}: selector #${index}: CEL ${match.stage} error: ${match.error}`);
      if (!match.matches) return false;
    }
    return true;
  }
}

interface SearchContext extends DeviceAllocatorOptions {
  isChosen(candidate: Candidate, selectors: readonly DeviceSelector[], owner: () => string): boolean;
}

interface SearchTask {
  readonly node: Node;
  readonly claims: readonly ResourceClaim[];
  readonly pools: readonly DevicePool[];
  readonly counters: UsedCounters;
}

interface Location {
  readonly pool: number;
  readonly slice: number;
  readonly device: number;
}

const start: Location = { pool: 0, slice: 0, device: 0 };

/** `too many`: whatever devices are taken for what comes before, the claim would have more results than it may. */
type Outcome = 'done' | 'no' | 'too many';

interface Turn {
  readonly claim: number;
  readonly request: number;
  readonly choice: RequestChoice;
}

/** For one node. Devices are tried one after the other, and given back where that leads nowhere. */
class Search {
  readonly planned: PlannedRequest[][] = [];
  readonly #context: SearchContext;
  readonly #task: SearchTask;
  readonly #constraints: AllocationConstraint[][] = [];
  readonly #taken: TakenDevice[][] = [];
  /** Whole devices, with the claims that take them; those of administrators do not take them from others. */
  readonly #users = new Map<string, Set<number>>();
  readonly #shares = new ShareLedger();
  readonly #deadlineMs: number;

  constructor(context: SearchContext, task: SearchTask) {
    this.#context = context;
    this.#task = task;
    this.#deadlineMs = context.now() + searchLimitMs;
  }

  run(): readonly (readonly TakenDevice[])[] | undefined {
    for (const [index, claim] of this.#task.claims.entries()) this.#plan(claim, index);
    const outcome = this.#claim(0);
    if (outcome === 'too many') throw new AllocationError('allocation max size exceeded');
    return outcome === 'done' ? this.#taken : undefined;
  }

  #plan(claim: ResourceClaim, index: number): void {
    const { requests, constraints } = claim.spec.devices;
    const planned = (requests ?? []).map(request => this.#planRequest(request, claim));
    let least = 0;
    for (const { choices } of planned) least += Math.min(...choices.map(({ count }) => count));
    if (least > maximumResults) {
      const text = `number of requested devices ${least} exceeds the claim limit of ${maximumResults}`;
      throw new AllocationError(`claim ${nameOf(claim)}: ${text}`);
    }
    this.planned[index] = planned;
    this.#taken[index] = [];
    this.#constraints[index] = (constraints ?? []).map((constraint, place) => {
      const known = allocationConstraint(constraint);
      if (known) return known;
      throw new AllocationError(`claim ${nameOf(claim)}, constraint #${place}: empty constraint (unsupported constraint type?)`);
    });
  }

  #planRequest(request: DeviceRequest, claim: ResourceClaim): PlannedRequest {
    const { name, exactly, firstAvailable = [] } = request;
    if (firstAvailable.length === 0) {
      if (!exactly) throw new AllocationError(`claim ${nameOf(claim)}, request ${name}: unknown request type`);
      const choice = this.#choice({ ...exactly, name }, undefined, claim);
      return { choices: [choice], isList: false, taken: 0 };
    }
    return { choices: firstAvailable.map(alternative => this.#choice(alternative, name, claim)), isList: true, taken: 0 };
  }

  #choice(
    request: { readonly name: string } & Omit<NonNullable<DeviceRequest['exactly']>, never>,
    parent: string | undefined,
    claim: ResourceClaim,
  ): RequestChoice {
    const fault = (text: string): AllocationError =>
      new AllocationError(`claim ${nameOf(claim)}, request ${request.name}: ${text}`);
    const { name, selectors = none, tolerations, capacity, deviceClassName, allocationMode, count = 0 } = request;
    const unknown = selectors.findIndex(({ cel }) => !cel);
    if (unknown >= 0) {
      const text = 'CEL expression empty (unsupported selector type?)';
      throw new AllocationError(`claim ${nameOf(claim)}, request ${name}, selector #${unknown}: ${text}`);
    }
    if (!deviceClassName) throw fault('missing device class name (unsupported request type?)');
    const deviceClass = this.#context.classOf(deviceClassName);
    if (!deviceClass) {
      const missing = `deviceclass.resource.k8s.io "${deviceClassName}" not found`;
      throw fault(`could not retrieve device class ${deviceClassName}: ${missing}`);
    }
    const adminAccess = request.adminAccess === true;
    const choice = { name, parent, adminAccess, class: deviceClass, selectors, tolerations, capacity };
    if (allocationMode === 'ExactCount') return { ...choice, count, all: undefined };
    if (allocationMode !== 'All') throw fault(`unsupported count mode ${allocationMode}`);
    const all = this.#allDevices({ ...choice, count: 0, all: undefined }, claim, fault);
    return { ...choice, count: all.length, all };
  }

  #allDevices(choice: RequestChoice, claim: ResourceClaim, fault: (text: string) => AllocationError): Candidate[] {
    const found: Candidate[] = [];
    for (const pool of this.#task.pools) {
      if (pool.fault) {
        const state = pool.fault === 'invalid' ? 'invalid' : 'being updated';
        throw fault(`asks for all devices, but resource pool ${pool.key} is currently ${state}`);
      }
      for (const slice of pool.slices) {
        for (const device of slice.spec.devices ?? []) {
          const candidate = candidateOf(pool, slice, device);
          if (this.#isSelectable(candidate, choice, claim) && this.#hasRoom(candidate, choice)) found.push(candidate);
        }
      }
    }
    return found;
  }

  #claim(index: number): Outcome {
    if (index >= this.#task.claims.length) return 'done';
    const outcome = this.#request(index, 0);
    // With other devices in an earlier claim this one may take another alternative.
    return outcome === 'too many' && index > 0 ? 'no' : outcome;
  }

  #request(claim: number, request: number): Outcome {
    const planned = this.planned[claim]![request];
    if (!planned) return this.#claim(claim + 1);
    const [only] = planned.choices;
    if (!planned.isList) return this.#devices({ claim, request, choice: only! }, 0, start);
    let everyOneTooMany = true;
    for (const [index, choice] of planned.choices.entries()) {
      const outcome = this.#devices({ claim, request, choice }, 0, start);
      if (outcome === 'too many') continue;
      everyOneTooMany = false;
      if (outcome === 'no') continue;
      planned.taken = index;
      return 'done';
    }
    return everyOneTooMany ? 'too many' : 'no';
  }

  #devices(turn: Turn, index: number, from: Location): Outcome {
    if (this.#context.now() > this.#deadlineMs)
      throw new AllocationError(`node ${this.#task.node.metadata.name}: timed out trying to allocate devices`);
    const { claim, choice } = turn;
    if (choice.all?.length === 0) return 'no';
    if (index >= choice.count) return this.#request(claim, turn.request + 1);
    if (this.#taken[claim]!.length + choice.count - index > maximumResults) return 'too many';
    if (!choice.all) return this.#search(turn, index, from);
    const undo = this.#take(turn, choice.all[index]!, true);
    if (!undo) return 'no';
    const outcome = this.#devices(turn, index + 1, start);
    if (outcome !== 'done') undo();
    return outcome;
  }

  /** Within one request devices are taken in their order only, so that no set of them is tried twice. */
  #search(turn: Turn, index: number, from: Location): Outcome {
    const { pools, claims } = this.#task;
    for (let at = from.pool; at < pools.length; at++) {
      const pool = pools[at]!;
      if (pool.fault) continue;
      for (let sliceAt = at === from.pool ? from.slice : 0; sliceAt < pool.slices.length; sliceAt++) {
        const slice = pool.slices[sliceAt]!;
        const devices = slice.spec.devices ?? [];
        const isFirst = at === from.pool && sliceAt === from.slice;
        for (let deviceAt = isFirst ? from.device : 0; deviceAt < devices.length; deviceAt++) {
          const candidate = candidateOf(pool, slice, devices[deviceAt]!);
          if (this.#isTaken(candidate.key, turn)) continue;
          if (!this.#isSelectable(candidate, turn.choice, claims[turn.claim]!)) continue;
          if (!this.#hasRoom(candidate, turn.choice)) continue;
          const undo = this.#take(turn, candidate, false);
          if (!undo) continue;
          const outcome = this.#devices(turn, index + 1, { pool: at, slice: sliceAt, device: deviceAt + 1 });
          if (outcome === 'done') return outcome;
          undo();
          if (outcome === 'too many') return outcome;
        }
      }
    }
    return 'no';
  }

  #isTaken(key: string, { claim, choice }: Turn): boolean {
    const users = this.#users.get(key);
    if (choice.adminAccess) return users?.has(claim) ?? false;
    return this.#context.allocated.isAllocated(key) || (users?.size ?? 0) > 0;
  }

  #isSelectable(candidate: Candidate, choice: RequestChoice, claim: ResourceClaim): boolean {
    const { isChosen } = this.#context;
    const { metadata, spec } = choice.class;
    if (!isChosen(candidate, spec.selectors ?? none, () => `class ${metadata.name}`)) return false;
    if (!isChosen(candidate, choice.selectors, () => `claim ${nameOf(claim)}`)) return false;
    const { slice, device } = candidate;
    return !slice.spec.perDeviceNodeSelection || reachesNode(device, this.#task.node);
  }

  #hasRoom({ key, device }: Candidate, { capacity }: RequestChoice): boolean {
    return hasRoomFor(capacity, device, [this.#context.allocated.sharesOf(key), this.#shares.get(key)]);
  }

  /** Undefined where the device can't be had; otherwise what gives it back. `must`: there is no other. */
  #take(turn: Turn, candidate: Candidate, must: boolean): (() => void) | undefined {
    const { claim, choice } = turn;
    const { key, pool, device } = candidate;
    const isShared = device.allowMultipleAllocations === true;
    if (!(isShared && choice.adminAccess) && this.#isTaken(key, turn)) return undefined;
    const undo: (() => void)[] = [];
    const giveBack = (): undefined => {
      for (const step of undo.reverse()) step();
    };
    const { allocated } = this.#context;
    // Who shares a device has its counters already.
    const isInUse = isShared && (allocated.sharesOf(key) !== undefined || this.#shares.has(key));
    if (!isInUse && device.consumesCounters?.length) {
      const { counters } = this.#task;
      if (!counters.take(pool, device)) return undefined;
      undo.push(() => counters.giveBack(pool, device));
    }
    if ((device.taints ?? []).some(taint => keepsAway(taint, choice))) return giveBack();
    if (!this.#constrain(turn, candidate, undo)) {
      if (!must) return giveBack();
      const text = `cannot add device ${key} because a claim constraint would not be satisfied`;
      throw new AllocationError(`claim ${nameOf(this.#task.claims[claim]!)}, request ${choice.name}: ${text}`);
    }
    if (!isShared) undo.push(this.#use(key, claim));
    if (!this.#hasRoom(candidate, choice)) return giveBack();
    const consumed = isShared ? consumedBy(choice.capacity, device) : undefined;
    if (consumed) {
      const keeps = this.#shares.has(key);
      this.#shares.add(key, consumed);
      undo.push(() => this.#shares.remove(key, consumed, keeps));
    }
    const shareId = isShared ? this.#context.newShareId() : undefined;
    const taken = this.#taken[claim]!;
    taken.push({ ...candidate, choice, shareId, consumed });
    undo.push(() => void taken.pop());
    return giveBack;
  }

  #constrain({ claim, choice }: Turn, { pool, device }: Candidate, undo: (() => void)[]): boolean {
    const { name, parent } = choice;
    const subrequest = parent === undefined ? undefined : name;
    const constrained: ConstrainedDevice = { request: parent ?? name, subrequest, driver: pool.driver, device };
    for (const constraint of this.#constraints[claim]!) {
      if (!constraint.add(constrained)) return false;
      undo.push(() => constraint.remove(constrained));
    }
    return true;
  }

  #use(key: string, claim: number): () => void {
    let users = this.#users.get(key);
    if (!users) this.#users.set(key, (users = new Set()));
    users.add(claim);
    return () => users.delete(claim);
  }
}

const none: readonly DeviceSelector[] = [];

const nameOf = ({ metadata }: ResourceClaim): string => `${metadata.namespace}/${metadata.name}`;

function candidateOf(pool: DevicePool, slice: ResourceSlice, device: Device): Candidate {
  return { key: deviceKey(pool.driver, pool.name, device.name), pool, slice, device };
}

function keepsAway(taint: DeviceTaint, { tolerations = [] }: RequestChoice): boolean {
  if (taint.effect !== 'NoExecute' && taint.effect !== 'NoSchedule') return false;
  return !tolerations.some(toleration => toleratesDeviceTaint(toleration, taint));
}
