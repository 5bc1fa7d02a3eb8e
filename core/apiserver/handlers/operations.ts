import { errorCode } from '../../base/errors.js';
import type { AuditAnnotate } from '../../contracts/admission.js';
import type { CallerIdentity, DeleteOptions, FieldValidation, PatchType } from '../../contracts/api-transport.js';
import { FieldErrors, fieldPath, goJsonText } from '../../machinery/field-errors.js';
import type { KubeObject } from '../../machinery/object.js';
import { cloneJson, isJsonObject, jsonEqual, parseApiVersion } from '../../machinery/object.js';
import { formatGoValue } from '../../machinery/patch/go-format.js';
import { patchedText } from '../../machinery/patch/patched-text.js';
import { applyJsonPatch } from '../../machinery/patch/json-patch.js';
import { goJsonKind } from '../../machinery/patch/patch-errors.js';
import { applyMergePatch } from '../../machinery/patch/merge-patch.js';
import { applyStrategicMergePatch, shownPatch } from '../../machinery/patch/strategic-merge-patch.js';
import {
  badRequest,
  internalError,
  invalid,
  isStatusError,
  methodNotSupported,
  notFound,
  pathNotFound,
  StatusError,
  unsupportedMediaType,
} from '../../machinery/status-error.js';
import type { ObjectSubresource, SubresourceDefinition } from '../registry/resource-definition.js';
import type { WriteCall } from '../registry/resource-store.js';
import type { StoredObject } from '../storage/stored-object.js';
import type { FieldOwner } from './field-owner.js';
import { kindText, mergeMisfit, unfitMerge } from './merge-misfit.js';
import type { ServedResource } from './served-resource.js';

/** One write as any transport brings it. */
export interface OperationCall {
  readonly caller: CallerIdentity;
  readonly namespace: string;
  readonly name: string;
  readonly subresource: string;
  readonly dryRun: boolean;
  readonly fieldManager: string;
  readonly fieldValidation: FieldValidation;
  /** What the client itself said of field manager and validation. */
  readonly options?: Readonly<Record<string, string>> | undefined;
  warn(text: string): void;
  /** Of the audit log; absent where nothing is written of the request. */
  readonly annotate?: AuditAnnotate | undefined;
}

/** What a write gives back: a stored object of the resource, or the object of a subresource of another kind. */
export type OperationResult<T extends KubeObject> =
  | { readonly entry: StoredObject<T>; readonly created: boolean }
  | { readonly object: KubeObject; readonly created: boolean };

/** Of kinds whose types do not say how their lists merge. */
export const customPatchTypes = ['application/json-patch+json', 'application/merge-patch+json', 'application/apply-patch+yaml'];

/**
 * Writes on resources, after decoding and before the store, the same for HTTP and for parts in the process: defaults, subresources, the
 * four kinds of patches.
 */
export class Operations<T extends KubeObject = KubeObject> {
  readonly #served: ServedResource<T>;
  readonly #owner: FieldOwner<T>;

  constructor(served: ServedResource<T>, owner: FieldOwner<T>) {
    this.#served = served;
    this.#owner = owner;
  }

  /** Canonical form and defaults of an object that a part made. */
  prepare(object: T | object): T {
    return this.#prepare(this.#served.codec.canonicalize(cloneJson(object)) as T);
  }

