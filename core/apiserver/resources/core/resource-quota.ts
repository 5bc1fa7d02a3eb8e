import type { ResourceQuota, ResourceQuotaSpec } from '../../../api/generated/types.js';
import { internalValue } from '../../../api/internal-value.js';
import { ResourceQuotas } from '../../../api/generated/resources.js';
import type { FieldErrors, FieldPath } from '../../../machinery/field-errors.js';
import { fieldPath } from '../../../machinery/field-errors.js';
import { parseQuantity } from '../../../machinery/quantity.js';
import { age } from '../../handlers/table.js';
import { defineResource } from '../../registry/resource-definition.js';
import { statusResetFields, statusSubresource } from '../status-subresource.js';
import { immutableText } from './checks.js';
import {
  isStandardQuotaResource,
  roundResourceList,
  validateQuotaResourceName,
  validateResourceQuantity,
} from './resource-names.js';

const specPath = fieldPath('spec');
const existsScopes = ['BestEffort', 'NotBestEffort', 'Terminating', 'NotTerminating', 'CrossNamespacePodAffinity'];
const scopes = [...existsScopes, 'PriorityClass', 'VolumeAttributesClass'];
const computeResources = ['cpu', 'memory', 'limits.cpu', 'limits.memory', 'requests.cpu', 'requests.memory'];
const conflicting = [
  ['BestEffort', 'NotBestEffort'],
  ['Terminating', 'NotTerminating'],
] as const;

export const resourceQuota = defineResource<ResourceQuota>({
  reference: ResourceQuotas,
  returnsDeleted: true,
  generation: false,
  resetFields: statusResetFields,
  defaults({ spec, status }) {
    roundResourceList(spec.hard);
    roundResourceList(status?.hard);
    roundResourceList(status?.used);
  },
  validate: ({ spec }, errors) => validateSpec(spec, errors),
  validateUpdate({ spec }, old, errors) {
    validateSpec(spec, errors);
    const text = (list: readonly string[] | undefined): string => [...new Set(list)].sort().join(',');
    if (text(spec.scopes) !== text(old.spec.scopes)) errors.invalid(specPath.child('scopes'), spec.scopes ?? null, immutableText);
  },
  warnings: (object, old) => (old ? [] : quotaWarnings(object.spec)),
  row(object, context) {
    const hard = Object.keys(object.status?.hard ?? {}).sort();
    const used = object.status?.used ?? {};
    const column = (limits: boolean): string =>
      hard
        .filter(name => name.startsWith('limits.') === limits)
        .map(name => `${name}: ${used[name] ?? '0'}/${object.status.hard![name]}`)
        .join(', ');
    return [object.metadata.name, column(false), column(true), age(object, context)];
  },
  subresources: {
    status: statusSubresource<ResourceQuota>({
      validateUpdate({ status }, _old, errors) {
        for (const list of ['hard', 'used'] as const) validateAmounts(status?.[list], fieldPath('status', list), errors);
      },
    }),
  },
});

function validateAmounts(amounts: Readonly<Record<string, string>> | undefined, path: FieldPath, errors: FieldErrors): void {
  for (const [name, amount] of Object.entries(amounts ?? {})) {
    validateQuotaResourceName(errors, path.key(name), name);
    validateResourceQuantity(errors, path.key(name), name, parseQuantity(amount));
  }
}

/** Source: ValidateResourceQuotaSpec. */
function validateSpec(spec: ResourceQuotaSpec, errors: FieldErrors): void {
  validateAmounts(spec.hard, specPath.child('hard'), errors);
  const names = Object.keys(spec.hard ?? {})
    .filter(isStandardQuotaResource)
    .sort();
  const list = spec.scopes ?? [];
  const path = specPath.child('scopes');
  for (const scope of list) {
    if (!scopes.includes(scope)) errors.invalid(path, list, 'unsupported scope');
    for (const name of names) if (!isScopeValid(scope, name)) errors.invalid(path, list, 'unsupported scope applied to resource');
  }
  for (const pair of conflicting) if (pair.every(scope => list.includes(scope))) errors.invalid(path, list, 'conflicting scopes');
  if (spec.scopeSelector) validateScopeSelector(spec, names, errors);
}

function isScopeValid(scope: string, name: string): boolean {
  if (scope === 'BestEffort') return name === 'pods';
  if (scope === 'VolumeAttributesClass') return name === 'persistentvolumeclaims' || name === 'requests.storage';
  return !scopes.includes(scope) || name === 'pods' || computeResources.includes(name);
}

function validateScopeSelector(spec: ResourceQuotaSpec, names: readonly string[], errors: FieldErrors): void {
  const requirements = spec.scopeSelector!.matchExpressions ?? [];
  const path = specPath.child('scopeSelector', 'matchExpressions');
  for (const { scopeName, operator, values = [] } of requirements) {
    if (!scopes.includes(scopeName)) errors.invalid(path.child('scopeName'), scopeName, 'unsupported scope');
    for (const name of names)
      if (!isScopeValid(scopeName, name))
        errors.invalid(path, internalValue('*core.ScopeSelector', spec.scopeSelector), 'unsupported scope applied to resource');
    if (existsScopes.includes(scopeName) && operator !== 'Exists') {
      const text =
        "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity";
      errors.invalid(path.child('operator'), operator, text);
    }
    if (operator === 'In' || operator === 'NotIn') {
      if (!values.length)
        errors.required(path.child('values'), "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector");
    } else if (operator === 'Exists' || operator === 'DoesNotExist') {
      if (values.length) {
        errors.invalid(
          path.child('values'),
          values,
          "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector",
        );
      }
    } else errors.invalid(path.child('operator'), operator, 'not a valid selector operator');
  }
  for (const pair of conflicting) {
    if (pair.every(scope => requirements.some(requirement => requirement.scopeName === scope))) {
      errors.invalid(path, spec.scopes ?? null, 'conflicting scopes');
    }
  }
}

function quotaWarnings({ hard = {} }: ResourceQuotaSpec): string[] {
  const warnings: string[] = [];
  for (const name of ['cpu', 'memory', 'storage', 'ephemeral-storage']) {
    const names = name === 'cpu' || name === 'memory' ? [`requests.${name}`, name] : [`requests.${name}`];
    const request = names.find(candidate => hard[candidate] !== undefined);
    const limit = `limits.${name}`;
    if (request === undefined || hard[limit] === undefined) continue;
    if (parseQuantity(hard[request]!).compare(parseQuantity(hard[limit]!)) <= 0) continue;
    warnings.push(`ResourceQuota ${request} (${hard[request]}) should be less than ${limit} (${hard[limit]})`);
  }
  return warnings;
}
