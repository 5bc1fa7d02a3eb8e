import type {
  CustomResourceColumnDefinition,
  CustomResourceConversion,
  CustomResourceDefinition,
  CustomResourceDefinitionNames,
  CustomResourceDefinitionVersion,
  CustomResourceSubresources,
  SelectableField,
} from '../../../api/generated/types.js';
import { internalValue } from '../../../api/internal-value.js';
import type { FieldErrors, FieldPath } from '../../../machinery/field-errors.js';
import { fieldPath, jsonValue } from '../../../machinery/field-errors.js';
import { validateDns1035Label, validateDns1123Subdomain } from '../../../machinery/names.js';
import { semanticEqual } from '../../../machinery/object.js';
import { findField } from '../../../machinery/structural/field-paths.js';
import type { JsonSchema } from '../../../machinery/structural/json-schema.js';
import { hasDefault, someSchema } from '../../../machinery/structural/json-schema.js';
import type { RuleEngine } from '../../../machinery/structural/rule-engine.js';
import { approvalOf, isConditionTrue } from './definition-status.js';
import { validateDefinitionSchema } from './schema-validation.js';
import { validateConversionWebhook } from './webhook-validation.js';

const columnTypes = ['boolean', 'date', 'integer', 'number', 'string'];
const columnFormats = ['byte', 'date', 'date-time', 'double', 'float', 'int32', 'int64', 'password'];
const maximumSelectableFields = 8;

export interface DefinitionOutcome {
  readonly errors: FieldErrors;
  readonly ruleEngine: RuleEngine;
}

/** Source: apiextensions-apiserver pkg/apis/apiextensions/validation. */
export async function validateDefinition(
  definition: CustomResourceDefinition,
  { errors, ruleEngine }: DefinitionOutcome,
): Promise<void> {
  const { metadata, spec } = definition;
  if (metadata.name && metadata.name !== `${spec.names.plural}.${spec.group}`) {
    errors.invalid(fieldPath('metadata', 'name'), metadata.name, 'must be spec.names.plural+"."+spec.group');
  }
  await validateSpec(definition, undefined, { errors, ruleEngine });
  validateRest(definition, undefined, errors);
  if (spec.preserveUnknownFields) refusePreserving(errors);
}

export async function validateDefinitionUpdate(
  definition: CustomResourceDefinition,
  old: Readonly<CustomResourceDefinition>,
  { errors, ruleEngine }: DefinitionOutcome,
): Promise<void> {
  await validateSpec(definition, old, { errors, ruleEngine });
  const path = fieldPath('spec');
  const immutable = (at: FieldPath, value: unknown, before: unknown): void => {
    if (value !== before) errors.invalid(at, jsonValue(value), 'field is immutable');
  };
  const { spec } = definition;
  if (isConditionTrue(old, 'Established')) {
    immutable(path.child('scope'), spec.scope, old.spec.scope);
    immutable(path.child('names', 'kind'), spec.names.kind, old.spec.names.kind);
  }
  immutable(path.child('group'), spec.group, old.spec.group);
  immutable(path.child('names', 'plural'), spec.names.plural, old.spec.names.plural);
  validateRest(definition, old, errors);
  if (spec.preserveUnknownFields && !old.spec.preserveUnknownFields) refusePreserving(errors);
}

function refusePreserving(errors: FieldErrors): void {
  const text = 'cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead';
  errors.invalid(fieldPath('spec', 'preserveUnknownFields'), true, text);
}

function validateRest(
  definition: CustomResourceDefinition,
  old: Readonly<CustomResourceDefinition> | undefined,
  errors: FieldErrors,
): void {
  const { spec, status } = definition;
  validateNames(status.acceptedNames, fieldPath('status', 'acceptedNames'), errors);
  validateStoredVersions(status.storedVersions ?? [], spec.versions ?? [], errors);
  const approval = approvalOf(definition);
  if (!approval || (old && approvalOf(old)?.state === approval.state)) return;
  const path = fieldPath('metadata', 'annotations').key('api-approved.kubernetes.io');
  if (approval.state === 'missing') errors.required(path, approval.reason);
  if (approval.state === 'invalid') errors.invalid(path, approval.annotation, approval.reason);
}

