import type {
  DeviceClaim,
  DeviceConfiguration,
  DeviceConstraint,
  DeviceRequest,
  DeviceSelector,
  DeviceSubRequest,
  DeviceToleration,
  ExactDeviceRequest,
  ResourceClaimSpec,
} from '../../../api/generated/types.js';
import { jsonText } from '../../../machinery/codec/json-text.js';
import type { FieldErrors, FieldPath } from '../../../machinery/field-errors.js';
import { validateLabelValue } from '../../../machinery/names.js';
import { isJsonObject } from '../../../machinery/object.js';
import { addInvalid, qualifiedName, requiredOneOf, supported } from '../core/checks.js';
import { validateDriverName } from '../core/driver-name-validation.js';
import type { SelectorChecks } from './device-selectors.js';
import { validateClassName, validateFullyQualifiedName, validateLabelName, validateList, validateSet } from './list-checks.js';

/** Source: kubernetes pkg/apis/resource/validation. */

export const maximumRequests = 32;
export const maximumConfigurations = 32;
const maximumConstraints = 32;
const maximumSubrequests = 8;
const maximumParameterBytes = 10 * 1024;
const toleratedEffects = ['NoExecute', 'NoSchedule', 'None'];
const allocationModes = ['All', 'ExactCount'];
export const taintEffects = toleratedEffects;

/** Names of requests with those of their alternatives. */
export class RequestNames {
  readonly #names: ReadonlyMap<string, ReadonlySet<string>>;

  constructor({ requests }: DeviceClaim) {
    this.#names = new Map(
      (requests ?? []).map(({ name, firstAvailable = [] }) => [name, new Set(firstAvailable.map(sub => sub.name))]),
    );
  }

  /** `REQUEST` or `REQUEST/SUBREQUEST`. */
  has(reference: string): boolean {
    const [request = '', subrequest, ...more] = reference.split('/');
    const known = this.#names.get(request);
    return more.length === 0 && known !== undefined && (subrequest === undefined || known.has(subrequest));
  }

  validate(reference: string, path: FieldPath, errors: FieldErrors): void {
    const segments = reference.split('/');
    const fault = "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'";
    if (segments.length > 2) return errors.invalid(path, reference, fault);
    for (const segment of segments) validateLabelName(segment, path, errors);
    if (!this.has(reference)) errors.invalid(path, reference, fault);
  }

  validateAll(references: readonly string[] | undefined, path: FieldPath, errors: FieldErrors): void {
    const options = { maximum: maximumRequests, path, keyOf: (name: string) => name };
    validateSet(references, options, errors, (name, at) => this.validate(name, at, errors));
  }
}

export function* selectorsOf({ devices }: ResourceClaimSpec): Iterable<readonly DeviceSelector[] | undefined> {
  for (const { exactly, firstAvailable = [] } of devices?.requests ?? []) {
    yield exactly?.selectors;
    for (const { selectors } of firstAvailable) yield selectors;
  }
}

export function validateClaimSpec(
  { devices = {} }: ResourceClaimSpec,
  path: FieldPath,
  errors: FieldErrors,
  selectors: SelectorChecks,
): void {
  const at = path.child('devices');
  const names = new RequestNames(devices);
  const requests = { maximum: maximumRequests, path: at.child('requests'), keyOf: ({ name = '' }: DeviceRequest) => name };
  validateSet(devices.requests, requests, errors, (request, here) => validateRequest(request, here, errors, selectors));
  validateList(devices.constraints, maximumConstraints, at.child('constraints'), errors, (constraint, here) =>
    validateConstraint(constraint, here, errors, names),
  );
  validateList(devices.config, maximumConfigurations, at.child('config'), errors, (configuration, here) => {
    names.validateAll(configuration.requests, here.child('requests'), errors);
    validateConfiguration(configuration, here, errors);
  });
}