  #prepare(draft: T): T {
    this.#identify(draft);
    this.#served.definition.defaults?.(draft);
    return draft;
  }

  /** A body (JSON text or a JSON value) as a draft with defaults; unknown and duplicate fields are warned about or refused. */
  decode(body: unknown, validation: FieldValidation, warn: (text: string) => void, plainNames = false): T {
    const draft = this.#decoded(body, validation, warn, plainNames);
    this.#identify(draft);
    this.#served.definition.defaults?.(draft);
    return draft;
  }

  #decoded(body: unknown, validation: FieldValidation, warn: (text: string) => void, plainNames: boolean): T {
    const { object, strictErrors } = this.#served.codec.decode(body, validation, { plainNames });
    for (const text of strictErrors) warn(text);
    return object as T;
  }

  #identify(draft: T): void {
    const { reference } = this.#served.definition;
    draft.apiVersion ||= this.#served.apiVersion;
    draft.kind ||= reference.kind;
    draft.metadata ??= {};
  }

  /** `parent` is the object that it is asked of. */
  subresource(name: string, parent: string): SubresourceDefinition<T> {
    const { definition, struct, store } = this.#served;
    const subresources = definition.subresources ?? {};
    if (Object.hasOwn(subresources, name)) return subresources[name]!;
    throw struct ? pathNotFound() : notFound(store.subject(parent));
  }

  async create(object: T | KubeObject, call: OperationCall): Promise<OperationResult<T>> {
    const { store } = this.#served;
    if (!call.subresource && this.#served.definition.evaluate) {
      const context = store.context(this.#writeCall(call), 'CREATE');
      const owned = await this.#owner.update(undefined, object as T, {
        manager: call.fieldManager,
        subresource: '',
        nowMs: context.nowMs,
      });
      await store.admitBody(context, this.#served.definition.reference.kind, { body: owned });
      const made = await this.#served.definition.evaluate(owned, context);
      this.#served.codec.settle(made);
      return { object: made, created: true };
    }
    if (!call.subresource) return { entry: await store.create(object as T, this.#writeCall(call)), created: true };
    const sub = this.subresource(call.subresource, call.name);
    if (sub.type !== 'object' || !sub.create) throw methodNotSupported(this.#group, this.#resourceName(call), 'create');
    const context = store.context(this.#writeCall(call), 'CREATE', call.subresource);
    if (call.namespace) object.metadata.namespace ??= call.namespace;
    await store.admitBody(context, sub.kind.kind, { body: object });
    return { object: await sub.create(object, store, context), created: true };
  }

  async update(object: T | KubeObject, call: OperationCall): Promise<OperationResult<T>> {
    const { store } = this.#served;
    const sub = call.subresource ? this.subresource(call.subresource, call.name) : undefined;
    if (sub?.type === 'connect') throw methodNotSupported(this.#group, this.#resourceName(call), 'update');
    checkNames(object, call);
    if (sub?.type === 'object') return this.#updateThrough(sub, () => cloneJson(object), call);
    const { uid } = (object as T).metadata;
    return store.update(this.#writeCall(call), () => cloneJson(object as T), { subresource: call.subresource, uid });
  }

  async patch(type: PatchType, patch: unknown, call: OperationCall, force: boolean): Promise<OperationResult<T>> {
    const sub = call.subresource ? this.subresource(call.subresource, call.name) : undefined;
    if (type === 'strategic' && !this.#served.struct) throw unsupportedMediaType(customPatchTypes);
    if (sub?.type === 'connect') throw methodNotSupported(this.#group, this.#resourceName(call), 'patch');
    if (sub?.type === 'object') {
      if (type === 'apply') {
        const options = { manager: call.fieldManager, force };
        return this.#updateThrough(
          sub,
          current => this.#owner.applyScale(current, cloneJson(patch as object), options),
          call,
          true,
        );
      }
      return this.#updateThrough(
        sub,
        current => this.#patched(current, type === 'strategic' ? 'merge' : type, patch) as KubeObject,
        call,
      );
    }
    if (type === 'apply') return this.#apply(patch, call, force);
    return this.#served.store.update(
      this.#writeCall(call),
      old => {
        if (!old) throw notFound(this.#served.store.subject(call.name));
        const { struct } = this.#served;
        const made = this.#patched(old.exact, type, patch);
        if (!isJsonObject(made)) throw invalidPatch(goJsonText(made), noTypeText(made));
        const { apiVersion, kind } = old.exact;
        // A strategic patch is of the kind's own type, whatever it says.
        const patched = type === 'strategic' ? { ...made, apiVersion, kind } : made;
        // Upstream takes it for an object of a built-in kind's internal version then, whose fields have other names.
        if (struct && !patched['apiVersion']) throw this.#nameless(patched, call);
        if (!struct) checkCustomType(patched);
        const draft = this.#decodePatched(patched, call, type === 'strategic', () => {
          if (type === 'strategic') return formatGoValue(shownPatch(patch, old.exact));
          const current = this.#served.codec.canonicalize(cloneJson(old.exact));
          return struct ? patchedText(this.#patched(current, type, patch), current, patch) : patchedText(made);
        });
        if (jsonEqual(draft, old.exact)) return cloneJson(old.exact);
        return draft;
      },
      { subresource: call.subresource, createIfMissing: false, patch: true },
    );
  }

  /** What a patch made of an object; what is wrong with it is the patch's fault. */
  #decodePatched(patched: object, call: OperationCall, isStrategic: boolean, shown: () => string): T {
    let draft: T;
    try {
      draft = this.decode(patched, call.fieldValidation, text => call.warn(text), isStrategic);
    } catch (error) {
      if (!isStatusError(error, 'BadRequest')) throw error;
      const detail = error.message
        .replace(/^\S+ in version \S+ cannot be handled as a \S+: /, '')
        .replace('pkg/api/legacyscheme/scheme.go:30', 'pkg/runtime/scheme.go:111');
      throw invalidPatch(shown(), isStrategic ? converterText(detail) : detail);
    }
    if (draft.metadata.name) return draft;
    throw nameless(call);
  }

  #nameless(patched: object, call: OperationCall): StatusError {
    const unknown = Object.keys(patched).filter(name => name !== 'apiVersion' && name !== 'kind');
    if (call.fieldValidation === 'Warn') for (const name of unknown) call.warn(`unknown field "${name}"`);
    return nameless(call);
  }

  /** What an apply made of an object; it can have values that only its type refuses. */
  #prepareApplied(merged: T, applied: T): T {
    try {
      return this.prepareMerged(merged);
    } catch (error) {
      if (errorCode(error) !== unfitMerge) throw error;
      const { name = '', namespace = '' } = applied.metadata;
      const text = `failed to convert new object (${namespace}/${name}; ${kindText(this.#served.definition.reference)}) to proper version`;
      throw new StatusError(500, '', `${text}: ${(error as Error).message}`, undefined, error);
    }
  }

  /** An object into which a configuration was merged, with defaults. Throws UNFIT_MERGE, in upstream's words, where it is none of the kind. */
  prepareMerged(merged: object, { keepsNulls = false }: { readonly keepsNulls?: boolean } = {}): T {
    try {
      return this.#prepare(this.#served.codec.canonicalize(cloneJson(merged) as T, { applied: true, keepsNulls }));
    } catch (error) {
      if (isStatusError(error)) throw error;
      throw mergeMisfit(this.#served.definition.reference, error);
    }
  }

  #patched(current: Readonly<KubeObject>, type: 'json' | 'merge' | 'strategic', patch: unknown): unknown {
    try {
      return this.#patchedBy(current, type, patch);
    } catch (error) {
      // Patches are walked as deep as they are, and there may be less stack than that.
      if (error instanceof RangeError) throw badRequest('error decoding patch: json: exceeded max depth', error);
      throw error;
    }
  }

  #patchedBy(current: Readonly<KubeObject>, type: 'json' | 'merge' | 'strategic', patch: unknown): unknown {
    switch (type) {
      case 'json':
        return applyJsonPatch(current, patch);
      case 'merge':
        if (patch === null) throw badRequest('Invalid JSON Patch');
        if (!isJsonObject(patch)) throw badRequest(`error decoding patch: ${notAMap(patch)}`);
        return applyMergePatch(current as unknown as Record<string, unknown>, patch);
      case 'strategic':
        return applyStrategicMergePatch(current as unknown as Record<string, unknown>, patch, this.#served.struct!);
    }
  }

  async #apply(patch: unknown, call: OperationCall, force: boolean): Promise<OperationResult<T>> {
    const { store, definition } = this.#served;
    if (patch !== null && !isJsonObject(patch)) {
      throw badRequest(`error decoding YAML: error unmarshaling JSON: while decoding JSON: ${notAMap(patch)}`);
    }
    const { kind: ownKind } = definition.reference;
    const given = { apiVersion: '', kind: '', ...patch } as { apiVersion: unknown; kind: unknown };
    if (patch === null || given.kind !== ownKind) {
      const version = parseApiVersion(String(given.apiVersion));
      throw badRequest(`invalid object type: ${version?.group ?? ''}/${version?.version ?? ''}, Kind=${String(given.kind)}`);
    }
    const applied = patch as unknown as T;
    const metadata = isJsonObject(applied.metadata) ? applied.metadata : {};
    if (metadata.name !== undefined && metadata.name !== call.name) {
      throw badRequest(`the name of the object (${String(metadata.name)}) does not match the name on the URL (${call.name})`);
    }
    const named = {
      ...applied,
      metadata: {
        ...metadata,
        name: call.name,
      },
    } as T;
    return store.update(
      { ...this.#writeCall(call), ownsManagedFields: true },
      async old => {
        const merged = await this.#owner.apply(old?.exact, cloneJson(named), {
          manager: call.fieldManager,
          force,
          subresource: call.subresource,
        });
        const draft = this.#prepareApplied(merged, named);
        const applyVersion = (named.metadata as { resourceVersion?: string }).resourceVersion;
        const version = applyVersion ?? old?.resourceVersion;
        if (version) draft.metadata.resourceVersion = version;
        return draft;
      },
      { subresource: call.subresource, createIfMissing: call.subresource === '', patch: true },
    );
  }

  /** A subresource of another kind that writes into its parent (scale). */
  async #updateThrough(
    sub: ObjectSubresource<T>,
    next: (current: KubeObject) => KubeObject,
    call: OperationCall,
    applied = false,
  ): Promise<OperationResult<T>> {
    const { store } = this.#served;
    if (!sub.update || !sub.get) throw methodNotSupported(this.#group, this.#resourceName(call), 'update');
    const context = store.context(this.#writeCall(call), 'UPDATE', call.subresource);
    const scale = sub.kind.kind === 'Scale';
    const admit = (step: 'mutate' | 'validate', body: KubeObject, oldBody: KubeObject): Promise<void> =>
      store.admitBody(context, sub.kind.kind, { body, oldBody }, [step]);
    let before: KubeObject;
    // What the parent has become, as a body.
    const validateBody = async (draft: T): Promise<void> => admit('validate', await sub.get!(draft, context), before);
    const { entry } = await store.update(
      { ...this.#writeCall(call), ...(scale ? { ownsManagedFields: true } : {}) },
      async old => {
        if (!old) throw notFound(store.subject(call.name));
        const shown = sub.getForUpdate?.(old.exact) ?? (await sub.get!(old.exact, context));
        const current = scale ? this.#owner.ownedScale(old.exact, shown) : shown;
        let body = next(cloneJson(current));
        if (scale && !applied) {
          body = this.#owner.updateScale(current, body, { manager: call.fieldManager, nowMs: context.nowMs });
        }
        const wanted = body.metadata?.resourceVersion;
        if (body.metadata?.name && body.metadata.name !== call.name) {
          throw badRequest(`the name of the object (${body.metadata.name}) does not match the name on the URL (${call.name})`);
        }
        before = shown;
        await admit('mutate', body, current);
        const errors = new FieldErrors();
        await sub.validateUpdate?.(body, old.exact, errors, context);
        if (!errors.empty) throw invalid(sub.kind.group, sub.kind.kind, call.name, errors);
        const draft = cloneJson(old.exact) as T;
        await sub.update!(body, draft, context);
        if (scale) {
          const managedFields = this.#owner.parentOfScale(old.exact, body);
          if (managedFields) draft.metadata.managedFields = managedFields;
          else delete draft.metadata.managedFields;
        }
        if (wanted) draft.metadata.resourceVersion = wanted;
        return draft;
      },
      { createIfMissing: false, patch: true, validateBody },
    );
    return { object: await sub.get(entry.exact, context), created: false };
  }

  async delete(call: OperationCall, options: DeleteOptions): Promise<{ entry: StoredObject<T>; gone: boolean }> {
    return this.#served.store.delete(this.#writeCall(call), options);
  }

  #writeCall(call: OperationCall): WriteCall {
    return {
      caller: call.caller,
      namespace: call.namespace,
      name: call.name,
      dryRun: call.dryRun,
      fieldManager: call.fieldManager,
      options: call.options,
      warn: text => call.warn(text),
      annotate: call.annotate,
    };
  }

  get #group(): string {
    return this.#served.definition.reference.group;
  }

  #resourceName(call: OperationCall): string {
    const { resource } = this.#served.definition.reference;
    return call.subresource ? `${resource}/${call.subresource}` : resource;
  }
}

