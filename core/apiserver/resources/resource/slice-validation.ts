import type {
  CounterSet,
  Device,
  DeviceCounterConsumption,
  DeviceTaint,
  NodeSelector,
  ResourceSlice,
  ResourceSliceSpec,
} from '../../../api/generated/types.js';
import { internalValue } from '../../../api/internal-value.js';
import type { FieldErrors, FieldPath } from '../../../machinery/field-errors.js';
import { fieldPath } from '../../../machinery/field-errors.js';
import { nameIsDnsSubdomain, validateDns1123Label, validateLabelValue } from '../../../machinery/names.js';
import { semanticEqual } from '../../../machinery/object.js';
import { addInvalid, immutable, qualifiedName, requiredOneOf } from '../core/checks.js';
import { validateDriverName } from '../core/driver-name-validation.js';
import { validateNodeSelector } from '../core/scheduling-validation.js';
import { taintEffects } from './claim-spec-validation.js';
import { validateAttribute, validateCapacity } from './device-value-validation.js';
import {
  maximumQualifiedNameLength,
  validateLabelName,
  validateList,
  validateMap,
  validatePoolName,
  validateQualifiedDeviceName,
  validateSet,
} from './list-checks.js';

/** Source: kubernetes pkg/apis/resource/validation. */

const maximumDevices = 128;
const maximumDevicesWithMore = 64;
const maximumCounterSets = 8;
const maximumCounters = 32;
const maximumConsumptions = 2;
const maximumTaints = 16;
const maximumBindingConditions = 4;
const maximumAttributesAndCapacities = 32;
const maximumAttributeValues = 48;
const longestLabel = 63;
const unsetOrTrue = 'must be either unset or set to true';

export function validateSlice({ spec }: ResourceSlice, old: Readonly<ResourceSlice> | undefined, errors: FieldErrors): void {
  const path = fieldPath('spec');
  validateDriverName(spec.driver, path.child('driver'), errors);
  const { name, resourceSliceCount = 0, generation = 0 } = spec.pool ?? {};
  const pool = path.child('pool');
  validatePoolName(name, pool.child('name'), errors);
  const positive = 'must be greater than zero';
  if (resourceSliceCount <= 0) errors.invalid(pool.child('resourceSliceCount'), resourceSliceCount, positive);
  if (generation < 0) errors.invalid(pool.child('generation'), generation, 'must be greater than or equal to zero');
  if (old) {
    if (name !== old.spec.pool.name) immutable(errors, pool.child('name'), name ?? '');
    if (spec.driver !== old.spec.driver) immutable(errors, path.child('driver'), spec.driver);
    if (spec.nodeName !== old.spec.nodeName) immutable(errors, path.child('nodeName'), spec.nodeName);
  }
  validateNodes(spec, path, errors);
  if (spec.sharedCounters && spec.devices) errors.invalid(path, '', 'only one of `sharedCounters` or `devices` is allowed');
  const devices = spec.devices ?? [];
  const hasMore = devices.some(({ taints, consumesCounters }) => taints?.length || consumesCounters?.length);
  const options = {
    maximum: hasMore ? maximumDevicesWithMore : maximumDevices,
    path: path.child('devices'),
    keyOf: (device: Device) => device.name ?? '',
  };
  validateSet(devices, options, errors, (device, at) => {
    const before = old?.spec.devices?.find(other => other.name === device.name);
    validateDevice(device, before, at, errors, spec.perDeviceNodeSelection === true);
  });
  const sets = { maximum: maximumCounterSets, path: path.child('sharedCounters'), keyOf: (set: CounterSet) => set.name ?? '' };
  validateSet(spec.sharedCounters, sets, errors, (set, at) => {
    if (!set.name) errors.required(at.child('name'));
    else validateLabelName(set.name, at.child('name'), errors);
    validateCounters(set.counters, at.child('counters'), errors);
  });
}

