import type { FieldValidation } from '../../contracts/api-transport.js';
import { dropEmpties } from '../../machinery/codec/empties.js';
import type { DecodeResult, KindLookup } from '../../machinery/codec/json-decode.js';
import { canonicalize, decodeObject } from '../../machinery/codec/json-decode.js';
import type { GroupVersionKind, KubeObject } from '../../machinery/object.js';
import type { StructType } from '../../machinery/schema.js';

/** How objects of one version of a kind come from JSON: by the types of the tables, or by a schema of their own. */
export interface ObjectCodec {
  /**
   * JSON text or a JSON value, as a draft. Throws BadRequest; unknown and duplicate fields are told or refused. `plainNames`: messages
   * name types without the field that has them, as those about strategic patches do.
   */
  decode(body: unknown, fieldValidation: FieldValidation, options?: { readonly plainNames?: boolean }): DecodeResult;
  /**
   * The canonical form of a draft that is made here. `applied`: it came out of an apply. `keepsNulls`: those of custom resources are
   * left for validation to find. Throws where it does not fit.
   */
  canonicalize<T extends object>(object: T, options?: { readonly applied?: boolean; readonly keepsNulls?: boolean }): T;
  /** What it is to keep a draft and read it again, in place, but for defaults. */
  settle(draft: object): void;
}

/** Of kinds in the tables. */
export class StructCodec implements ObjectCodec {
  readonly #struct: StructType;
  readonly #kind: GroupVersionKind;
  readonly #kinds: KindLookup;
  readonly #keepsEmptyLists: boolean;

  constructor(struct: StructType, options: { kind: GroupVersionKind; kinds: KindLookup; keepsEmptyLists: boolean }) {
    this.#struct = struct;
    this.#kind = options.kind;
    this.#kinds = options.kinds;
    this.#keepsEmptyLists = options.keepsEmptyLists;
  }

  decode(body: unknown, fieldValidation: FieldValidation, { plainNames }: { readonly plainNames?: boolean } = {}): DecodeResult {
    const options = { kind: this.#kind, fieldValidation, keepsEmpties: true, plainNames, kinds: this.#kinds };
    return decodeObject(this.#struct, body, options);
  }

  canonicalize<T extends object>(object: T, { applied = false }: { readonly applied?: boolean } = {}): T {
    // Go comes from an apply by way of untyped 64 bit numbers, and cuts them down without a word.
    return canonicalize(this.#struct, object, applied ? { wraps: true, keepsEmpties: true } : {});
  }

  settle(draft: object): void {
    if (!this.#keepsEmptyLists) dropEmpties(this.#struct, draft as KubeObject);
  }
}
