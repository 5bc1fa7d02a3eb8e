import type { CoreResourceClaim, ResourceRequirements } from '../../../api/generated/types.js';
import type { FieldErrors, FieldPath } from '../../../machinery/field-errors.js';
import { formatBadValue } from '../../../machinery/field-errors.js';
import type { Quantity } from '../../../machinery/quantity.js';
import { parseQuantity } from '../../../machinery/quantity.js';
import { dnsLabel } from './checks.js';
import {
  isHugePage,
  isHugePageDivisible,
  isOvercommitAllowed,
  validateContainerResourceName,
  validatePodResourceName,
  validateResourceQuantity,
} from './resource-names.js';

export interface ResourceRequirementsOptions {
  readonly claimNames: ReadonlySet<string>;
  readonly indivisibleHugePages: boolean;
  /** Resources of a whole pod take fewer names. */
  readonly wholePod?: boolean;
}

/** Requests and limits of a container or a pod. Source: validateResourceRequirements. */
export function validateResourceRequirements(
  requirements: ResourceRequirements | undefined,
  path: FieldPath,
  errors: FieldErrors,
  options: ResourceRequirementsOptions,
): void {
  if (!requirements) return;
  const { limits, requests, claims } = requirements;
  let hasHugePages = false;
  let hasCompute = false;
  const checkOne = (at: FieldPath, name: string, amount: Quantity): void => {
    if (options.wholePod) validatePodResourceName(errors, at, name);
    else validateContainerResourceName(errors, at, name);
    validateResourceQuantity(errors, at, name, amount);
    if (name === 'cpu' || name === 'memory') hasCompute = true;
  };
  const checkHugePage = (at: FieldPath, name: string, amount: Quantity): void => {
    if (!isHugePage(name)) return;
    hasHugePages = true;
    if (!options.indivisibleHugePages && !isHugePageDivisible(name, amount)) {
      errors.invalid(at, amount.toString(), `${amount.toString()} is not positive integer multiple of ${name}`);
    }
  };
  for (const name in limits) {
    const amount = parseQuantity(limits[name]!);
    const at = path.child('limits').key(name);
    checkOne(at, name, amount);
    checkHugePage(at, name, amount);
  }
  for (const name in requests) {
    const amount = parseQuantity(requests[name]!);
    const at = path.child('requests').key(name);
    checkOne(at, name, amount);
    const limit = limits && Object.hasOwn(limits, name) ? limits[name]! : undefined;
    if (limit === undefined) {
      if (!isOvercommitAllowed(name)) errors.required(path.child('limits'), 'Limit must be set for non overcommitable resources');
    } else if (limit !== requests[name]) {
      const order = amount.compare(parseQuantity(limit));
      if (order !== 0 && !isOvercommitAllowed(name)) {
        errors.invalid(path.child('requests'), amount.toString(), `must be equal to ${name} limit of ${limit}`);
      } else if (order > 0) {
        errors.invalid(path.child('requests'), amount.toString(), `must be less than or equal to ${name} limit of ${limit}`);
      }
    }
    checkHugePage(at, name, amount);
  }
  if (!hasCompute && hasHugePages) errors.forbidden(path, 'HugePages require cpu or memory');
  if (claims?.length) validateClaims(claims, path.child('claims'), errors, options.claimNames);
}

function validateClaims(
  claims: readonly CoreResourceClaim[],
  path: FieldPath,
  errors: FieldErrors,
  podClaims: ReadonlySet<string>,
): void {
  const seen = new Set<string>();
  for (const [index, { name, request }] of claims.entries()) {
    const at = path.index(index);
    if (!name) {
      errors.required(at);
      continue;
    }
    if (seen.has(name)) errors.duplicate(at, name);
    else {
      let key = name;
      if (request) {
        dnsLabel(errors, at.child('request'), request);
        key = `${name}/${request}`;
      }
      if (seen.has(key)) errors.duplicate(at, key);
      else if (!request) for (const other of seen) if (other.startsWith(`${name}/`)) errors.duplicate(at, name);
      seen.add(key);
    }
    if (podClaims.has(name)) continue;
    const names = podClaims.size ? `: ${[...podClaims].sort().join(', ')}` : ' which is empty';
    errors.add(
      'FieldValueNotFound',
      at,
      `Not found: ${formatBadValue(name)}: must be one of the names in pod.spec.resourceClaims${names}`,
    );
  }
}
