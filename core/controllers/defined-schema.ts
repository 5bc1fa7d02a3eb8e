import type { CustomResourceDefinition } from '../api/generated/types.js';
import { loadTypes } from '../api/schema-data.js';
import type { CelSchema } from '../machinery/cel/schema-type.js';
import { structSchema } from '../machinery/cel/struct-schema.js';
import type { GroupVersionKind } from '../machinery/object.js';

const objectMetaType = 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta';
const text: CelSchema = { type: 'string' };

/**
 * The schema of a custom resource as the server publishes it: whole objects, also within others, have the metadata that all have.
 * Undefined where nothing defines the kind.
 */
export function definedSchema(
  { group, version, kind }: GroupVersionKind,
  definitions: readonly CustomResourceDefinition[],
): CelSchema | undefined {
  const found = definitions.find(({ spec }) => spec.group === group && spec.names.kind === kind);
  const schema = found?.spec.versions.find(({ name, served }) => served && name === version)?.schema?.openAPIV3Schema;
  if (!found || !schema) return undefined;
  return withMetadata(published(schema as CelSchema));
}

function published(schema: CelSchema): CelSchema {
  const { properties, additionalProperties, items } = schema;
  const copy: CelSchema = {
    ...schema,
    ...(properties
      ? { properties: Object.fromEntries(Object.entries(properties).map(([name, each]) => [name, published(each)])) }
      : {}),
    ...(typeof additionalProperties === 'object' ? { additionalProperties: published(additionalProperties) } : {}),
    ...(items ? { items: published(items) } : {}),
  };
  return schema['x-kubernetes-embedded-resource'] ? withMetadata(copy) : copy;
}

function withMetadata(schema: CelSchema): CelSchema {
  const metadata = structSchema(loadTypes('').struct(objectMetaType));
  return { ...schema, type: 'object', properties: { ...schema.properties, apiVersion: text, kind: text, metadata } };
}
