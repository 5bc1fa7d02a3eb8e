import type { APIService, APIServiceSpec } from '../../../api/generated/types.js';
import { APIServices } from '../../../api/generated/resources.js';
import type { FieldErrors } from '../../../machinery/field-errors.js';
import { fieldPath, quote } from '../../../machinery/field-errors.js';
import {
  nameIsPathSegment,
  validateDns1035Label,
  validateDns1123Subdomain,
  validatePortNumber,
} from '../../../machinery/names.js';
import { cloneJson } from '../../../machinery/object.js';
import { formatTime } from '../../../machinery/time.js';
import { age } from '../../handlers/table.js';
import { defineResource } from '../../registry/resource-definition.js';
import { supported } from '../core/checks.js';
import { availableCondition, locallyAvailable, setAvailability } from './available-condition.js';

const path = fieldPath('spec');
const statuses = ['True', 'False', 'Unknown'];
const largestGroupPriority = 20_000;
const largestVersionPriority = 1000;
const defaultPort = 443;

/** Source: kube-aggregator pkg/registry/apiservice, pkg/apis/apiregistration/{v1/defaults,validation}. */
export const apiService = defineResource<APIService>({
  reference: APIServices,
  storagePrefix: 'apiregistration.k8s.io/apiservices',
  allowUnconditionalUpdate: false,
  generation: false,
  validateName: nameIsPathSegment,
  resetFields: { '': ['status'], status: ['spec', 'metadata'] },
  checks: { update: ['change', 'object', 'validate'] },
  defaults({ spec }) {
    if (spec?.service) spec.service.port ??= defaultPort;
  },
  prepareForCreate(object, { nowMs }) {
    object.status = {};
    if (!object.spec.service) setAvailability(object, locallyAvailable, formatTime(nowMs));
  },
  prepareForUpdate(object, old) {
    object.status = cloneJson(old.status);
  },
  validate(object, errors) {
    const { group = '', version = '' } = object.spec;
    const { name } = object.metadata;
    const wanted = `${version}.${group}`;
    if (name && name !== wanted && nameIsPathSegment(name, false).length === 0) {
      errors.invalid(fieldPath('metadata', 'name'), name, `must be \`spec.version+"."+spec.group\`: ${quote(wanted)}`);
    }
    validateSpec(object.spec, errors);
  },
  subresources: {
    status: {
      type: 'update',
      prepareForUpdate(object, old) {
        object.spec = cloneJson(old.spec);
        for (const field of ['labels', 'annotations', 'finalizers', 'ownerReferences'] as const) {
          const value = old.metadata[field];
          if (value) Object.assign(object.metadata, { [field]: cloneJson(value) });
          else delete object.metadata[field];
        }
      },
      validateUpdate({ status }, _old, errors) {
        for (const [index, condition] of (status.conditions ?? []).entries()) {
          supported(errors, fieldPath('status', 'conditions').index(index).child('status'), condition.status, statuses);
        }
      },
    },
  },
  row: (object, context) => [object.metadata.name, serviceCell(object.spec), availableCell(object), age(object, context)],
});

function validateSpec(spec: APIServiceSpec, errors: FieldErrors): void {
  const { group = '', version = '', groupPriorityMinimum, versionPriority, caBundle = '', insecureSkipTLSVerify, service } = spec;
  if (group === '' && version !== 'v1') {
    errors.required(path.child('group'), 'only v1 may have an empty group and it better be legacy kube');
  }
  if (group !== '') for (const text of validateDns1123Subdomain(group)) errors.invalid(path.child('group'), group, text);
  for (const text of validateDns1035Label(version)) errors.invalid(path.child('version'), version, text);
  if (groupPriorityMinimum <= 0 || groupPriorityMinimum > largestGroupPriority) {
    errors.invalid(path.child('groupPriorityMinimum'), groupPriorityMinimum, 'must be positive and less than 20000');
  }
  if (versionPriority <= 0 || versionPriority > largestVersionPriority) {
    errors.invalid(path.child('versionPriority'), versionPriority, 'must be positive and less than 1000');
  }
  const insecure = path.child('insecureSkipTLSVerify');
  if (!service) {
    if (caBundle) {
      const length = Buffer.from(caBundle, 'base64').length;
      errors.invalid(path.child('caBundle'), `${length} bytes`, 'local APIServices may not have a caBundle');
    }
    if (insecureSkipTLSVerify) errors.invalid(insecure, true, 'local APIServices may not have insecureSkipTLSVerify');
    return;
  }
  const at = path.child('service');
  if (!service.namespace) errors.required(at.child('namespace'));
  if (!service.name) errors.required(at.child('name'));
  const port = service.port ?? defaultPort;
  const faults = validatePortNumber(port);
  if (faults.length > 0) errors.invalid(at.child('port'), port, `port is not valid: ${faults.join(', ')}`);
  if (insecureSkipTLSVerify && caBundle) errors.invalid(insecure, true, 'may not be true if caBundle is present');
}

function serviceCell({ service }: APIServiceSpec): string {
  return service ? `${service.namespace}/${service.name}` : 'Local';
}

function availableCell(object: Readonly<APIService>): string {
  const condition = availableCondition(object);
  if (!condition) return 'Unknown';
  const { status, reason } = condition;
  return status !== 'True' && reason ? `${status} (${reason})` : status;
}
