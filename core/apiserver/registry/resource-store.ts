import { randomUUID } from 'node:crypto';
import type { DeleteOptions } from '../../contracts/api-transport.js';
import type { DatastoreConflict } from '../../contracts/datastore-errors.js';
import { errorCode } from '../../base/errors.js';
import { FieldErrors, fieldPath } from '../../machinery/field-errors.js';
import type { KubeObject } from '../../machinery/object.js';
import { cloneJson, jsonEqual, semanticEqual } from '../../machinery/object.js';
import { keepUnchangedTimes } from '../../machinery/patch/managed-fields/unchanged-times.js';
import type { Subject } from '../../machinery/status-error.js';
import { alreadyExists, badRequest, conflict, invalid, isStatusError, notFound } from '../../machinery/status-error.js';
import type { CacheEvent, ObjectCache } from '../storage/resource-cache.js';
import { StoredObject, encodeStored, ParseCache } from '../storage/stored-object.js';
import type { StorageHub } from '../storage/storage-hub.js';
import { runAdmission } from './admission-chain.js';
import { dropDuplicateOwners, fillSystemFields, wipeSystemFields } from './object-metadata.js';
import type { RequestContext, ResourceDefinition, Rollback, StatusSubresource } from './resource-definition.js';
import { checkChange, checkNew } from './object-checks.js';
import { beforeDelete, checkPreconditions, markAsDeleting, setFinalizers } from './deletion.js';
import type { Selection } from './selection.js';
import {
  afterKey,
  badVersion,
  badVersionErrors,
  checkUnversioned,
  generateName,
  isLeaseRenewal,
  nameMismatch,
  setOrDelete,
  storageError,
  uidText,
} from './store-support.js';
import { matches } from './selection.js';
import type { KeptObjects, ResourceStoreOptions } from './store-options.js';
import type { FieldOwnership, UpdateOptions, WriteCall } from './write-call.js';
import { keepAllButStatus, resetStatus } from './status-reset.js';

type Transform<T> = (old: StoredObject<T & KubeObject> | undefined) => Promise<T> | T;

const conflictRetries = 64;
const afterAdmission = ' after mutating admission happens';

/** The generic store: every resource's verbs, with what differs taken from its definition. */
export class ResourceStore<T extends KubeObject = KubeObject> {
  readonly definition: ResourceDefinition<T>;
  readonly cache: ObjectCache<T>;
  readonly #options: ResourceStoreOptions<T>;
  readonly #hub: StorageHub;

  constructor(options: ResourceStoreOptions<T>) {
    this.#options = options;
    this.#hub = options.hub;
    this.definition = options.definition;
    const { reference, selectableFields, viewOf, evaluate, storagePrefix } = options.definition;
    const selectors = selectableFields ? Object.entries(selectableFields) : [];
    const fields = selectors.length
      ? (object: T) => Object.fromEntries(selectors.map(([field, value]) => [field, value(object)]))
      : undefined;
    this.cache = options.kept
      ? options.kept.cache
      : viewOf
        ? options.hub.view<T>(options.viewed!.cache, { toView: stored => viewOf.toView(stored), fields })
        : options.hub.register<T>(evaluate ? undefined : (storagePrefix ?? reference.resource), {
            namespaced: reference.namespaced,
            fields,
          });
  }

  subject(name: string): Subject {
    const { group, resource } = this.definition.reference;
    return { group, resource, name };
  }

  /** The newest state. Throws NotFound. */
  async get(namespace: string, name: string): Promise<StoredObject<T>> {
    await this.#fresh(namespace, name);
    return this.cached(namespace, name);
  }

  /** What the cache shows, however old. Throws NotFound. */
  async shown(namespace: string, name: string): Promise<StoredObject<T>> {
    await this.cache.prepare?.({ namespace, name });
    return this.cached(namespace, name);
  }

