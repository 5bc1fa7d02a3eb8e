import type { AllocatedDeviceStatus, DeviceRequestAllocationResult, ResourceClaim } from '../../api/generated/types.js';
import { timeToMs } from '../../machinery/time.js';

/** Devices that have to be made ready for a node before pods are bound to it. Source: KEP-5007. */

/** How long devices may take. */
export const bindingTimeoutMs = 600_000;

/** `failed` with why. */
export type BindingReadiness = 'ready' | 'waiting' | { readonly failed: string };

export function hasBindingConditions({ status }: ResourceClaim): boolean {
  return results(status.allocation).some(({ bindingConditions }) => bindingConditions?.length);
}

export function bindingReadiness({ metadata, status }: ResourceClaim): BindingReadiness {
  if (!status.allocation) return 'waiting';
  for (const result of results(status.allocation)) {
    if (!result.bindingConditions?.length) continue;
    const device = statusOf(status.devices, result);
    if (!device) return 'waiting';
    for (const type of result.bindingFailureConditions ?? []) {
      const condition = device.conditions?.find(known => known.type === type);
      if (condition?.status !== 'True') continue;
      const why = `reason=${condition.reason}, message="${condition.message}"`;
      return { failed: `device binding failed: claim=${metadata.name}, ${why}` };
    }
    const holds = (type: string): boolean =>
      device.conditions?.some(known => known.type === type && known.status === 'True') ?? false;
    if (!result.bindingConditions.every(holds)) return 'waiting';
  }
  return 'ready';
}

export function isBindingTimedOut(claim: ResourceClaim, nowMs: number): boolean {
  const { allocationTimestamp } = claim.status.allocation ?? {};
  return hasBindingConditions(claim) && Boolean(allocationTimestamp) && timeToMs(allocationTimestamp!) + bindingTimeoutMs < nowMs;
}

function results(allocation: ResourceClaim['status']['allocation']): readonly DeviceRequestAllocationResult[] {
  return allocation?.devices.results ?? [];
}

function statusOf(
  devices: readonly AllocatedDeviceStatus[] = [],
  { driver, pool, device }: DeviceRequestAllocationResult,
): AllocatedDeviceStatus | undefined {
  return devices.find(known => known.driver === driver && known.pool === pool && known.device === device);
}