function validateStoredVersions(
  stored: readonly string[],
  versions: readonly CustomResourceDefinitionVersion[],
  errors: FieldErrors,
): void {
  const path = fieldPath('status', 'storedVersions');
  if (stored.length === 0) return errors.invalid(path, null, 'must have at least one stored version');
  const left = new Set(stored);
  for (const { name, storage } of versions) {
    // A second version of a name is not in the list any more, upstream as here.
    if (!left.delete(name) && storage) errors.invalid(path, stored, `must have the storage version ${name}`);
  }
  for (const [index, name] of stored.entries()) {
    if (versions.some(version => version.name === name)) continue;
    const text =
      `missing from spec.versions; ${name} was previously a storage version, and must remain in spec.versions until a storage ` +
      `migration ensures no data remains persisted in ${name} and removes ${name} from status.storedVersions`;
    errors.invalid(path.index(index), name, text);
  }
}

/** Upstream's internal form has what all versions share in one place, and its messages name that place. */
class Shared {
  readonly schema: boolean;
  readonly subresources: boolean;
  readonly columns: boolean;
  readonly selectable: boolean;

  constructor(versions: readonly CustomResourceDefinitionVersion[]) {
    const first = versions[0];
    const same = (field: keyof CustomResourceDefinitionVersion): boolean =>
      versions.every(version => semanticEqual(version[field], first?.[field]));
    this.schema = same('schema');
    this.subresources = same('subresources');
    this.columns = same('additionalPrinterColumns');
    this.selectable = same('selectableFields');
  }
}

async function validateSpec(
  { spec }: CustomResourceDefinition,
  old: Readonly<CustomResourceDefinition> | undefined,
  { errors, ruleEngine }: DefinitionOutcome,
): Promise<void> {
  const path = fieldPath('spec');
  const versions = spec.versions ?? [];
  const shared = new Shared(versions);
  validateGroup(spec.group, path.child('group'), errors);
  if (!spec.scope) errors.required(path.child('scope'));
  else if (spec.scope !== 'Cluster' && spec.scope !== 'Namespaced') {
    errors.notSupported(path.child('scope'), spec.scope, ['Cluster', 'Namespaced']);
  }
  const schemaOf = ({ schema }: CustomResourceDefinitionVersion): JsonSchema | undefined =>
    schema?.openAPIV3Schema as JsonSchema | undefined;
  const checkSchema = (version: CustomResourceDefinitionVersion, at: FieldPath, hasStatus: boolean): Promise<void> => {
    const schema = schemaOf(version)!;
    const before = old?.spec.versions.find(({ name }) => name === version.name);
    const limitsEach = !before || !semanticEqual(schemaOf(before), schema);
    return validateDefinitionSchema(schema, { path: at, hasStatus, errors, ruleEngine, limitsEach });
  };
  for (const [index, version] of versions.entries()) {
    if (!schemaOf(version)) errors.required(path.child('versions').index(index).child('schema', 'openAPIV3Schema'));
  }
  if (spec.preserveUnknownFields && versions.some(version => someSchema(schemaOf(version), hasDefault))) {
    errors.invalid(path.child('preserveUnknownFields'), true, 'must be false in order to use defaults in the schema');
  }
  for (const [index, version] of versions.entries()) {
    const at = path.child('versions').index(index);
    const faults = validateDns1035Label(version.name);
    if (faults.length) errors.invalid(at.child('name'), version.name, faults.join(','));
    validateDeprecation(version, at.child('deprecationWarning'), errors);
    const hasStatus = version.subresources?.status !== undefined;
    const schema = schemaOf(version);
    if (!shared.schema && schema) await checkSchema(version, at.child('schema'), hasStatus);
    if (!shared.subresources) validateSubresources(version.subresources, at.child('subresources'), errors);
    if (!shared.columns) validateColumns(version.additionalPrinterColumns, at.child('additionalPrinterColumns'), errors);
    if (!shared.selectable) validateSelectable(version.selectableFields, schema, at.child('selectableFields'), errors);
  }
  const shown = internalValue(
    '[]apiextensions.CustomResourceDefinitionVersion',
    spec.versions && versions.map(version => ownPart(version, shared)),
  );
  if (new Set(versions.map(({ name }) => name)).size !== versions.length) {
    errors.invalid(path.child('versions'), shown, 'must contain unique version names');
  }
  if (versions.filter(({ storage }) => storage).length !== 1) {
    errors.invalid(path.child('versions'), shown, 'must have exactly one version marked as storage version');
  }
  const first = versions[0];
  const faults = first?.name ? validateDns1035Label(first.name) : [];
  if (faults.length) errors.invalid(path.child('version'), first!.name, faults.join(','));
  for (const name of ['plural', 'singular', 'kind', 'listKind'] as const) {
    if (!spec.names[name]) errors.required(path.child('names', name));
  }
  validateNames(spec.names, path.child('names'), errors);
  if (first && shared.schema && schemaOf(first)) {
    const hasStatus = versions.some(({ subresources }) => subresources?.status !== undefined);
    await checkSchema(first, path.child('validation'), hasStatus);
  }
  if (first && shared.subresources) validateSubresources(first.subresources, path.child('subresources'), errors);
  if (first && shared.columns) validateColumns(first.additionalPrinterColumns, path.child('additionalPrinterColumns'), errors);
  if (first?.selectableFields?.length && shared.selectable && !shared.schema) {
    // Upstream's internal form has the fields beside the versions then, and no schema there.
    errors.invalid(path.child('selectableFields'), '', 'may only be set when validations.schema is included');
  } else if (first && shared.selectable) {
    validateSelectable(first.selectableFields, schemaOf(first), path.child('selectableFields'), errors);
  }
  validateConversion(spec.conversion, spec.preserveUnknownFields === true, path.child('conversion'), errors);
}