  async #fresh(namespace: string | undefined, name?: string): Promise<void> {
    await this.#hub.fresh();
    await this.cache.prepare?.({ namespace, name });
  }

  /** What the cache shows, without waiting: of objects that are not converted. Throws NotFound. */
  cached(namespace: string, name: string): StoredObject<T> {
    const entry = this.cache.get(namespace, name);
    if (!entry) throw notFound(this.subject(name));
    return entry;
  }

  /** Matching objects of the cache in key order; the caller waited for the revision that it wants. */
  *select(selection: Selection, after?: string): Generator<StoredObject<T>> {
    if (selection.name !== undefined && (selection.namespace || !this.cache.namespaced)) {
      const entry = this.cache.get(selection.namespace ?? '', selection.name);
      if (entry && matches(selection, entry) && (after === undefined || afterKey(entry, this.cache.namespaced) > after))
        yield entry;
      return;
    }
    const plain = !selection.labels && !selection.fields && selection.name === undefined;
    for (const entry of this.cache.entries(selection.namespace, after)) if (plain || matches(selection, entry)) yield entry;
  }

  context(call: Omit<WriteCall, 'fieldManager'>, operation: RequestContext['operation'], subresource = ''): RequestContext {
    return {
      caller: call.caller,
      operation,
      namespace: call.namespace,
      name: call.name,
      subresource,
      dryRun: call.dryRun,
      nowMs: this.#options.clock.now(),
      options: call.dryRun ? { dryRun: ['All'], ...call.options } : call.options,
      warn: text => call.warn(text),
      stores: this.#options.stores,
      allows: attributes => this.#options.allows(call.caller, attributes),
    };
  }

  /** Stores a new object. `object` is a canonical draft; it is frozen afterwards. Throws AlreadyExists, Invalid, Forbidden. */
  async create(object: T, call: WriteCall): Promise<StoredObject<T>> {
    const { metadata } = object;
    this.#checkNamespace(object, call);
    if (call.name && metadata.name && metadata.name !== call.name) throw nameMismatch(metadata.name, call.name);
    checkUnversioned(object);
    const generated = !metadata.name && !!metadata.generateName;
    for (let attempt = 0; ; attempt++) {
      const draft = generated && attempt < 7 ? cloneJson(object) : object;
      try {
        return await this.#createOnce(draft, call, generated);
      } catch (error) {
        if (!generated || attempt >= 7 || !isStatusError(error, 'AlreadyExists')) throw error;
      }
    }
  }

  async #createOnce(object: T, call: WriteCall, generated: boolean): Promise<StoredObject<T>> {
    const { definition } = this;
    const { metadata } = object;
    let context = this.context({ ...call, name: metadata.name ?? call.name }, 'CREATE');
    let draft = object;
    wipeSystemFields(metadata);
    this.#dropDuplicateOwners(draft, call, '');
    if (!call.ownsManagedFields) {
      draft = await this.#options.ownership.update(undefined, draft, {
        manager: call.fieldManager,
        subresource: '',
        nowMs: context.nowMs,
      });
    }
    await this.#admit('mutate', context, draft, undefined);
    this.#checkNamespace(draft, call);
    checkUnversioned(draft);
    this.#dropDuplicateOwners(draft, call, afterAdmission);
    // Upstream names an object only now: refusals before speak of its `generateName`.
    if (generated && !draft.metadata.name) {
      draft.metadata.name = generateName(draft.metadata.generateName ?? '');
      context = { ...context, name: draft.metadata.name };
    }
    fillSystemFields(draft.metadata, randomUUID(), context.nowMs);
    if (definition.prepareForCreate) await definition.prepareForCreate(draft, context);
    else this.#resetStatus(draft, undefined);
    if (this.#hasGeneration) draft.metadata.generation = 1;
    const errors = new FieldErrors();
    await checkNew({ definition, draft, context, errors });
    if (!errors.empty) throw this.#invalid(draft, errors);
    for (const text of definition.warnings?.(draft, undefined, context) ?? []) call.warn(text);
    await this.#admit('validate', context, draft, undefined);
    this.#options.settle?.(draft);
    const key = this.cache.key(draft.metadata.namespace ?? '', draft.metadata.name!);
    await this.cache.prepare?.({ namespace: draft.metadata.namespace, name: draft.metadata.name });
    if (this.cache.get(draft.metadata.namespace ?? '', draft.metadata.name!))
      throw alreadyExists(this.subject(draft.metadata.name!));
    return this.#withSideEffects(draft, undefined, context, async bytes => {
      try {
        return await this.#hub.datastore.create(key, bytes, { timeToLiveSeconds: definition.timeToLiveSeconds?.(draft) });
      } catch (error) {
        if (errorCode(error) === 'DATASTORE_CONFLICT') throw alreadyExists(this.subject(draft.metadata.name!));
        throw error;
      }
    });
  }

  /**
   * Replaces or changes an object. `transform` gives the new object from the stored one and runs again after a conflict, unless
   * the new object carries a resourceVersion of the caller's: then a conflict is the caller's. `patch` says that a version which
   * equals the stored one was only carried along.
   */
  async update(
    call: WriteCall,
    transform: Transform<T>,
    options: UpdateOptions<T> & { uid?: string; createIfMissing?: boolean } = {},
  ): Promise<{ entry: StoredObject<T>; created: boolean }> {
    await this.#fresh(call.namespace, call.name);
    for (let attempt = 0; ; attempt++) {
      const current = this.cache.get(call.namespace, call.name);
      if (!current) {
        const mayCreate = options.createIfMissing ?? this.definition.allowCreateOnUpdate;
        if (!mayCreate || options.subresource) throw notFound(this.subject(call.name));
        const fresh = await transform(undefined);
        if (fresh.metadata.uid && options.uid !== undefined)
          throw conflict(this.subject(call.name), uidText(fresh.metadata.uid, ''));
        delete fresh.metadata.resourceVersion;
        return { entry: await this.create(fresh, call), created: true };
      }
      const draft = await transform(current);
      try {
        return { entry: await this.#updateOnce(current, draft, call, options), created: false };
      } catch (error) {
        if (!(error instanceof RetryOnConflict)) throw error;
        if (attempt >= conflictRetries) throw conflict(this.subject(call.name));
        await this.#fresh(call.namespace, call.name);
      }
    }
  }

  async #updateOnce(current: StoredObject<T>, input: T, call: WriteCall, options: UpdateOptions<T>): Promise<StoredObject<T>> {
    const { definition } = this;
    const { subresource = '', patch = false, validateBody } = options;
    const old = current.exact as Readonly<T>;
    this.#checkNamespace(input, call);
    if (input.metadata.name && input.metadata.name !== call.name) throw nameMismatch(input.metadata.name, call.name);
    input.metadata.name ??= call.name;
    const { resourceVersion, uid } = input.metadata;
    if (uid && uid !== current.uid) {
      if (!patch) throw conflict(this.subject(call.name), uidText(uid, current.uid));
      const errors = new FieldErrors();
      errors.invalid(fieldPath('metadata', 'uid'), uid, 'field is immutable');
      throw this.#invalid(input, errors);
    }
    const conditional = resourceVersion !== undefined && resourceVersion !== '' && resourceVersion !== '0';
    if (conditional && resourceVersion !== current.resourceVersion) {
      if (!/^\d+$/.test(resourceVersion))
        throw patch ? badVersion(resourceVersion) : this.#invalid(input, badVersionErrors(resourceVersion));
      throw conflict(this.subject(call.name));
    }
    const context: RequestContext = { ...this.context(call, 'UPDATE', subresource), isPatch: options.patch };
    if (!conditional && !call.trusted && definition.allowUnconditionalUpdate === false) {
      const errors = new FieldErrors();
      errors.add('FieldValueInvalid', 'metadata.resourceVersion', 'Invalid value: 0: must be specified for an update');
      // Upstream names the resource here, not the kind.
      throw invalid(definition.reference.group, definition.reference.resource, call.name, errors);
    }
    let draft = input;
    if (!patch) this.#dropDuplicateOwners(draft, call, '');
    if (!call.ownsManagedFields && !call.trusted) {
      draft = await this.#options.ownership.update(old, draft, { manager: call.fieldManager, subresource, nowMs: context.nowMs });
    }
    if (call.trusted) this.#keepSystemFields(draft, old);
    else await this.#prepareUpdate(draft, old, context, call, validateBody);
    this.#options.settle?.(draft);
    draft.metadata.resourceVersion = old.metadata.resourceVersion!;
    if (this.#mayGo(draft)) return this.#remove(current, draft, context, conditional && !patch);
    draft = keepUnchangedTimes(old, draft);
    if (this.#equal(draft, old)) return current;
    const key = this.cache.key(call.namespace, call.name);
    return this.#withSideEffects(draft, current, context, async bytes => {
      try {
        return await this.#hub.datastore.update(key, bytes, current.revision, {
          timeToLiveSeconds: definition.timeToLiveSeconds?.(draft),
          relaxed: isLeaseRenewal(definition.reference, draft, old),
        });
      } catch (error) {
        throw this.#writeConflict(error, conditional && !patch, call.name);
      }
    });
  }

  /** Admission and strategy of an update; throws Invalid. */
  async #prepareUpdate(
    draft: T,
    old: Readonly<T>,
    context: RequestContext,
    call: WriteCall,
    validateBody: UpdateOptions<T>['validateBody'],
  ): Promise<void> {
    const { definition } = this;
    const { subresource } = context;
    const status = subresource ? (definition.subresources?.[subresource] as StatusSubresource<T>) : undefined;
    if (!validateBody) await this.#admit('mutate', context, draft, old);
    this.#dropDuplicateOwners(draft, call, afterAdmission);
    this.#keepSystemFields(draft, old);
    if (subresource) {
      if (status?.prepareForUpdate) await status.prepareForUpdate(draft, old, context);
      else keepAllButStatus(draft, old);
    } else if (definition.prepareForUpdate) await definition.prepareForUpdate(draft, old, context);
    else this.#resetStatus(draft, old);
    if (this.#hasGeneration && (!subresource || subresource !== 'status')) this.#raiseGeneration(draft, old);
    const errors = new FieldErrors();
    await checkChange({ definition, draft, context, errors }, old);
    if (!errors.empty) throw this.#invalid(draft, errors);
    if (!subresource) for (const text of definition.warnings?.(draft, old, context) ?? []) call.warn(text);
    draft.metadata.resourceVersion = old.metadata.resourceVersion!;
    if (validateBody) await validateBody(draft);
    else await this.#admit('validate', context, draft, old);
  }

  /**
   * Deletes, or marks for deletion when finalizers or a grace period keep the object. Resolves the state in which it lives on, or
   * `gone` with its last state.
   */
  async delete(
    call: WriteCall,
    options: DeleteOptions = {},
    { isOneOfMany = false } = {},
  ): Promise<{ entry: StoredObject<T>; gone: boolean }> {
    await this.#fresh(call.namespace, call.name);
    for (let attempt = 0; ; attempt++) {
      const current = this.cached(call.namespace, call.name);
      checkPreconditions(current, options, this.definition.reference);
      const old = current.exact as Readonly<T>;
      const context = this.context(call, 'DELETE');
      const { gracePeriodSeconds, propagationPolicy, orphanDependents, preconditions } = options;
      const said = { ...context.options, gracePeriodSeconds, propagationPolicy, orphanDependents, preconditions };
      // The request for a collection names none of its objects.
      const asked = { ...context, name: isOneOfMany ? '' : call.name, options: said };
      await this.#admit('mutate', asked, undefined, old);
      await this.#admit('validate', asked, undefined, old);
      const draft = cloneJson(old) as T;
      const grace = beforeDelete(draft, old, options, { definition: this.definition, nowMs: context.nowMs });
      // Nor do finalizers change by options any more.
      if (grace === 'pending') return { entry: current, gone: false };
      setFinalizers(draft, old, options, this.definition.orphanByDefault ?? false);
      if (grace === 'none') markAsDeleting(draft, context.nowMs);
      this.definition.prepareForDelete?.(draft, context);
      try {
        // What knows no grace was never marked: it goes as it was.
        if (grace === 'none' && this.#mayGo(draft)) {
          await this.#remove(current, draft, context, false);
          return { entry: current, gone: true };
        }
        if (semanticEqual(draft, old)) return { entry: current, gone: false };
        const key = this.cache.key(call.namespace, call.name);
        const entry = await this.#withSideEffects(draft, current, context, bytes => {
          return this.#hub.datastore.update(key, bytes, current.revision).catch((error: unknown) => {
            throw this.#writeConflict(error, false, call.name);
          });
        });
        if (!this.#mayGo(entry.exact as T)) return { entry, gone: false };
        // Watchers see that the grace is over before they see it go.
        return { entry: await this.#remove(entry, cloneJson(entry.exact) as T, context, false), gone: true };
      } catch (error) {
        if (!(error instanceof RetryOnConflict)) throw error;
        if (attempt >= conflictRetries) throw conflict(this.subject(call.name));
        await this.#fresh(call.namespace, call.name);
      }
    }
  }

  /** Deletes every object that matches, a few at a time. */
  async deleteCollection(selection: Selection, call: WriteCall, options: DeleteOptions = {}): Promise<StoredObject<T>[]> {
    await this.#fresh(selection.namespace, selection.name);
    const chosen = [...this.select(selection)];
    let next = 0;
    const worker = async (): Promise<void> => {
      for (let entry = chosen[next++]; entry; entry = chosen[next++]) {
        try {
          await this.delete({ ...call, namespace: entry.namespace, name: entry.name }, options, { isOneOfMany: true });
        } catch (error) {
          if (!isStatusError(error, 'NotFound')) throw error;
        }
      }
    };
    await Promise.all(Array.from({ length: Math.min(16, chosen.length) }, worker));
    return chosen;
  }

  get #hasGeneration(): boolean {
    return this.definition.generation !== false && (typeof this.definition.generation === 'function' || this.#hasSpec);
  }

  get #hasSpec(): boolean {
    return this.definition.subresources?.status !== undefined;
  }

  #raiseGeneration(draft: T, old: Readonly<T>): void {
    const { generation } = this.definition;
    const rises =
      typeof generation === 'function'
        ? generation(draft, old)
        : !semanticEqual((draft as { spec?: unknown }).spec, (old as { spec?: unknown }).spec);
    if (rises) draft.metadata.generation = (old.metadata.generation ?? 0) + 1;
  }

  #resetStatus(draft: T, old: Readonly<T> | undefined): void {
    if (!this.definition.subresources?.status) return;
    resetStatus(draft, old);
  }

  #keepSystemFields(draft: T, old: Readonly<T>): void {
    const { metadata } = draft;
    const before = old.metadata;
    metadata.uid = before.uid!;
    if (before.creationTimestamp) metadata.creationTimestamp = before.creationTimestamp;
    setOrDelete(metadata, 'namespace', before.namespace);
    setOrDelete(metadata, 'generation', before.generation);
    // Nobody else can mark for deletion: validation refuses it.
    if (before.deletionTimestamp !== undefined) metadata.deletionTimestamp = before.deletionTimestamp;
    if (before.deletionGracePeriodSeconds !== undefined)
      metadata.deletionGracePeriodSeconds ??= before.deletionGracePeriodSeconds;
  }

  #dropDuplicateOwners({ metadata }: T, call: WriteCall, when: string): void {
    const duplicates = dropDuplicateOwners(metadata);
    if (duplicates.length === 0) return;
    const text =
      'API server dedups owner references in 1.20+, and may reject such requests as early as 1.24; please fix your requests';
    call.warn(
      `.metadata.ownerReferences contains duplicate entries${when}; ${text}; duplicate UID(s) observed: ${duplicates.join(', ')}`,
    );
  }

  #checkNamespace(object: T, call: WriteCall): void {
    const { metadata } = object;
    if (!this.definition.reference.namespaced) {
      if (metadata.namespace) delete metadata.namespace;
      return;
    }
    if (metadata.namespace && metadata.namespace !== call.namespace) {
      throw badRequest(`the namespace of the provided object does not match the namespace sent on the request`);
    }
    metadata.namespace = call.namespace;
  }

  #mayGo(draft: T): boolean {
    const { metadata } = draft;
    if (metadata.deletionTimestamp === undefined) return false;
    if (metadata.finalizers?.length) return false;
    if ((metadata.deletionGracePeriodSeconds ?? 0) > 0) return false;
    return !this.definition.keepsWhenDeleted?.(draft);
  }

  async #remove(current: StoredObject<T>, draft: T, context: RequestContext, conditional: boolean): Promise<StoredObject<T>> {
    if (context.dryRun) return this.#unstored(draft, current.revision);
    const key = this.cache.key(current.namespace, current.name);
    let revision: number;
    try {
      revision = await this.#hub.datastore.delete(key, current.revision);
    } catch (error) {
      throw this.#writeConflict(error, conditional, current.name);
    }
    await this.definition.afterDelete?.(draft, context);
    return this.#unstored(draft, revision);
  }

  async #withSideEffects(
    draft: T,
    current: StoredObject<T> | undefined,
    context: RequestContext,
    write: (bytes: Buffer) => Promise<number>,
  ): Promise<StoredObject<T>> {
    const rollback: Rollback | void = await this.definition.beforeWrite?.(draft, current?.exact, context);
    delete draft.metadata.resourceVersion;
    try {
      if (context.dryRun) {
        await rollback?.();
        return this.#unstored(draft, current?.revision ?? 0);
      }
      const stored = await this.#stored(draft);
      const bytes = encodeStored(stored);
      this.#hub.remember(bytes, stored);
      const revision = await write(bytes);
      if (this.#options.kept?.converts) return this.#unstored(draft, revision);
      const cached = this.cache.get(draft.metadata.namespace ?? '', draft.metadata.name!);
      return cached?.revision === revision ? cached : this.cache.decode(bytes, revision);
    } catch (error) {
      if (!context.dryRun) await rollback?.();
      throw error;
    }
  }

  /** Whether there is nothing to write. */
  #equal(draft: T, old: Readonly<T>): boolean {
    return this.definition.keepsEmptyLists ? jsonEqual(draft, old) : semanticEqual(draft, old);
  }

  #stored(draft: T): KubeObject | Promise<KubeObject> {
    if (this.#options.kept) return this.#options.kept.toStored(draft);
    const { viewOf } = this.definition;
    if (!viewOf) return draft;
    const { namespace = '', name = '' } = draft.metadata;
    return viewOf.fromView(draft, this.#options.viewed!.cache.get(namespace, name)?.exact);
  }

  /** An answer for something that is not in the store: dry runs and what has just been deleted. */
  #unstored(draft: T, revision: number): StoredObject<T> {
    const { viewOf } = this.definition;
    // As it would be shown had it been stored.
    const object = cloneJson(viewOf ? viewOf.toView(viewOf.fromView(draft, undefined)) : draft);
    delete object.metadata.resourceVersion;
    return StoredObject.decode<T>(detachedCache, encodeStored(object), revision);
  }

  #writeConflict(error: unknown, conditional: boolean, name: string): unknown {
    if (errorCode(error) !== 'DATASTORE_CONFLICT') return storageError(error);
    if (!(error as DatastoreConflict).current) return new RetryOnConflict();
    return conditional ? conflict(this.subject(name)) : new RetryOnConflict();
  }

  #invalid(object: T, errors: FieldErrors): Error {
    // A view's errors name the kind that is stored, as upstream's do.
    const { group, kind } = (this.definition.viewOf ?? this.definition).reference;
    return invalid(group, object.kind || kind, object.metadata.name ?? '', errors);
  }

  /** Admission of the body of a subresource of another kind (`eviction`, `token`, `scale`), which the store itself never sees. */
  async admitBody(
    context: RequestContext,
    kind: string,
    { body, oldBody }: { readonly body: KubeObject; readonly oldBody?: Readonly<KubeObject> },
    steps: readonly ('mutate' | 'validate')[] = ['mutate', 'validate'],
  ): Promise<void> {
    for (const step of steps) await this.#admit(step, context, body, oldBody, kind);
  }

  async #admit(
    step: 'mutate' | 'validate',
    context: RequestContext,
    object: KubeObject | undefined,
    oldObject: Readonly<KubeObject> | undefined,
    kind = this.definition.reference.kind,
  ): Promise<void> {
    const plugins = this.#options.admission();
    if (plugins.length === 0) return;
    const { group, version, resource } = this.definition.reference;
    await runAdmission(plugins, step, {
      operation: context.operation,
      group,
      version,
      resource,
      kind,
      subresource: context.subresource,
      namespace: context.namespace,
      name: context.name,
      object,
      oldObject,
      caller: context.caller,
      dryRun: context.dryRun,
      options: context.operation === 'CONNECT' ? undefined : context.options,
      warn: text => context.warn(text),
    });
  }
}

/** The stored object changed under an unconditional write: run it again. */
class RetryOnConflict extends Error {}

const detachedCache = new ParseCache({ limitBytes: 0 });

export type { CacheEvent, FieldOwnership, KeptObjects, ResourceStoreOptions, WriteCall };
