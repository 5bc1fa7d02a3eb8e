import type { CustomResourceDefinition, CustomResourceDefinitionNames } from '../../api/generated/types.js';
import { fieldPath, quote } from '../../machinery/field-errors.js';
import { cloneJson, semanticEqual } from '../../machinery/object.js';
import type { JsonSchema } from '../../machinery/structural/json-schema.js';
import { unsupportedPart, validateStructural } from '../../machinery/structural/structural-rules.js';
import type { Condition } from '../resources/apiextensions/definition-status.js';
import {
  approvalOf,
  conditionOf,
  isConditionTrue,
  removeCondition,
  sameCondition,
  setCondition,
} from '../resources/apiextensions/definition-status.js';
import { isCaBundle } from '../resources/apiextensions/webhook-validation.js';

type Definition = Readonly<CustomResourceDefinition>;

/**
 * The status that a definition ought to have beside `others` of its group, or undefined when it has it. Source: the controllers of
 * apiextensions-apiserver (status, establish, nonstructuralschema, apiapproval).
 */
export function settledStatus(
  definition: Definition,
  others: readonly Definition[],
  now: string,
): CustomResourceDefinition | undefined {
  const draft = cloneJson(definition) as CustomResourceDefinition;
  settleApproval(draft, now);
  settleStructure(draft, now);
  settleNames(draft, others, now);
  establish(draft, now);
  return semanticEqual(draft.status, definition.status) ? undefined : draft;
}

/** Whether its objects are served. */
export function isServed(definition: Definition): boolean {
  const { plural, kind, singular, listKind } = definition.status.acceptedNames;
  if (!plural || !kind || !singular || !listKind) return false;
  return isConditionTrue(definition, 'NamesAccepted') || isConditionTrue(definition, 'Established');
}

function settleNames(draft: CustomResourceDefinition, others: readonly Definition[], now: string): void {
  const { names } = draft.spec;
  const before = draft.status.acceptedNames;
  if (semanticEqual(names, before)) return;
  const accepted = { ...before };
  const condition = acceptNames(names, accepted, [draft, ...others]);
  if (semanticEqual(accepted, before) && sameCondition(condition, conditionOf(draft, 'NamesAccepted'))) return;
  const { plural, singular, shortNames, kind, listKind, categories } = accepted;
  draft.status.acceptedNames = {
    plural,
    ...(singular ? { singular } : {}),
    ...(shortNames ? { shortNames } : {}),
    kind,
    ...(listKind ? { listKind } : {}),
    ...(categories ? { categories } : {}),
  };
  setCondition(draft, condition, now);
  if (isConditionTrue(draft, 'Established')) return;
  const isAccepted = condition.status === 'True';
  setCondition(
    draft,
    {
      type: 'Established',
      status: 'False',
      reason: isAccepted ? 'Installing' : 'NotAccepted',
      message: isAccepted ? 'the initial names have been accepted' : 'not all names are accepted',
    },
    now,
  );
}

/** Takes over into `accepted` what nobody else of the group has. */
function acceptNames(
  names: CustomResourceDefinitionNames,
  accepted: CustomResourceDefinitionNames,
  group: readonly Definition[],
): Condition {
  const taken = group.map(({ status }) => status.acceptedNames);
  const resources = new Set(taken.flatMap(({ plural, singular, shortNames }) => [plural, singular, ...(shortNames ?? [])]));
  const kinds = new Set(taken.flatMap(({ kind, listKind }) => [kind, listKind]));
  let fault: Condition | undefined;
  const refuse = (reason: string, message: string): void => {
    fault = { type: 'NamesAccepted', status: 'False', reason, message };
  };
  const inUse = (name: string): string => `${quote(name)} is already in use`;
  const check = (
    field: 'plural' | 'singular' | 'kind' | 'listKind',
    used: ReadonlySet<string | undefined>,
    reason: string,
  ): void => {
    const name = names[field] ?? '';
    if (name !== (accepted[field] ?? '') && used.has(name)) refuse(reason, inUse(name));
    else accepted[field] = name;
  };
  check('plural', resources, 'PluralConflict');
  check('singular', resources, 'SingularConflict');
  const own = accepted.shortNames ?? [];
  const clashes = (names.shortNames ?? []).filter(name => !own.includes(name) && resources.has(name)).map(inUse);
  if (clashes.length === 1) refuse('ShortNamesConflict', clashes[0]!);
  else if (clashes.length > 1) refuse('ShortNamesConflict', `[${clashes.join(', ')}]`);
  else if (names.shortNames) accepted.shortNames = [...names.shortNames];
  else delete accepted.shortNames;
  check('kind', kinds, 'KindConflict');
  check('listKind', kinds, 'ListKindConflict');
  if (names.categories) accepted.categories = [...names.categories];
  else delete accepted.categories;
  return fault ?? { type: 'NamesAccepted', status: 'True', reason: 'NoConflicts', message: 'no conflicts found' };
}