function validateNodes(spec: ResourceSliceSpec, path: FieldPath, errors: FieldErrors): void {
  const { nodeName, nodeSelector, allNodes, perDeviceNodeSelection } = spec;
  const set: string[] = [];
  if (nodeName) {
    set.push('`nodeName`');
    validateNodeName(nodeName, path.child('nodeName'), errors);
  } else if (nodeName !== undefined)
    errors.invalid(path.child('nodeName'), nodeName, 'must be either unset or set to a non-empty string');
  if (nodeSelector) {
    set.push('`nodeSelector`');
    validateNodeSelector(nodeSelector, path.child('nodeSelector'), errors, false);
    const terms = nodeSelector.nodeSelectorTerms;
    // So that selectors of several slices can be joined.
    if (terms?.length !== 1) {
      const at = path.child('nodeSelector', 'nodeSelectorTerms');
      errors.invalid(at, printedTerms(nodeSelector), 'must have exactly one node selector term');
    }
  }
  if (allNodes) set.push('`allNodes`');
  else if (allNodes !== undefined) errors.invalid(path.child('allNodes'), allNodes, unsetOrTrue);
  if (perDeviceNodeSelection) set.push('`perDeviceNodeSelection`');
  else if (perDeviceNodeSelection !== undefined)
    errors.invalid(path.child('perDeviceNodeSelection'), perDeviceNodeSelection, unsetOrTrue);
  const choice = 'exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required';
  if (set.length === 0) errors.required(path, choice);
  else if (set.length > 1) errors.invalid(path, `{${set.join(', ')}}`, `${choice}, but multiple fields are set`);
}

const printedTerms = ({ nodeSelectorTerms }: NodeSelector) => internalValue('[]core.NodeSelectorTerm', nodeSelectorTerms);

function validateNodeName(name: string, path: FieldPath, errors: FieldErrors): void {
  addInvalid(errors, path, name, nameIsDnsSubdomain(name, false));
}

function validateDevice(
  device: Device,
  old: Device | undefined,
  path: FieldPath,
  errors: FieldErrors,
  choosesNodes: boolean,
): void {
  validateLabelName(device.name, path.child('name'), errors);
  const { attributes = {}, capacity = {}, taints } = device;
  const entryCount = Object.keys(attributes).length + Object.keys(capacity).length;
  if (entryCount > maximumAttributesAndCapacities) {
    const text = `the total number of attributes and capacities must not exceed ${maximumAttributesAndCapacities}`;
    errors.invalid(path, entryCount, text);
  }
  const valueCount = Object.keys(attributes).length;
  if (valueCount > maximumAttributeValues)
    errors.invalid(path, valueCount, `the total number of attribute values must not exceed ${maximumAttributeValues}`);
  const keys = {
    longestKey: maximumQualifiedNameLength,
    checkKey: (key: string, at: FieldPath) => validateQualifiedDeviceName(key, at, errors),
  };
  validateMap(attributes, { ...keys, path: path.child('attributes') }, errors, (attribute, at) =>
    validateAttribute(attribute, at, errors),
  );
  validateMap(capacity, { ...keys, path: path.child('capacity') }, errors, (item, at) =>
    validateCapacity(item, device.allowMultipleAllocations === true, at, errors),
  );
  if (!old || !semanticEqual(old.taints, taints))
    validateList(taints, maximumTaints, path.child('taints'), errors, (taint, at) => validateTaint(taint, at, errors));
  const consumptions = {
    maximum: maximumConsumptions,
    path: path.child('consumesCounters'),
    keyOf: (item: DeviceCounterConsumption) => item.counterSet ?? '',
  };
  validateSet(device.consumesCounters, consumptions, errors, (item, at) => {
    if (!item.counterSet) errors.required(at.child('counterSet'));
    else validateLabelName(item.counterSet, at.child('counterSet'), errors);
    validateCounters(item.counters, at.child('counters'), errors);
  });
  if (choosesNodes) validateDeviceNodes(device, path, errors);
  else if (device.nodeName !== undefined || device.nodeSelector || device.allNodes !== undefined) {
    const fields = '`nodeName`, `nodeSelector` and `allNodes`';
    errors.invalid(
      path,
      null,
      `${fields} can only be set if \`perDeviceNodeSelection\` is set to true in the ResourceSlice spec`,
    );
  }
  validateBindingConditions(device, path, errors);
}