function invalidPatch(shown: string, detail: string): StatusError {
  const errors = new FieldErrors();
  errors.invalid(fieldPath('patch'), shown, detail);
  return invalid('', '', '', errors);
}

/** What a patch left of a custom resource says what it is: nothing stands in for it. */
function checkCustomType(patched: Readonly<Record<string, unknown>>): void {
  if (!patched['kind']) {
    const text = patchedText(patched);
    throw invalidPatch(text, `Object 'Kind' is missing in '${text}'`);
  }
  if (!patched['apiVersion']) throw internalError(`Object 'apiVersion' is missing in 'object has no apiVersion field'`);
}

function noTypeText(value: unknown): string {
  const wanted = 'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }';
  return `couldn't get version/kind; json parse error: json: cannot unmarshal ${goJsonKind(value)} into Go value of type ${wanted}`;
}

function nameless({ name }: OperationCall): StatusError {
  return badRequest(`the name of the object (${name} based on URL) was undeterminable: name must be provided`);
}

/** What is put must be what the URL names, before anything is looked up. */
function checkNames({ metadata }: Readonly<KubeObject>, call: OperationCall): void {
  const name = metadata?.name ?? '';
  if (!name) throw nameless(call);
  if (name !== call.name) {
    throw badRequest(`the name of the object (${name}) does not match the name on the URL (${call.name})`);
  }
  if (!call.namespace || !metadata.namespace || metadata.namespace === call.namespace) return;
  throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
}

const converterNames: Readonly<Record<string, string>> = { object: 'map', array: 'slice', number: 'int64' };

/** Strategic patches do not go through JSON upstream, which says what does not fit in other words. */
function converterText(detail: string): string {
  const match = /^json: cannot unmarshal (\w+) into Go .* of type (\S+)$/.exec(detail);
  if (!match) return detail;
  const [, source = '', target = ''] = match;
  const from = converterNames[source] ?? source;
  // Go would make a rune of it.
  if (from === 'int64' && target === 'string') return 'cannot convert int64 to string';
  if (target.startsWith('[]')) return `cannot restore slice from ${from}`;
  if (target.startsWith('map[')) return `cannot restore map from ${from}`;
  return target.includes('.') ? `cannot restore struct from: ${from}` : `unrecognized type: ${target}`;
}

function notAMap(value: unknown): string {
  const found = Array.isArray(value) ? 'array' : value === null ? 'null' : typeof value === 'boolean' ? 'bool' : typeof value;
  return `json: cannot unmarshal ${found} into Go value of type map[string]interface {}`;
}