/** What stays with a version in upstream's internal form. */
function ownPart(version: CustomResourceDefinitionVersion, shared: Shared): CustomResourceDefinitionVersion {
  const own = { ...version };
  if (shared.schema) delete own.schema;
  if (shared.subresources) delete own.subresources;
  if (shared.columns) delete own.additionalPrinterColumns;
  if (shared.selectable) delete own.selectableFields;
  return own;
}

function validateGroup(group: string, path: FieldPath, errors: FieldErrors): void {
  if (!group) return errors.required(path);
  const faults = validateDns1123Subdomain(group);
  if (faults.length) errors.invalid(path, group, faults.join(','));
  else if (!group.includes('.')) errors.invalid(path, group, 'should be a domain with at least one dot');
}

function validateDeprecation(
  { deprecated, deprecationWarning: text }: CustomResourceDefinitionVersion,
  path: FieldPath,
  errors: FieldErrors,
): void {
  if (text === undefined) return;
  if (!deprecated) return errors.invalid(path, text, 'can only be set for deprecated versions');
  if (Buffer.byteLength(text) > 256) errors.invalid(path, text, 'must be <= 256 characters long');
  if (text === '') errors.invalid(path, text, 'must not be an empty string');
  const odd = /[\p{C}\p{Zl}\p{Zp}]|(?! )\p{Zs}/u.exec(text);
  if (!odd) return;
  const index = Buffer.byteLength(text.slice(0, odd.index));
  errors.invalid(path, text, `must only contain printable UTF-8 characters; non-printable character found at index ${index}`);
}

export function validateNames(
  names: Readonly<CustomResourceDefinitionNames> | undefined,
  path: FieldPath,
  errors: FieldErrors,
): void {
  if (!names) return;
  for (const field of ['plural', 'singular'] as const) {
    const faults = names[field] ? validateDns1035Label(names[field]) : [];
    if (faults.length) errors.invalid(path.child(field), names[field], faults.join(','));
  }
  for (const field of ['kind', 'listKind'] as const) {
    const faults = names[field] ? validateDns1035Label(names[field].toLowerCase()) : [];
    if (!faults.length) continue;
    errors.invalid(path.child(field), names[field], `may have mixed case, but should otherwise match: ${faults.join(',')}`);
  }
  const validateList = (field: 'shortNames' | 'categories'): void => {
    for (const [index, name] of (names[field] ?? []).entries()) {
      const faults = validateDns1035Label(name);
      if (faults.length) errors.invalid(path.child(field).index(index), name, faults.join(','));
    }
  };
  validateList('shortNames');
  if (names.kind && names.kind === names.listKind) {
    errors.invalid(path.child('listKind'), names.listKind, 'kind and listKind may not be the same');
  }
  validateList('categories');
}

