import { nearestNumber } from '../go-numbers.js';
import type { CelType } from './cel-type.js';
import {
  boolType,
  bytesType,
  doubleType,
  durationType,
  dynType,
  intType,
  listType,
  mapType,
  objectType,
  stringType,
  timestampType,
} from './cel-type.js';
import type { SizeLookup } from './call-estimates.js';
import type { TypeProvider } from './environment.js';
import { escapeProperty, isReserved } from './escaping.js';

/** The parts of an OpenAPI schema that matter to expressions; a custom resource's schema is one as it is. */
export interface CelSchema {
  readonly type?: string;
  readonly format?: string;
  readonly properties?: Readonly<Record<string, CelSchema>>;
  readonly additionalProperties?: boolean | CelSchema;
  readonly items?: CelSchema;
  readonly required?: readonly string[];
  readonly enum?: readonly unknown[];
  readonly default?: unknown;
  readonly nullable?: boolean;
  readonly maxLength?: number;
  readonly maxItems?: number;
  readonly maxProperties?: number;
  readonly 'x-kubernetes-int-or-string'?: boolean;
  readonly 'x-kubernetes-preserve-unknown-fields'?: boolean;
  readonly 'x-kubernetes-embedded-resource'?: boolean;
  readonly 'x-kubernetes-list-type'?: string;
  readonly 'x-kubernetes-list-map-keys'?: readonly string[];
}

/** The type of values of a schema, with the sizes that the schema allows. */
export interface SchemaType {
  readonly type: CelType;
  /** Of lists and maps. */
  readonly element?: SchemaType;
  readonly key?: SchemaType;
  /** Of objects, by escaped name. */
  readonly fields?: ReadonlyMap<string, SchemaType>;
  /** Elements, entries, characters or bytes; 0 for what is counted otherwise. */
  readonly maxElements: number;
  /** The least that a value takes as JSON. */
  readonly minSize: number;
}

const maximumRequest = 3 * 1024 * 1024;
const maximumText = maximumRequest - 2;
const durationSize = 32;
const dateSize = 12;
const dateTimeSize = 32;

export interface SchemaTypeOptions {
  /** Of the type, if it is an object; names of nested types begin with it. */
  readonly name: string;
  /** A whole object, with apiVersion, kind and metadata. */
  readonly isResource?: boolean;
}

const text: CelSchema = { type: 'string' };
const objectMeta: CelSchema = { type: 'object', properties: { name: text, generateName: text } };

/** With the fields that every object has, if they are not there. */
export function withObjectMeta(schema: CelSchema): CelSchema {
  const { kind, apiVersion, metadata } = schema.properties ?? {};
  const known =
    kind?.type === 'string' &&
    apiVersion?.type === 'string' &&
    metadata?.type === 'object' &&
    metadata.properties?.['name']?.type === 'string' &&
    metadata.properties['generateName']?.type === 'string';
  if (known) return schema;
  return { ...schema, properties: { ...schema.properties, kind: text, apiVersion: text, metadata: objectMeta } };
}

function simple(type: CelType, minSize: number, maxElements = 0): SchemaType {
  return { type, maxElements, minSize };
}

const booleanType = simple(boolType, 4);
const numberType = simple(doubleType, 1);
const integerType = simple(intType, 1);
/** The type of keys of maps. */
const anyText: SchemaType = simple(stringType, 2);

/** Undefined for values that expressions can't use: without a type, or lists without items. */
export function schemaTypeOf(schema: CelSchema, options: SchemaTypeOptions): SchemaType | undefined {
  if (schema['x-kubernetes-int-or-string']) return simple(dynType, 1, textLimit(schema));
  const whole = options.isResource ? withObjectMeta(schema) : schema;
  switch (whole.type) {
    case 'array':
      return arrayType(whole, options.name);
    case 'object':
      return typeof whole.additionalProperties === 'object'
        ? mapSchemaType(whole, whole.additionalProperties, options.name)
        : objectSchemaType(whole, options.name);
    case 'string':
      return textType(whole);
    case 'boolean':
      return booleanType;
    case 'number':
      return numberType;
    case 'integer':
      return integerType;
    default:
      return undefined;
  }
}

