import { atomicMergeType, deducedMergeType } from './merge-type.js';
import type { MapMergeType, MergeField, MergeType } from './merge-type.js';

/** The parts of a custom resource's OpenAPI v3 schema that say how its objects merge. */
export interface StructuralSchema {
  readonly type?: string;
  readonly format?: string;
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, StructuralSchema>>;
  readonly additionalProperties?: boolean | StructuralSchema;
  readonly items?: StructuralSchema;
  readonly 'x-kubernetes-preserve-unknown-fields'?: boolean;
  readonly 'x-kubernetes-int-or-string'?: boolean;
  readonly 'x-kubernetes-embedded-resource'?: boolean;
  readonly 'x-kubernetes-list-type'?: string;
  readonly 'x-kubernetes-list-map-keys'?: readonly string[];
  readonly 'x-kubernetes-map-type'?: string;
}

/**
 * The view of a custom resource's type; `objectMeta` is the type of its metadata, which the schema itself does not tell.
 * Source: kube-openapi schemaconv; "Structural schemas" and "Merge strategy" in the Kubernetes documentation.
 */
export function structuralMergeType(schema: StructuralSchema, objectMeta: MergeType): MergeType {
  return new StructuralTypes(objectMeta).type({ ...schema, 'x-kubernetes-embedded-resource': true }, false);
}

const anyScalar: MergeType = { scalar: 'untyped' };
const resourceMembers: readonly string[] = ['apiVersion', 'kind'];

class StructuralTypes {
  readonly #objectMeta: MergeType;

  constructor(objectMeta: MergeType) {
    this.#objectMeta = objectMeta;
  }

  type(schema: StructuralSchema, keepsUnknown: boolean): MergeType {
    switch (schema.type) {
      case 'object':
        return { map: this.#map(schema, keepsUnknown) };
      case 'array':
        return {
          list: {
            atomic: schema['x-kubernetes-list-type'] !== 'set' && schema['x-kubernetes-list-type'] !== 'map',
            keys: schema['x-kubernetes-list-map-keys'] ?? [],
            element: schema.items ? this.type(schema.items, keepsUnknown) : atomicMergeType,
          },
        };
      case 'integer':
      case 'number':
        return { scalar: 'numeric' };
      case 'boolean':
        return { scalar: 'boolean' };
      case 'string':
        return schema.format && schema.format !== 'byte' ? anyScalar : { scalar: 'string' };
      default:
        return { ...deducedMergeType, map: this.#map(schema, keepsUnknown) };
    }
  }

  #map(schema: StructuralSchema, keepsUnknownAbove: boolean): MapMergeType {
    const keepsUnknown = keepsUnknownAbove || schema['x-kubernetes-preserve-unknown-fields'] === true;
    const fields = new Map<string, MergeField>();
    const properties = schema.properties ?? {};
    for (const name of Object.keys(properties)) {
      const property = properties[name]!;
      fields.set(name, { name, type: this.type(property, keepsUnknown), default: property.default });
    }
    if (schema['x-kubernetes-embedded-resource']) {
      for (const name of resourceMembers) fields.set(name, { name, type: { scalar: 'string' } });
      fields.set('metadata', { name: 'metadata', type: this.#objectMeta });
    }
    return {
      atomic: schema['x-kubernetes-map-type'] === 'atomic',
      field: name => fields.get(name),
      element: this.#element(schema, keepsUnknown, fields.size === 0),
      alwaysPresent: [],
    };
  }

  #element(schema: StructuralSchema, keepsUnknown: boolean, isBare: boolean): MergeType | undefined {
    const additional = schema.additionalProperties;
    if (additional === undefined) return keepsUnknown || isBare ? deducedMergeType : undefined;
    if (typeof additional === 'boolean') return additional ? deducedMergeType : undefined;
    return this.type(additional, keepsUnknown);
  }
}
