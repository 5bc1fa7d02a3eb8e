import type { Device } from '../../api/generated/types.js';
import { parseQuantity, Quantity } from '../../machinery/quantity.js';
import { deviceKey } from './device-id.js';
import type { DevicePool } from './device-pools.js';

/** Amounts by counter set and counter. */
type CounterAmounts = Map<string, Map<string, Quantity>>;

/** What pools have left beside what is allocated, worked out once for all nodes. */
export class FreeCounters {
  readonly #byPool = new Map<string, CounterAmounts>();
  readonly #isAllocated: (device: string) => boolean;

  constructor(isAllocated: (device: string) => boolean) {
    this.#isAllocated = isAllocated;
  }

  of(pool: DevicePool): CounterAmounts {
    let free = this.#byPool.get(pool.key);
    if (!free) this.#byPool.set(pool.key, (free = this.#count(pool)));
    return free;
  }

  #count(pool: DevicePool): CounterAmounts {
    const free: CounterAmounts = new Map();
    for (const { name, counters = {} } of pool.counterSets.values())
      free.set(name, new Map(Object.entries(counters).map(([counter, { value }]) => [counter, parseQuantity(value)])));
    for (const { spec } of [...pool.slices, ...pool.otherSlices]) {
      for (const device of spec.devices ?? []) {
        if (!this.#isAllocated(deviceKey(pool.driver, pool.name, device.name))) continue;
        // What is left may be less than nothing, when a pool was published anew.
        forEachCounter(device, (set, counter, amount) => {
          const amounts = free.get(set)!;
          amounts.set(counter, amounts.get(counter)!.sub(amount));
        });
      }
    }
    return free;
  }
}

/** What the devices use up that are being allocated. */
export class UsedCounters {
  readonly #byPool = new Map<string, CounterAmounts>();
  readonly #free: FreeCounters;

  constructor(free: FreeCounters) {
    this.#free = free;
  }

  /** False, and nothing is taken, when the pool has not enough. */
  take(pool: DevicePool, device: Device): boolean {
    let used = this.#byPool.get(pool.key);
    if (!used) this.#byPool.set(pool.key, (used = new Map()));
    change(used, device, (held, amount) => held.add(amount));
    for (const [set, amounts] of this.#free.of(pool)) {
      for (const [counter, amount] of amounts) {
        if (amount.compare(used.get(set)?.get(counter) ?? Quantity.zero) >= 0) continue;
        this.giveBack(pool, device);
        return false;
      }
    }
    return true;
  }

  giveBack(pool: DevicePool, device: Device): void {
    change(this.#byPool.get(pool.key)!, device, (held, amount) => held.sub(amount));
  }
}

function change(amounts: CounterAmounts, device: Device, next: (held: Quantity, amount: Quantity) => Quantity): void {
  forEachCounter(device, (set, counter, amount) => {
    let held = amounts.get(set);
    if (!held) amounts.set(set, (held = new Map()));
    held.set(counter, next(held.get(counter) ?? Quantity.zero, amount));
  });
}

function forEachCounter(device: Device, visit: (set: string, counter: string, amount: Quantity) => void): void {
  for (const { counterSet, counters = {} } of device.consumesCounters ?? [])
    for (const [counter, { value }] of Object.entries(counters)) visit(counterSet, counter, parseQuantity(value));
}
