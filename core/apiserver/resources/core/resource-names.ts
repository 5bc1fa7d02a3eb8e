import {
  hugePagesPrefix,
  isExtendedResource,
  isHugePage,
  isNativeResource,
  isPodLevelResource,
  requestsPrefix,
} from '../../../api/resource-names.js';
import type { FieldErrors, FieldPath } from '../../../machinery/field-errors.js';
import { validateQualifiedName } from '../../../machinery/names.js';
import type { Quantity } from '../../../machinery/quantity.js';
import { parseQuantity } from '../../../machinery/quantity.js';
import { addInvalid, negativeText } from './checks.js';

export {
  isExtendedResource,
  isHugePage,
  isNativeResource,
  isOvercommitAllowed,
  roundResourceList,
} from '../../../api/resource-names.js';

/** Which names of resources exist and what their amounts may be. Source: pkg/apis/core/helper. */
const objectCounts = [
  'pods',
  'resourcequotas',
  'services',
  'replicationcontrollers',
  'secrets',
  'configmaps',
  'persistentvolumeclaims',
  'services.nodeports',
  'services.loadbalancers',
];
const quotaResources = new Set([
  'cpu',
  'memory',
  'ephemeral-storage',
  'requests.cpu',
  'requests.memory',
  'requests.storage',
  'requests.ephemeral-storage',
  'limits.cpu',
  'limits.memory',
  'limits.ephemeral-storage',
  ...objectCounts,
]);
const standardResources = new Set([...quotaResources, 'storage']);
const integerResources = new Set(objectCounts);
const containerResources = new Set(['cpu', 'memory', 'ephemeral-storage']);

const isQuotaHugePage = (name: string): boolean => isHugePage(name) || name.startsWith(requestsPrefix + hugePagesPrefix);
export const isStandardResource = (name: string): boolean => standardResources.has(name) || isQuotaHugePage(name);
export const isStandardQuotaResource = (name: string): boolean => quotaResources.has(name) || isQuotaHugePage(name);
export const isStandardContainerResource = (name: string): boolean => containerResources.has(name) || isHugePage(name);

export const isIntegerResource = (name: string): boolean => integerResources.has(name) || isExtendedResource(name);

/** The page size in a name such as `hugepages-2Mi`; undefined when it is none. */
function hugePageSize(name: string): Quantity | undefined {
  try {
    return parseQuantity(name.slice(hugePagesPrefix.length));
  } catch {
    // A name that says no size is told to the caller as undefined; its text is in no message.
    return undefined;
  }
}

export function isHugePageDivisible(name: string, amount: Quantity): boolean {
  const size = hugePageSize(name);
  if (!size || size.sign <= 0 || !size.isWhole) return false;
  return amount.scaledValue(0) % size.scaledValue(0) === 0n;
}

/** Any resource name: a standard one or fully qualified. Returns whether it is well formed. */
export function validateResourceName(errors: FieldErrors, path: FieldPath, name: string): boolean {
  if (containerResources.has(name)) return true;
  const texts = validateQualifiedName(name);
  addInvalid(errors, path, name, texts);
  if (texts.length) return false;
  if (name.includes('/') || isStandardResource(name)) return true;
  errors.invalid(path, name, 'must be a standard resource type or fully qualified');
  return false;
}

export function validateContainerResourceName(errors: FieldErrors, path: FieldPath, name: string): void {
  if (containerResources.has(name)) return;
  validateResourceName(errors, path, name);
  if (!name.includes('/')) {
    if (!isStandardContainerResource(name)) errors.invalid(path, name, 'must be a standard resource for containers');
  } else if (!isNativeResource(name) && !isExtendedResource(name)) {
    errors.invalid(path, name, "doesn't follow extended resource name standard");
  }
}

export function validatePodResourceName(errors: FieldErrors, path: FieldPath, name: string): void {
  if (!validateResourceName(errors, path, name)) return;
  if (!isPodLevelResource(name)) errors.notSupported(path, name, ['cpu', hugePagesPrefix, 'memory']);
}

export function validateQuotaResourceName(errors: FieldErrors, path: FieldPath, name: string): void {
  validateResourceName(errors, path, name);
  if (!name.includes('/') && !isStandardQuotaResource(name)) errors.invalid(path, name, 'must be a standard resource for quota');
}

export function nonNegativeQuantity(errors: FieldErrors, path: FieldPath, amount: Quantity): void {
  if (amount.sign < 0) errors.invalid(path, amount.toString(), negativeText);
}

/** Not negative, and whole where the resource counts things. */
export function validateResourceQuantity(errors: FieldErrors, path: FieldPath, name: string, amount: Quantity): void {
  nonNegativeQuantity(errors, path, amount);
  if (isIntegerResource(name) && !amount.roundUp(-3).isWhole) errors.invalid(path, amount.toString(), 'must be an integer');
}
