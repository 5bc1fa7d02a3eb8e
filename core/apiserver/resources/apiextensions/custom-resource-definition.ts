import type { CustomResourceDefinition } from '../../../api/generated/types.js';
import { CustomResourceDefinitions } from '../../../api/generated/resources.js';
import { formatTime } from '../../../machinery/time.js';
import { cloneJson, semanticEqual } from '../../../machinery/object.js';
import { fieldPath } from '../../../machinery/field-errors.js';
import { nameIsDnsSubdomain } from '../../../machinery/names.js';
import type { JsonSchema } from '../../../machinery/structural/json-schema.js';
import { someSchema } from '../../../machinery/structural/json-schema.js';
import { isKnownFormat } from '../../../machinery/structural/formats.js';
import type { RuleEngine } from '../../../machinery/structural/rule-engine.js';
import type { ResourceDefinition } from '../../registry/resource-definition.js';
import { defineResource } from '../../registry/resource-definition.js';
import { setCondition, withCleanup } from './definition-status.js';
import { validateDefinition, validateDefinitionUpdate, validateNames } from './definition-validation.js';

export interface DefinitionOptions {
  /** Who knows rules in CEL. */
  readonly ruleEngine: RuleEngine;
}

/** Source: apiextensions-apiserver pkg/registry/customresourcedefinition, pkg/apis/apiextensions/v1 (defaults). */
export const customResourceDefinition = ({ ruleEngine }: DefinitionOptions): ResourceDefinition =>
  defineResource<CustomResourceDefinition>({
    reference: CustomResourceDefinitions,
    storagePrefix: 'apiextensions.k8s.io/customresourcedefinitions',
    freeFinalizers: true,
    allowUnconditionalUpdate: false,
    validateName: (name, prefix) => nameIsDnsSubdomain(name, prefix),
    defaults(object) {
      const { spec } = object;
      spec.names.singular ||= spec.names.kind.toLowerCase();
      if (!spec.names.listKind && spec.names.kind) spec.names.listKind = `${spec.names.kind}List`;
      spec.conversion ??= { strategy: 'None' };
      const { service } = spec.conversion.webhook?.clientConfig ?? {};
      if (service) service.port ??= 443;
      object.status ??= { acceptedNames: { plural: '', kind: '' } };
      if (object.status.storedVersions?.length) return;
      const stored = spec.versions?.find(version => version.storage);
      if (stored) object.status.storedVersions = [stored.name];
    },
    prepareForCreate(object) {
      const stored = object.spec.versions?.find(version => version.storage);
      object.status = {
        conditions: null as unknown as [],
        acceptedNames: { plural: '', kind: '' },
        storedVersions: stored ? [stored.name] : (null as unknown as []),
      };
    },
    prepareForUpdate(object, old) {
      object.status = cloneJson(old.status);
      const stored = object.spec.versions?.find(version => version.storage)?.name;
      const versions = (object.status.storedVersions ??= []);
      if (stored !== undefined && !versions.includes(stored)) versions.push(stored);
    },
    generation: (object, old) => !semanticEqual(object.spec, old.spec),
    validate: (object, errors) => validateDefinition(object, { errors, ruleEngine }),
    validateUpdate: (object, old, errors) => validateDefinitionUpdate(object, old, { errors, ruleEngine }),
    warnings(object, old) {
      const before = old ? unknownFormats(old) : [];
      const formats = unknownFormats(object).filter(format => !before.includes(format));
      return formats.map(format => `unrecognized format ${JSON.stringify(format)}`);
    },
    subresources: {
      status: {
        type: 'update',
        prepareForUpdate(object, old) {
          object.spec = cloneJson(old.spec);
        },
        validateUpdate: (object, _old, errors) =>
          validateNames(object.status.acceptedNames, fieldPath('status', 'acceptedNames'), errors),
      },
    },
    resetFields: { '': ['status'], status: ['spec'] },
    row: object => [object.metadata.name, object.metadata.creationTimestamp ?? ''],
    /** The first request marks; what takes the finalizer off removes the instances before. */
    prepareForDelete(object, { nowMs }) {
      if (object.status.conditions?.some(({ type }) => type === 'Terminating')) return;
      // Upstream marks these in its own way, which counts no generation and knows no grace.
      if (object.metadata.generation) object.metadata.generation--;
      delete object.metadata.deletionGracePeriodSeconds;
      object.metadata.finalizers = withCleanup(object.metadata.finalizers);
      setCondition(
        object,
        {
          type: 'Terminating',
          status: 'True',
          reason: 'InstanceDeletionPending',
          message: 'CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon',
        },
        formatTime(nowMs),
      );
    },
  });

function schemasOf({ spec }: Readonly<CustomResourceDefinition>): JsonSchema[] {
  return (spec.versions ?? []).flatMap(({ schema }) => (schema?.openAPIV3Schema ? [schema.openAPIV3Schema as JsonSchema] : []));
}

function unknownFormats(object: Readonly<CustomResourceDefinition>): string[] {
  const found: string[] = [];
  for (const schema of schemasOf(object)) {
    someSchema(schema, part => {
      if (part.format && !isKnownFormat(part)) found.push(part.format);
      return false;
    });
  }
  return [...new Set(found)];
}
