import { errorCode } from '../../base/errors.js';
import type { FieldValidation } from '../../contracts/api-transport.js';
import type { DecodeResult } from '../../machinery/codec/json-decode.js';
import { readBody, strictErrorText, unfit } from '../../machinery/codec/json-decode.js';
import { FieldPath, formatBadValue, jsonValue } from '../../machinery/field-errors.js';
import type { GroupVersionKind, KubeObject } from '../../machinery/object.js';
import { cloneJson, formatApiVersion, isJsonObject } from '../../machinery/object.js';
import type { StructType } from '../../machinery/schema.js';
import { dropNulls } from '../../machinery/structural/defaults.js';
import { coerceEmbedded, decodeMetadata } from '../../machinery/structural/embedded-metadata.js';
import type { JsonSchema } from '../../machinery/structural/json-schema.js';
import { prune } from '../../machinery/structural/prune.js';
import { badRequest } from '../../machinery/status-error.js';
import type { ObjectCodec } from '../handlers/object-codec.js';

/**
 * Custom resources from JSON: metadata by its type, what the schema does not know taken away.
 * Source: apiextensions-apiserver pkg/apiserver, unstructuredSchemaCoercer.
 */
export class CustomCodec implements ObjectCodec {
  readonly #kind: GroupVersionKind;
  readonly #schema: () => JsonSchema;
  readonly #metadata: StructType;

  /** `metadata` is the type of ObjectMeta. */
  constructor(kind: GroupVersionKind, schema: () => JsonSchema, metadata: StructType) {
    this.#kind = kind;
    this.#schema = schema;
    this.#metadata = metadata;
  }

  decode(body: unknown, fieldValidation: FieldValidation): DecodeResult {
    const isStrict = fieldValidation !== 'Ignore';
    const { value, kind, duplicates } = readBody(body, this.#kind, { strict: isStrict });
    // A value of somebody else's is copied before anything is taken away from it.
    const draft = body instanceof Uint8Array || typeof body === 'string' ? value : cloneJson(value);
    if (!isJsonObject(draft)) throw badRequest('the object provided is not an object');
    const unknown: string[] | undefined = isStrict ? [] : undefined;
    let object: KubeObject;
    try {
      object = this.#coerce(draft, kind, unknown);
    } catch (error) {
      if (errorCode(error) !== 'DECODE_ERROR' && !(error instanceof MetadataError)) throw error;
      throw unfit(kind, this.#kind.kind, (error as Error).message, error);
    }
    const strictErrors = [...duplicates, ...(unknown ?? []).map(path => `unknown field "${path}"`)];
    if (fieldValidation === 'Strict' && strictErrors.length > 0) {
      throw unfit(kind, this.#kind.kind, strictErrorText(strictErrors));
    }
    return { object, strictErrors };
  }

  canonicalize<T extends object>(object: T, { keepsNulls = false }: { readonly keepsNulls?: boolean } = {}): T {
    return this.#coerce(object as Record<string, unknown>, this.#kind, undefined, keepsNulls) as unknown as T;
  }

  /** Nothing: empty lists and objects are kept as they are. */
  settle(): void {}

  #coerce(draft: Record<string, unknown>, kind: GroupVersionKind, unknown: string[] | undefined, keepsNulls = false): KubeObject {
    const { kind: _kind, apiVersion: _apiVersion, metadata: given, ...rest } = draft;
    const options = { metadata: this.#metadata, ...(unknown ? { unknown } : {}) };
    const metadata = given === undefined ? {} : decodeMetadata(given, 'metadata', options);
    const schema = this.#schema();
    prune(rest, schema, { root: true, ...(unknown ? { unknown } : {}) });
    if (!keepsNulls) dropNulls(rest, schema);
    const fault = coerceEmbedded(rest, schema, new FieldPath(), options);
    if (fault) throw new MetadataError(`${fault.path}: Invalid value: ${formatBadValue(jsonValue(fault.value))}: ${fault.text}`);
    return { kind: kind.kind, apiVersion: formatApiVersion(kind), metadata, ...rest } as KubeObject;
  }
}

class MetadataError extends Error {}