function nested(schema: CelSchema, name: string): SchemaType | undefined {
  return schemaTypeOf(schema, { name, isResource: schema['x-kubernetes-embedded-resource'] });
}

function arrayType(schema: CelSchema, name: string): SchemaType | undefined {
  const element = schema.items && nested(schema.items, `${name}.@idx`);
  if (!element) return undefined;
  const most = nearestNumber(schema.maxItems) ?? Math.trunc((maximumRequest - 2) / (element.minSize + 1));
  return { type: listType(element.type), element, maxElements: Math.max(0, most), minSize: 2 };
}

function mapSchemaType(schema: CelSchema, values: CelSchema, name: string): SchemaType | undefined {
  const element = nested(values, `${name}.@elem`);
  if (!element) return undefined;
  const most = nearestNumber(schema.maxProperties) ?? Math.trunc((maximumRequest - 2) / (element.minSize + 6));
  return { type: mapType(stringType, element.type), key: anyText, element, maxElements: Math.max(0, most), minSize: 2 };
}

function objectSchemaType(schema: CelSchema, name: string): SchemaType {
  const fields = new Map<string, SchemaType>();
  const required = new Set(schema.required);
  let minSize = 2;
  for (const [property, value] of Object.entries(schema.properties ?? {})) {
    const escaped = escapeProperty(property);
    const type = nested(value, `${name}.${escaped ?? property}`);
    if (!type) continue;
    if (escaped !== undefined) fields.set(escaped, type);
    if (required.has(property) && value.default === undefined) minSize += Buffer.byteLength(property) + type.minSize + 4;
  }
  return { type: objectType(name), fields, maxElements: 0, minSize };
}

function textType(schema: CelSchema): SchemaType {
  switch (schema.format) {
    case 'byte':
      return simple(bytesType, 2, schema.maxLength === undefined ? maximumText : Math.max(0, Number(schema.maxLength)));
    case 'duration':
      return simple(durationType, 3, durationSize);
    case 'date':
      return simple(timestampType, dateSize, dateSize);
    case 'date-time':
      return simple(timestampType, 21, dateTimeSize);
    default:
      return simple(stringType, 2, textLimit(schema));
  }
}

/** Four bytes for each character, which is as many as UTF-8 needs. */
function textLimit(schema: CelSchema): number {
  if (schema.maxLength !== undefined) return Math.max(0, Number(schema.maxLength)) * 4;
  if (!schema.enum?.length || schema['x-kubernetes-int-or-string']) return maximumText;
  return Math.max(0, ...schema.enum.map(value => (typeof value === 'string' ? Buffer.byteLength(value) : 0)));
}

/** Fields of the objects within some types. */
export class SchemaTypeProvider implements TypeProvider {
  readonly #objects = new Map<string, SchemaType>();

  constructor(...types: readonly SchemaType[]) {
    types.forEach(type => this.#add(type));
  }

  #add(type: SchemaType): void {
    if (type.fields) {
      this.#objects.set(type.type.name, type);
      for (const field of type.fields.values()) this.#add(field);
    }
    if (type.element) this.#add(type.element);
  }

  hasType(typeName: string): boolean {
    return this.#objects.has(typeName);
  }

  fieldType(typeName: string, field: string): CelType | undefined {
    const fields = this.#objects.get(typeName)?.fields;
    // A word of the language is understood as a field's name too.
    const type = fields?.get(field) ?? fields?.get(`__${field}__`);
    return type && (isReserved(field) || fields?.has(field)) ? type.type : undefined;
  }
}

/**
 * Sizes by the schema of the root variable. Upstream looks every path up there, whatever variable it begins with; so does
 * this, or the estimates would differ.
 */
export function schemaSizes(root: SchemaType): SizeLookup {
  return path => {
    if (path.length === 0) return undefined;
    let current: SchemaType | undefined = root;
    for (const name of path.slice(1)) {
      if (name === '@items' || name === '@values') current = current.element;
      else current = name === '@keys' ? current.key : current.fields?.get(name);
      if (!current) return undefined;
    }
    return { min: 0, max: current.maxElements };
  };
}

/** No sizes are known. */
export const noSizes: SizeLookup = () => undefined;
