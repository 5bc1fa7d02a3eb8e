import type {
  AllocatedDeviceStatus,
  AllocationResult,
  DeviceAllocationConfiguration,
  DeviceRequestAllocationResult,
  NetworkDeviceData,
  ResourceClaim,
  ResourceClaimConsumerReference,
} from '../../../api/generated/types.js';
import { internalValue } from '../../../api/internal-value.js';
import type { FieldErrors, FieldPath } from '../../../machinery/field-errors.js';
import { fieldPath, PrintedValue, quote } from '../../../machinery/field-errors.js';
import { parseCidr } from '../../../machinery/names.js';
import { semanticEqual } from '../../../machinery/object.js';
import { immutable, required, requiredOneOf } from '../core/checks.js';
import { validateDriverName } from '../core/driver-name-validation.js';
import { validateNodeSelector } from '../core/scheduling-validation.js';
import { validateConditions } from '../conditions.js';
import { maximumConfigurations, RequestNames, validateConfiguration, validateRawObject } from './claim-spec-validation.js';
import { validateLabelName, validateList, validatePoolName, validateSet, validateUuid } from './list-checks.js';
import { validateBindingConditions } from './slice-validation.js';

/** Source: kubernetes pkg/apis/resource/validation. */

const maximumReservations = 256;
const maximumResults = 32;
const maximumConditions = 8;
const maximumAddresses = 16;
const maximumInterfaceBytes = 256;
const maximumHardwareBytes = 128;

type DeviceName = Pick<AllocatedDeviceStatus, 'driver' | 'pool' | 'device' | 'shareID'>;

/** Equal for the same share of the same device. */
export const sharedDeviceKey = ({ driver, pool, device, shareID = '' }: DeviceName): string =>
  JSON.stringify([driver, pool, device, shareID]);

export function validateClaimStatus(claim: ResourceClaim, old: Readonly<ResourceClaim>, errors: FieldErrors): void {
  const path = fieldPath('status');
  const { reservedFor = [], allocation, devices } = claim.status;
  const before = old.status?.allocation;
  const reserved = path.child('reservedFor');
  const consumers = {
    maximum: maximumReservations,
    path: reserved,
    keyOf: ({ uid }: ResourceClaimConsumerReference) => uid ?? '',
  };
  validateSet(reservedFor, consumers, errors, (consumer, at) => {
    for (const field of ['resource', 'name', 'uid'] as const) required(errors, at.child(field), consumer[field]);
  });
  const allocated = new Set((allocation?.devices?.results ?? []).map(sharedDeviceKey));
  const statuses = {
    maximum: Infinity,
    path: path.child('devices'),
    keyOf: sharedDeviceKey,
    printKey: printedDevice,
  };
  validateSet(devices, statuses, errors, (device, at) => validateDeviceStatus(device, at, errors, allocated));
  if (reservedFor.length > 0) {
    const isNew = (consumer: ResourceClaimConsumerReference): boolean =>
      !old.status?.reservedFor?.some(other => semanticEqual(other, consumer));
    if (!allocation) errors.forbidden(reserved, 'may not be specified when `allocated` is not set');
    else if (claim.metadata.deletionTimestamp && reservedFor.some(isNew)) {
      const text = 'new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set';
      errors.forbidden(reserved, text);
    }
  }
  const at = path.child('allocation');
  if (before && allocation) {
    if (!semanticEqual(before, allocation)) immutable(errors, at, internalValue('*resource.AllocationResult', allocation));
  } else if (allocation) validateAllocation(allocation, at, errors, new RequestNames(claim.spec.devices ?? {}));
}

function validateAllocation(allocation: AllocationResult, path: FieldPath, errors: FieldErrors, names: RequestNames): void {
  const { results, config } = allocation.devices ?? {};
  const devices = path.child('devices');
  validateList(results, maximumResults, devices.child('results'), errors, (result, at) =>
    validateResult(result, at, errors, names),
  );
  // Those of the class and of the claim.
  validateList(config, 2 * maximumConfigurations, devices.child('config'), errors, (configuration, at) =>
    validateAllocatedConfiguration(configuration, at, errors, names),
  );
  if (allocation.nodeSelector) validateNodeSelector(allocation.nodeSelector, path.child('nodeSelector'), errors, false);
}

function validateResult(result: DeviceRequestAllocationResult, path: FieldPath, errors: FieldErrors, names: RequestNames): void {
  names.validate(result.request ?? '', path.child('request'), errors);
  validateDriverName(result.driver, path.child('driver'), errors);
  validatePoolName(result.pool, path.child('pool'), errors);
  validateLabelName(result.device, path.child('device'), errors);
  validateBindingConditions(result, path, errors);
  if (result.shareID !== undefined) validateUuid(result.shareID, path.child('shareID'), errors);
}

function validateAllocatedConfiguration(
  configuration: DeviceAllocationConfiguration,
  path: FieldPath,
  errors: FieldErrors,
  names: RequestNames,
): void {
  requiredOneOf(errors, path.child('source'), configuration.source, ['FromClaim', 'FromClass']);
  names.validateAll(configuration.requests, path.child('requests'), errors);
  validateConfiguration(configuration, path, errors);
}

function validateDeviceStatus(
  device: AllocatedDeviceStatus,
  path: FieldPath,
  errors: FieldErrors,
  allocated: ReadonlySet<string>,
): void {
  validateDriverName(device.driver, path.child('driver'), errors);
  validatePoolName(device.pool, path.child('pool'), errors);
  validateLabelName(device.device, path.child('device'), errors);
  if (device.shareID !== undefined) validateUuid(device.shareID, path.child('shareID'), errors);
  if (!allocated.has(sharedDeviceKey(device)))
    errors.invalid(path, printedDevice(device), 'must be an allocated device in the claim');
  const conditions = device.conditions ?? [];
  const at = path.child('conditions');
  if (conditions.length > maximumConditions) errors.tooMany(at, conditions.length, maximumConditions);
  validateConditions(conditions, at, errors);
  if (device.data !== undefined && device.data !== null) validateRawObject(device.data, path.child('data'), errors);
  if (device.networkData) validateNetwork(device.networkData, path.child('networkData'), errors);
}

function printedDevice({ driver, pool, device, shareID = '' }: DeviceName): PrintedValue {
  return new PrintedValue(JSON.stringify({ Driver: driver, Pool: pool, Device: device, ShareID: shareID }));
}

function validateNetwork(network: NetworkDeviceData, path: FieldPath, errors: FieldErrors): void {
  const { interfaceName = '', hardwareAddress = '', ips } = network;
  if (Buffer.byteLength(interfaceName) > maximumInterfaceBytes)
    errors.tooLong(path.child('interfaceName'), maximumInterfaceBytes);
  if (Buffer.byteLength(hardwareAddress) > maximumHardwareBytes)
    errors.tooLong(path.child('hardwareAddress'), maximumHardwareBytes);
  const options = { maximum: maximumAddresses, path: path.child('ips'), keyOf: (address: string) => address };
  validateSet(ips, options, errors, (address, at) => validateInterfaceAddress(address, at, errors));
}

/** An address with the length of its network. */
function validateInterfaceAddress(text: string, path: FieldPath, errors: FieldErrors): void {
  const cidr = parseCidr(text);
  if (!cidr) {
    errors.invalid(path, text, 'must be a valid address in CIDR form, (e.g. 10.9.8.7/24 or 2001:db8::1/64)');
    return;
  }
  const canonical = `${cidr.address.canonical}/${cidr.prefixLength}`;
  if (text !== canonical) errors.invalid(path, text, `must be in canonical form (${quote(canonical)})`);
}
