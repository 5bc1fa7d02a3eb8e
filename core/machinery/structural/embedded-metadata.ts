import { errorCode } from '../../base/errors.js';
import { decodeValue } from '../codec/json-decode.js';
import type { FieldErrors, FieldPath } from '../field-errors.js';
import { jsonValue } from '../field-errors.js';
import { validateDns1035Label } from '../names.js';
import { isJsonObject, parseApiVersion } from '../object.js';
import type { StructType } from '../schema.js';
import type { JsonSchema } from './json-schema.js';
import { additionalOf, itemsOf, propertyOf } from './json-schema.js';

/** A fault of metadata: where, and Go's words for it. */
export interface MetadataFault {
  readonly path: FieldPath;
  readonly value: unknown;
  readonly text: string;
}

export interface CoerceOptions {
  /** The type of metadata. */
  readonly metadata: StructType;
  /** Gets the paths of unknown members. */
  readonly unknown?: string[];
  /** What does not fit is dropped instead of refused: what the store holds is read whatever it is. */
  readonly drop?: boolean;
}

/**
 * Brings the metadata of objects that lie inside an object (`x-kubernetes-embedded-resource`) into its form, in place. The first
 * fault ends it. Source: apiextensions-apiserver pkg/apiserver/schema/objectmeta.
 */
export function coerceEmbedded(
  value: unknown,
  schema: JsonSchema | undefined,
  path: FieldPath,
  options: CoerceOptions,
): MetadataFault | undefined {
  if (!schema || typeof value !== 'object' || value === null) return undefined;
  if (Array.isArray(value)) {
    const items = itemsOf(schema);
    for (const [index, item] of value.entries()) {
      const fault = items && coerceEmbedded(item, items, path.index(index), options);
      if (fault) return fault;
    }
    return undefined;
  }
  const object = value as Record<string, unknown>;
  if (schema['x-kubernetes-embedded-resource']) {
    const fault = coerceResource(object, path, options);
    if (fault) return fault;
  }
  const additional = additionalOf(schema);
  for (const key of Object.keys(object)) {
    const property = propertyOf(schema, key);
    const member = property ?? additional;
    const fault = member && coerceEmbedded(object[key], member, property ? path.child(key) : path.key(key), options);
    if (fault) return fault;
  }
  return undefined;
}

function coerceResource(object: Record<string, unknown>, path: FieldPath, options: CoerceOptions): MetadataFault | undefined {
  for (const key of ['apiVersion', 'kind']) {
    if (!Object.hasOwn(object, key) || typeof object[key] === 'string') continue;
    if (!options.drop) return { path: path.child(key), value: object[key], text: 'must be a string' };
    delete object[key];
  }
  if (!Object.hasOwn(object, 'metadata')) return undefined;
  const value = object['metadata'];
  const at = path.child('metadata');
  try {
    object['metadata'] = decodeMetadata(value, at.toString(), options);
    return undefined;
  } catch (error) {
    if (errorCode(error) !== 'DECODE_ERROR') throw error;
    if (!options.drop) return { path: at, value, text: (error as Error).message };
    object['metadata'] = keptMetadata(value, options.metadata);
    return undefined;
  }
}

/** Metadata as its type has it. Throws DECODE_ERROR with Go's message. */
export function decodeMetadata(value: unknown, path: string, { metadata, unknown }: CoerceOptions): Record<string, unknown> {
  const { value: decoded, strictErrors } = decodeValue(metadata, value, { strict: unknown !== undefined });
  for (const text of strictErrors) {
    const field = /^\w+ field "(.*)"$/.exec(text)?.[1];
    if (field !== undefined) unknown?.push(`${path}.${field}`);
  }
  // The zero time.
  if (decoded['creationTimestamp'] === null) delete decoded['creationTimestamp'];
  return decoded;
}

/** Those members that fit. */
export function keptMetadata(value: unknown, metadata: StructType): Record<string, unknown> {
  let kept: Record<string, unknown> = {};
  for (const [key, member] of Object.entries(isJsonObject(value) ? value : {})) {
    try {
      decodeValue(metadata, { [key]: member });
      kept = { ...kept, [key]: member };
    } catch (error) {
      if (errorCode(error) !== 'DECODE_ERROR') throw error;
    }
  }
  return decodeMetadata(kept, '', { metadata });
}

/** Holds such objects to what every object is held to. `validateMetadata` gets the decoded metadata of each. */
export function validateEmbedded(
  value: unknown,
  schema: JsonSchema | undefined,
  path: FieldPath,
  context: {
    readonly errors: FieldErrors;
    readonly metadata: StructType;
    readonly validateMetadata: (metadata: Record<string, unknown>, path: FieldPath) => void;
  },
): void {
  if (!schema || typeof value !== 'object' || value === null) return;
  if (Array.isArray(value)) {
    const items = itemsOf(schema);
    for (const [index, item] of value.entries()) validateEmbedded(item, items, path.index(index), context);
    return;
  }
  const object = value as Record<string, unknown>;
  if (schema['x-kubernetes-embedded-resource']) validateResource(object, path, context);
  const additional = additionalOf(schema);
  for (const key of Object.keys(object)) {
    const property = propertyOf(schema, key);
    if (property) validateEmbedded(object[key], property, path.child(key), context);
    else if (additional) validateEmbedded(object[key], additional, path.key(key), context);
  }
}

function validateResource(
  object: Record<string, unknown>,
  path: FieldPath,
  { errors, metadata: type, validateMetadata }: Parameters<typeof validateEmbedded>[3],
): void {
  const { apiVersion, kind, metadata } = object;
  const [versionPath, kindPath] = [path.child('apiVersion'), path.child('kind')];
  if (apiVersion === undefined) errors.required(versionPath);
  else if (typeof apiVersion !== 'string') errors.invalid(versionPath, jsonValue(apiVersion), 'must be a string');
  else if (apiVersion === '') errors.invalid(versionPath, apiVersion, 'must not be empty');
  else if (!parseApiVersion(apiVersion) && apiVersion.split('/').length > 2) {
    errors.invalid(versionPath, apiVersion, `unexpected GroupVersion string: ${apiVersion}`);
  }
  if (kind === undefined) errors.required(kindPath);
  else if (typeof kind !== 'string') errors.invalid(kindPath, jsonValue(kind), 'must be a string');
  else if (kind === '') errors.invalid(kindPath, kind, 'must not be empty');
  else {
    const faults = validateDns1035Label(kind.toLowerCase());
    if (faults.length) errors.invalid(kindPath, kind, `may have mixed case, but should otherwise match: ${faults.join(',')}`);
  }
  if (metadata === undefined) return;
  const at = path.child('metadata');
  try {
    validateMetadata(decodeMetadata(metadata, '', { metadata: type }), at);
  } catch (error) {
    if (errorCode(error) !== 'DECODE_ERROR') throw error;
    errors.invalid(at, jsonValue(metadata), (error as Error).message);
  }
}