function validateColumns(
  columns: readonly CustomResourceColumnDefinition[] | undefined,
  path: FieldPath,
  errors: FieldErrors,
): void {
  for (const [index, column] of (columns ?? []).entries()) {
    const at = path.index(index);
    if (!column.name) errors.required(at.child('name'));
    const types = `must be one of ${columnTypes.join(',')}`;
    if (!column.type) errors.required(at.child('type'), types);
    else if (!columnTypes.includes(column.type)) errors.invalid(at.child('type'), column.type, types);
    if (column.format && !columnFormats.includes(column.format)) {
      errors.invalid(at.child('format'), column.format, `must be one of ${columnFormats.join(',')}`);
    }
    if (!column.jsonPath) errors.required(at.child('JSONPath'));
    else validatePath(column.jsonPath, at.child('JSONPath'), errors);
  }
}

/** True for a path that is well-formed. */
function validatePath(text: string, path: FieldPath, errors: FieldErrors): boolean {
  if (text.startsWith('.')) return true;
  errors.invalid(path, text, 'must be a simple json path starting with .');
  return false;
}

function validateSubresources(subresources: CustomResourceSubresources | undefined, path: FieldPath, errors: FieldErrors): void {
  const scale = subresources?.scale;
  if (!scale) return;
  const check = (field: 'specReplicasPath' | 'statusReplicasPath', below: string): void => {
    const at = path.child(`scale.${field}`);
    if (!scale[field]) return errors.required(at);
    if (!validatePath(scale[field], at, errors) || scale[field].startsWith(below)) return;
    errors.invalid(at, scale[field], `should be a json path under ${below.slice(0, -1)}`);
  };
  check('specReplicasPath', '.spec.');
  check('statusReplicasPath', '.status.');
  const { labelSelectorPath: selector } = scale;
  if (!selector) return;
  const at = path.child('scale.labelSelectorPath');
  if (!validatePath(selector, at, errors) || /^\.(spec|status)\./.test(selector)) return;
  errors.invalid(at, selector, 'should be a json path under either .spec or .status');
}

function validateSelectable(
  fields: readonly SelectableField[] | undefined,
  schema: JsonSchema | undefined,
  path: FieldPath,
  errors: FieldErrors,
): void {
  if (!fields?.length) return;
  if (!schema) return errors.invalid(path, '', 'may only be set when `version.schema.openAPIV3Schema` is not included');
  const seen = new Set<string>();
  for (const [index, { jsonPath }] of fields.entries()) {
    const at = path.index(index).child('jsonPath');
    if (!jsonPath) {
      errors.required(at);
      continue;
    }
    const found = findField(jsonPath, schema, { brackets: false });
    if (typeof found === 'string') {
      errors.invalid(at, jsonPath, `is an invalid path: ${found}`);
      continue;
    }
    if (/^\.metadata(\.|$)/.test(jsonPath)) errors.invalid(at, jsonPath, 'must not point to fields in metadata');
    if (!['string', 'boolean', 'integer'].includes(found.schema.type ?? '')) {
      const text =
        'must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.';
      errors.invalid(at, jsonPath, text);
    }
    if (seen.has(jsonPath)) errors.duplicate(at, jsonPath);
    seen.add(jsonPath);
  }
  if (seen.size > maximumSelectableFields) errors.tooMany(path, seen.size, maximumSelectableFields);
}

function validateConversion(
  conversion: CustomResourceConversion | undefined,
  preserves: boolean,
  path: FieldPath,
  errors: FieldErrors,
): void {
  if (!conversion) return;
  const { strategy, webhook } = conversion;
  if (strategy !== 'None' && preserves) {
    errors.invalid(path.child('strategy'), strategy, 'must be None if spec.preserveUnknownFields is true');
  }
  if (!strategy) errors.required(path.child('strategy'));
  else if (strategy !== 'None' && strategy !== 'Webhook')
    errors.notSupported(path.child('strategy'), strategy, ['None', 'Webhook']);
  if (strategy === 'Webhook') return validateConversionWebhook(webhook, path, errors);
  const text = 'should not be set when strategy is not set to Webhook';
  if (webhook?.clientConfig) errors.forbidden(path.child('webhookClientConfig'), text);
  if (webhook?.conversionReviewVersions?.length) errors.forbidden(path.child('conversionReviewVersions'), text);
}
