import type { AllocationResult, DeviceRequestAllocationResult } from '../../api/generated/types.js';
import { parseQuantity } from '../../machinery/quantity.js';
import type { Amounts } from './capacities.js';
import { ShareLedger } from './capacities.js';
import type { AllocatedDevices } from './device-allocator.js';
import { deviceKey } from './device-id.js';

/** What allocated claims hold, kept up with each of them. Access of administrators takes nothing from anybody. */
export class HeldDevices implements AllocatedDevices {
  readonly #byClaim = new Map<string, AllocationResult>();
  /** With the number of claims that hold them: more than one only while a wrong allocation is being undone. */
  readonly #whole = new Map<string, number>();
  readonly #shares = new ShareLedger();
  readonly #shareCounts = new Map<string, number>();

  /** Undefined: the claim holds nothing. */
  set(uid: string, allocation: AllocationResult | undefined): void {
    const before = this.#byClaim.get(uid);
    if (before === allocation) return;
    if (before) for (const result of heldResults(before)) this.#remove(result);
    if (!allocation) this.#byClaim.delete(uid);
    else {
      this.#byClaim.set(uid, allocation);
      for (const result of heldResults(allocation)) this.#add(result);
    }
  }

  isAllocated(device: string): boolean {
    return this.#whole.has(device);
  }

  sharesOf(device: string): Amounts | undefined {
    return this.#shares.get(device);
  }

  #add(result: DeviceRequestAllocationResult): void {
    const key = keyOf(result);
    const counts = result.shareID === undefined ? this.#whole : this.#shareCounts;
    counts.set(key, (counts.get(key) ?? 0) + 1);
    if (result.shareID !== undefined) this.#shares.add(key, amountsOf(result));
  }

  #remove(result: DeviceRequestAllocationResult): void {
    const key = keyOf(result);
    const counts = result.shareID === undefined ? this.#whole : this.#shareCounts;
    const left = counts.get(key)! - 1;
    if (left > 0) counts.set(key, left);
    else counts.delete(key);
    if (result.shareID !== undefined) this.#shares.remove(key, amountsOf(result), left > 0);
  }
}

function heldResults({ devices }: AllocationResult): DeviceRequestAllocationResult[] {
  return (devices.results ?? []).filter(({ adminAccess }) => !adminAccess);
}

const keyOf = ({ driver, pool, device }: DeviceRequestAllocationResult): string => deviceKey(driver, pool, device);

function amountsOf({ consumedCapacity = {} }: DeviceRequestAllocationResult): Amounts {
  return new Map(Object.entries(consumedCapacity).map(([name, amount]) => [name, parseQuantity(amount)]));
}
