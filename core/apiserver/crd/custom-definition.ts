import type { CustomResourceDefinitionVersion } from '../../api/generated/types.js';
import type { ResourceReference } from '../../api/resource-reference.js';
import { FieldErrors, FieldPath, fieldPath, quote } from '../../machinery/field-errors.js';
import { JsonPath } from '../../machinery/json-path.js';
import { validateQualifiedName } from '../../machinery/names.js';
import type { KubeObject, ObjectMeta } from '../../machinery/object.js';
import { cloneJson, formatApiVersion, jsonEqual } from '../../machinery/object.js';
import type { StructType } from '../../machinery/schema.js';
import { forbidden } from '../../machinery/status-error.js';
import { applyDefaults } from '../../machinery/structural/defaults.js';
import { validateEmbedded } from '../../machinery/structural/embedded-metadata.js';
import type { JsonSchema } from '../../machinery/structural/json-schema.js';
import { propertyOf } from '../../machinery/structural/json-schema.js';
import type { ObjectRules, RuleEngine, RuleOutcome } from '../../machinery/structural/rule-engine.js';
import { validateListItems } from '../../machinery/structural/list-items.js';
import { validateValue } from '../../machinery/structural/schema-validator.js';
import { validateInnerMetadata } from '../registry/object-metadata.js';
import type { RequestContext, ResourceDefinition, SubresourceDefinition } from '../registry/resource-definition.js';
import type { CustomColumns } from './custom-columns.js';
import { customScale, validateScale } from './custom-scale.js';

type Custom = KubeObject & Record<string, unknown>;

export interface CustomDefinitionOptions {
  readonly reference: ResourceReference;
  readonly version: Omit<CustomResourceDefinitionVersion, 'schema'>;
  readonly schema: () => JsonSchema;
  readonly deprecation: string | undefined;
  readonly columns: CustomColumns;
  /** The type of ObjectMeta. */
  readonly metadata: StructType;
  /** Whether the definition is being deleted: nothing new then. */
  readonly isTerminating: () => boolean;
  readonly ruleEngine: RuleEngine;
}

const blocking: ReadonlySet<string> = new Set([
  'FieldValueNotSupported',
  'FieldValueRequired',
  'FieldValueTooLong',
  'FieldValueTooMany',
  'FieldValueTypeInvalid',
]);
const standardFinalizers = ['kubernetes', 'orphan', 'foregroundDeletion'];

/** One version of a custom resource. Source: apiextensions-apiserver pkg/registry/customresource. */
export function customDefinition(options: CustomDefinitionOptions): ResourceDefinition {
  const { reference, version, schema, deprecation, columns } = options;
  const rules = new CustomRules(options);
  const { status, scale } = version.subresources ?? {};
  const subresources: Record<string, SubresourceDefinition<KubeObject>> = {};
  if (status) {
    subresources['status'] = {
      type: 'update',
      validateUpdate: (object, old, errors, context) =>
        rules.validateStatus(object as Custom, old as Custom, outcomeOf(errors, context)),
    };
  }
  if (scale) subresources['scale'] = customScale(scale);
  const fields = version.selectableFields ?? [];
  return {
    reference: reference as ResourceReference<KubeObject>,
    freeFinalizers: true,
    keepsEmptyLists: true,
    allowUnconditionalUpdate: false,
    ...(deprecation === undefined ? {} : { deprecation }),
    defaults: object => applyDefaults(object, schema()),
    prepareForCreate(object) {
      if (options.isTerminating()) {
        const { group, resource } = reference;
        const text = 'create not allowed while custom resource definition is terminating';
        throw forbidden({ group, resource, name: object.metadata.name ?? '' }, text);
      }
      if (status) delete (object as Custom)['status'];
    },
    prepareForUpdate(object, old) {
      if (!status) return;
      const before = (old as Custom)['status'];
      if (before === undefined) delete (object as Custom)['status'];
      else (object as Custom)['status'] = cloneJson(before);
    },
    generation: (object, old) => !jsonEqual(content(object), content(old)),
    validate: (object, errors, context) => rules.validate(object as Custom, undefined, outcomeOf(errors, context)),
    validateUpdate: (object, old, errors, context) => rules.validate(object as Custom, old as Custom, outcomeOf(errors, context)),
    warnings: (object, old) => finalizerWarnings(object.metadata, old?.metadata),
    row: (object, context) => columns.row(object, context),
    ...(fields.length ? { selectableFields: Object.fromEntries(fields.map(({ jsonPath }) => selectableField(jsonPath))) } : {}),
    subresources,
    resetFields: { '': status ? ['status'] : [], status: ['metadata', 'spec'] },
  };
}

