import type { CapacityRequestPolicy, CapacityRequirements, Device, DeviceCapacity } from '../../api/generated/types.js';
import { parseQuantity, Quantity } from '../../machinery/quantity.js';

/** Amounts by name. */
export type Amounts = ReadonlyMap<string, Quantity>;

/** Shares of devices that many may have. Source: k8s.io/dynamic-resource-allocation/structured consumable_capacity.go. */

/** What a share takes: each capacity of the device, as asked for and rounded up by its policy. */
export function consumedBy(requirements: CapacityRequirements | undefined, device: Device): Map<string, Quantity> {
  return new Map(
    Object.entries(device.capacity ?? {}).map(([name, capacity]) => [name, consumed(requirements?.requests?.[name], capacity)]),
  );
}

/** Whether as much is left of every capacity. */
export function hasRoomFor(
  requirements: CapacityRequirements | undefined,
  device: Device,
  taken: readonly (Amounts | undefined)[],
): boolean {
  const capacities = device.capacity ?? {};
  if (Object.keys(requirements?.requests ?? {}).some(name => !Object.hasOwn(capacities, name))) return false;
  for (const [name, amount] of consumedBy(requirements, device)) {
    const { value, requestPolicy } = capacities[name]!;
    if (violates(amount, requestPolicy)) return false;
    let total = amount;
    for (const amounts of taken) {
      const already = amounts?.get(name);
      if (already) total = total.add(already);
    }
    if (total.compare(parseQuantity(value)) > 0) return false;
  }
  return true;
}

function consumed(requested: string | undefined, { value, requestPolicy: policy }: DeviceCapacity): Quantity {
  if (requested === undefined) return parseQuantity(policy?.default ?? value);
  const amount = parseQuantity(requested);
  const { validRange, validValues } = policy ?? {};
  if (validRange?.min) {
    const least = parseQuantity(validRange.min);
    if (amount.compare(least) < 0) return least;
    return validRange.step ? roundedUp(amount, least, parseQuantity(validRange.step)) : amount;
  }
  return validValues?.map(text => parseQuantity(text)).find(option => amount.compare(option) <= 0) ?? amount;
}

const whole = (quantity: Quantity): bigint => quantity.scaledValue(0);

function roundedUp(amount: Quantity, least: Quantity, step: Quantity): Quantity {
  const added = whole(amount) - whole(least);
  const size = whole(step);
  if (size === 0n) return amount;
  const steps = (added + size - 1n) / size;
  return Quantity.of(whole(least) + size * steps, 'BinarySI');
}

function violates(amount: Quantity, policy: CapacityRequestPolicy | undefined): boolean {
  if (!policy) return false;
  if (policy.default && amount.equals(parseQuantity(policy.default))) return false;
  const { validRange, validValues } = policy;
  if (!validRange) return Boolean(validValues?.length) && !validValues!.some(text => amount.equals(parseQuantity(text)));
  if (validRange.max && amount.compare(parseQuantity(validRange.max)) > 0) return true;
  if (!validRange.step) return false;
  const size = whole(parseQuantity(validRange.step));
  return size !== 0n && (whole(amount) - whole(parseQuantity(validRange.min ?? '0'))) % size !== 0n;
}

/** Shares that are taken, by device. */
export class ShareLedger {
  readonly #amounts = new Map<string, Map<string, Quantity>>();

  get(device: string): Amounts | undefined {
    return this.#amounts.get(device);
  }

  /** Also where nothing of it is taken: somebody has it. */
  has(device: string): boolean {
    return this.#amounts.has(device);
  }

  add(device: string, amounts: Amounts): void {
    let held = this.#amounts.get(device);
    if (!held) this.#amounts.set(device, (held = new Map()));
    for (const [name, amount] of amounts) held.set(name, held.get(name)?.add(amount) ?? amount);
  }

  /** `keeps`: somebody else still has a share, of whatever size. */
  remove(device: string, amounts: Amounts, keeps: boolean): void {
    const held = this.#amounts.get(device);
    if (!held) return;
    for (const [name, amount] of amounts) {
      const before = held.get(name);
      if (before) held.set(name, before.sub(amount));
    }
    if (!keeps && [...held.values()].every(amount => amount.isZero)) this.#amounts.delete(device);
  }
}
