import type { PriorityClass } from '../../../api/generated/types.js';
import { PriorityClasses } from '../../../api/generated/resources.js';
import { fieldPath } from '../../../machinery/field-errors.js';
import { forbidden } from '../../../machinery/status-error.js';
import { defineResource } from '../../registry/resource-definition.js';
import { age } from '../../handlers/table.js';

const systemPrefix = 'system-';
const highestUserPriority = 1_000_000_000;
const systemValues: ReadonlyMap<string, number> = new Map([
  ['system-node-critical', 2 * highestUserPriority + 1000],
  ['system-cluster-critical', 2 * highestUserPriority],
]);

export const priorityClass = defineResource<PriorityClass>({
  reference: PriorityClasses,
  // 1 from the start, and never more: nothing but labels and descriptions can change.
  generation: () => false,
  defaults(object) {
    object.preemptionPolicy ??= 'PreemptLowerPriority';
  },
  validate(object, errors) {
    const name = object.metadata.name ?? '';
    if (name.startsWith(systemPrefix)) {
      const reason = notTheSystemClass(name, object);
      if (reason) {
        const text = `priority class names with '${systemPrefix}' prefix are reserved for system use only. error: ${reason}`;
        errors.forbidden(fieldPath('metadata', 'name'), text);
      }
    } else if (object.value > highestUserPriority) {
      errors.forbidden(fieldPath('value'), `maximum allowed value of a user defined priority is ${highestUserPriority}`);
    }
    const policy = object.preemptionPolicy;
    if (policy === '') errors.required(fieldPath('preemptionPolicy'));
    else if (policy !== undefined && policy !== 'PreemptLowerPriority' && policy !== 'Never') {
      errors.notSupported(fieldPath('preemptionPolicy'), policy, ['PreemptLowerPriority', 'Never']);
    }
  },
  validateUpdate(object, old, errors) {
    if (object.value !== old.value) errors.forbidden(fieldPath('value'), 'may not be changed in an update.');
    if (object.preemptionPolicy !== old.preemptionPolicy) {
      errors.invalid(fieldPath('preemptionPolicy'), object.preemptionPolicy, 'field is immutable');
    }
  },
  prepareForDelete({ metadata }) {
    if (!systemValues.has(metadata.name!)) return;
    const subject = { group: PriorityClasses.group, resource: PriorityClasses.resource, name: metadata.name! };
    throw forbidden(subject, 'this is a system priority class and cannot be deleted');
  },
  row: (object, context) => [
    object.metadata.name,
    object.value,
    object.globalDefault ?? false,
    age(object, context),
    object.preemptionPolicy ?? '',
  ],
});

function notTheSystemClass(name: string, object: PriorityClass): string | undefined {
  const value = systemValues.get(name);
  if (value === undefined) return `${name} is not a known system priority class`;
  if (value !== object.value) return `value of ${name} PriorityClass must be ${value}`;
  return object.globalDefault ? `globalDefault of ${name} PriorityClass must be false` : undefined;
}