function validateRequest(request: DeviceRequest, path: FieldPath, errors: FieldErrors, selectors: SelectorChecks): void {
  const { name, exactly, firstAvailable } = request;
  validateLabelName(name, path.child('name'), errors);
  const choice = 'exactly one of `exactly` or `firstAvailable` is required';
  if (exactly && firstAvailable?.length) return errors.invalid(path, null, `${choice}, but multiple fields are set`);
  if (exactly) return validateExactRequest(exactly, path.child('exactly'), errors, selectors);
  if (!firstAvailable?.length) return errors.required(path, choice);
  const options = {
    maximum: maximumSubrequests,
    path: path.child('firstAvailable'),
    keyOf: (sub: DeviceSubRequest) => sub.name ?? '',
  };
  validateSet(firstAvailable, options, errors, (sub, at) => {
    validateLabelName(sub.name, at.child('name'), errors);
    validateExactRequest(sub, at, errors, selectors);
  });
}

type DeviceChoice = Pick<ExactDeviceRequest, 'deviceClassName' | 'selectors' | 'allocationMode' | 'count' | 'tolerations'>;

function validateExactRequest(request: DeviceChoice, path: FieldPath, errors: FieldErrors, selectors: SelectorChecks): void {
  const { allocationMode = '', count = 0 } = request;
  validateClassName(request.deviceClassName, path.child('deviceClassName'), errors);
  selectors.validate(request.selectors, path.child('selectors'), errors);
  const at = path.child('count');
  if (allocationMode === 'All') {
    if (count !== 0) errors.invalid(at, count, "must not be specified when allocationMode is 'All'");
  } else if (allocationMode !== 'ExactCount') supported(errors, path.child('allocationMode'), allocationMode, allocationModes);
  else if (count <= 0) errors.invalid(at, count, 'must be greater than zero');
  for (const [index, toleration] of (request.tolerations ?? []).entries())
    validateToleration(toleration, path.child('tolerations').index(index), errors);
}

function validateToleration(toleration: DeviceToleration, path: FieldPath, errors: FieldErrors): void {
  const { key, operator, value = '', effect } = toleration;
  if (key) qualifiedName(errors, path.child('key'), key);
  if (operator === 'Exists') {
    if (value) errors.invalid(path.child('value'), value, 'must be empty for operator `Exists`');
  } else if (operator === 'Equal') addInvalid(errors, path.child('value'), value, validateLabelValue(value));
  else requiredOneOf(errors, path.child('operator'), operator, ['Equal', 'Exists']);
  if (effect) supported(errors, path.child('effect'), effect, toleratedEffects);
}

function validateConstraint(constraint: DeviceConstraint, path: FieldPath, errors: FieldErrors, names: RequestNames): void {
  const { requests, matchAttribute, distinctAttribute } = constraint;
  names.validateAll(requests, path.child('requests'), errors);
  if (matchAttribute !== undefined) validateFullyQualifiedName(matchAttribute, path.child('matchAttribute'), errors);
  else if (distinctAttribute !== undefined)
    validateFullyQualifiedName(distinctAttribute, path.child('distinctAttribute'), errors);
  else {
    const text = 'exactly one of "matchAttribute" or "distinctAttribute" is required, but multiple fields are set';
    errors.required(path, text);
  }
}

/** `stored`: it was there before the limit of its size. */
export function validateConfiguration(
  { opaque }: DeviceConfiguration,
  path: FieldPath,
  errors: FieldErrors,
  stored = false,
): void {
  const at = path.child('opaque');
  if (!opaque) return errors.required(at);
  validateDriverName(opaque.driver, at.child('driver'), errors);
  validateRawObject(opaque.parameters, at.child('parameters'), errors, stored);
}

/** A JSON object of a driver. */
export function validateRawObject(value: unknown, path: FieldPath, errors: FieldErrors, stored = false): void {
  if (value === undefined || value === null) return errors.required(path);
  if (!stored && Buffer.byteLength(jsonText(value)) > maximumParameterBytes) errors.tooLong(path, maximumParameterBytes);
  else if (!isJsonObject(value)) errors.invalid(path, '<value omitted>', 'must be a valid JSON object');
}