function establish(draft: CustomResourceDefinition, now: string): void {
  if (!isConditionTrue(draft, 'NamesAccepted') || isConditionTrue(draft, 'Established')) return;
  const established: Condition = isCaBundle(draft.spec.conversion?.webhook?.clientConfig?.caBundle)
    ? { type: 'Established', status: 'True', reason: 'InitialNamesAccepted', message: 'the initial names have been accepted' }
    : {
        type: 'Established',
        status: 'False',
        reason: 'InvalidCABundle',
        message: 'The conversion webhook CABundle is invalid',
      };
  setCondition(draft, established, now);
}

function settleStructure(draft: CustomResourceDefinition, now: string): void {
  const condition = structureCondition(draft);
  if (condition) setCondition(draft, condition, now);
  else if (conditionOf(draft, 'NonStructuralSchema')) removeCondition(draft, 'NonStructuralSchema');
}

const checkedStructures = new WeakMap<object, Condition | null>();

/** Definitions that this server lets in are structural; one that came with the datastore may not be. */
function structureCondition({ spec }: Definition): Condition | undefined {
  const known = checkedStructures.get(spec);
  if (known !== undefined) return known ?? undefined;
  const faults: string[] = [];
  let condition: Condition | undefined;
  if (spec.preserveUnknownFields) faults.push('spec.preserveUnknownFields: Invalid value: true: must be false');
  for (const [index, { name, schema }] of spec.versions.entries()) {
    if (!schema?.openAPIV3Schema) continue;
    const own = schema.openAPIV3Schema as JsonSchema;
    const unsupported = unsupportedPart(own);
    if (unsupported !== undefined) {
      const message = `failed to check validation schema for version ${name}: ${unsupported}`;
      condition ??= { type: 'NonStructuralSchema', status: 'Unknown', reason: 'StructuralError', message };
      continue;
    }
    const path = fieldPath('spec', 'versions').index(index).child('schema', 'openAPIV3Schema');
    for (const { field, body } of validateStructural(own, path).list) faults.push(`${field}: ${body}`);
  }
  if (!condition && faults.length) {
    const message = faults.length === 1 ? faults[0]! : `[${faults.join(', ')}]`;
    condition = { type: 'NonStructuralSchema', status: 'True', reason: 'Violations', message };
  }
  checkedStructures.set(spec, condition ?? null);
  return condition;
}

const approvalConditions = {
  invalid: { status: 'False', reason: 'InvalidAnnotation' },
  missing: { status: 'False', reason: 'MissingAnnotation' },
  approved: { status: 'True', reason: 'ApprovedAnnotation' },
  bypassed: { status: 'False', reason: 'UnapprovedAnnotation' },
} as const;

function settleApproval(draft: CustomResourceDefinition, now: string): void {
  const approval = approvalOf(draft);
  if (!approval) return;
  const type = 'KubernetesAPIApprovalPolicyConformant';
  const condition: Condition = { type, ...approvalConditions[approval.state], message: approval.reason };
  if (!sameCondition(condition, conditionOf(draft, type))) setCondition(draft, condition, now);
}