function validateCounters(counters: CounterSet['counters'], path: FieldPath, errors: FieldErrors): void {
  if (!counters || Object.keys(counters).length === 0) return errors.required(path);
  const checkKey = (key: string, at: FieldPath): void => addInvalid(errors, at, key, validateDns1123Label(key));
  validateMap(counters, { maximum: maximumCounters, longestKey: longestLabel, path, checkKey }, errors, () => undefined);
}

function validateTaint(taint: DeviceTaint, path: FieldPath, errors: FieldErrors): void {
  qualifiedName(errors, path.child('key'), taint.key ?? '');
  if (taint.value) addInvalid(errors, path.child('value'), taint.value, validateLabelValue(taint.value));
  requiredOneOf(errors, path.child('effect'), taint.effect, taintEffects);
}

function validateDeviceNodes(device: Device, path: FieldPath, errors: FieldErrors): void {
  const { nodeName, nodeSelector, allNodes } = device;
  const set: string[] = [];
  if (nodeName) {
    set.push('`nodeName`');
    validateNodeName(nodeName, path.child('nodeName'), errors);
  } else if (nodeName !== undefined) errors.invalid(path.child('nodeName'), nodeName, 'must not be empty');
  if (nodeSelector) {
    set.push('`nodeSelector`');
    validateNodeSelector(nodeSelector, path.child('nodeSelector'), errors, false);
  }
  if (allNodes) set.push('`allNodes`');
  else if (allNodes !== undefined) errors.invalid(path.child('allNodes'), allNodes, unsetOrTrue);
  const choice =
    'exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when `perDeviceNodeSelection` is set to true in the ResourceSlice spec';
  if (set.length === 0) errors.required(path, choice);
  else if (set.length > 1) errors.invalid(path, `{${set.join(', ')}}`, choice);
}

/** Also of the results of an allocation, which repeat them. */
export function validateBindingConditions(
  device: Pick<Device, 'bindingConditions' | 'bindingFailureConditions'>,
  path: FieldPath,
  errors: FieldErrors,
): void {
  const { bindingConditions: conditions = [], bindingFailureConditions: failures = [] } = device;
  const at = path.child('bindingConditions');
  const failuresAt = path.child('bindingFailureConditions');
  const checkName = (name: string, here: FieldPath): void => qualifiedName(errors, here, name);
  validateList(conditions, maximumBindingConditions, at, errors, checkName);
  validateList(failures, maximumBindingConditions, failuresAt, errors, checkName);
  for (const [index, condition] of conditions.entries())
    if (conditions.indexOf(condition) < index) errors.duplicate(at.index(index), condition);
  for (const [index, condition] of failures.entries()) {
    if (failures.indexOf(condition) < index) errors.duplicate(failuresAt.index(index), condition);
    if (conditions.includes(condition)) {
      const text = 'bindingFailureConditions must not overlap with bindingConditions';
      errors.invalid(failuresAt.index(index), condition, text);
    }
  }
  const required = (field: string, other: string): string => `${field} are required to use ${other}`;
  if (conditions.length === 0 && failures.length > 0)
    errors.invalid(at, device.bindingConditions, required('bindingConditions', 'bindingFailureConditions'));
  if (failures.length === 0 && conditions.length > 0)
    errors.invalid(failuresAt, device.bindingFailureConditions, required('bindingFailureConditions', 'bindingConditions'));
}