function outcomeOf(errors: FieldErrors, context: RequestContext): RuleOutcome {
  return { errors, warn: text => context.warn(text) };
}

/** All but metadata: what a generation counts the changes of. */
function content(object: Readonly<KubeObject>): object {
  const { metadata: _metadata, ...rest } = object;
  return rest;
}

function selectableField(jsonPath: string): [string, (object: Readonly<KubeObject>) => string] {
  const path = new JsonPath(jsonPath);
  return [
    jsonPath.replace(/^\./, ''),
    object => {
      const [value] = path.find(object);
      return value === undefined || value === null ? '' : String(value as string);
    },
  ];
}

function finalizerWarnings(metadata: ObjectMeta, old: ObjectMeta | undefined): string[] {
  const added = (metadata.finalizers ?? []).filter(name => !old?.finalizers?.includes(name));
  return [...new Set(added)].sort().flatMap(name => {
    const at = `metadata.finalizers: ${quote(name)}: `;
    const warnings = validateQualifiedName(name).map(text => `${at}${text}`);
    if (name.includes('/') || standardFinalizers.includes(name)) return warnings;
    const form = name.includes('.') ? ' including a path (/)' : '';
    return [
      ...warnings,
      `${at}prefer a domain-qualified finalizer name${form} to avoid accidental conflicts with other finalizer writers`,
    ];
  });
}

class CustomRules {
  readonly #options: CustomDefinitionOptions;
  /** Made with the first object that is written. */
  #prepared: Promise<ObjectRules | undefined> | undefined;

  constructor(options: CustomDefinitionOptions) {
    this.#options = options;
  }

  async validate(object: Custom, old: Custom | undefined, outcome: RuleOutcome): Promise<void> {
    const { errors } = outcome;
    if (!this.#validateType(object, errors)) return;
    const { version, metadata } = this.#options;
    const schema = this.#options.schema();
    validateValue(object, schema, errors, { old });
    const scale = version.subresources?.scale;
    if (scale) {
      validateScale(object, scale, 'spec', errors);
      validateScale(object, scale, 'status', errors);
    }
    const validateMetadata = (inner: Record<string, unknown>, path: FieldPath): void =>
      validateInnerMetadata(inner, path, errors);
    validateEmbedded(object, schema, new FieldPath(), { errors, metadata, validateMetadata });
    this.#validateLists(object, old, errors);
    await this.#validateRules(object, old, outcome);
  }

  async validateStatus(object: Custom, old: Custom, outcome: RuleOutcome): Promise<void> {
    const { errors } = outcome;
    if (!this.#validateType(object, errors)) return;
    const schema = propertyOf(this.#options.schema(), 'status');
    if (schema && object['status'] !== undefined) {
      validateValue(object['status'], schema, errors, { old: old['status'], path: fieldPath('status') });
    }
    const scale = this.#options.version.subresources?.scale;
    if (scale) validateScale(object, scale, 'status', errors);
    this.#validateLists(object, old, errors);
    await this.#validateRules(object, old, outcome);
  }

  /** Rules read what the schema promises: of what it does not keep to they say nothing. */
  async #validateRules(object: Custom, old: Custom | undefined, outcome: RuleOutcome): Promise<void> {
    const { ruleEngine, schema } = this.#options;
    const rules = await (this.#prepared ??= ruleEngine.prepare(schema()));
    if (!rules) return;
    const { errors } = outcome;
    if (!errors.list.some(({ type }) => blocking.has(type))) return rules.validate(object, old, outcome);
    const text =
      'some validation rules were not checked because the object was invalid; correct the existing errors to complete validation';
    errors.invalid(new FieldPath(), null, text);
  }

  /** What was twofold before may stay so. */
  #validateLists(object: Custom, old: Custom | undefined, errors: FieldErrors): void {
    const schema = this.#options.schema();
    const found = new FieldErrors();
    validateListItems(object, schema, found);
    if (found.empty) return;
    const before = new FieldErrors();
    if (old) validateListItems(old, schema, before);
    if (before.empty) errors.addAll(found);
  }

  /** An object of another kind is told nothing else. */
  #validateType({ kind, apiVersion }: Custom, errors: FieldErrors): boolean {
    const { reference } = this.#options;
    const expected = formatApiVersion(reference);
    if (kind === reference.kind && apiVersion === expected) return true;
    errors.list.length = 0;
    if (kind !== reference.kind) errors.invalid(fieldPath('kind'), kind, `must be ${reference.kind}`);
    if (apiVersion !== expected) errors.invalid(fieldPath('apiVersion'), apiVersion, `must be ${expected}`);
    return false;
  }
}
