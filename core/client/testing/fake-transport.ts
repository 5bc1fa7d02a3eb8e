import { AsyncQueue } from '../../base/async-queue.js';
import type { Clock } from '../../base/clock.js';
import type { ResourceReference } from '../../api/resource-reference.js';
import type {
  ApiTransport,
  DeleteRequest,
  ListRequest,
  ListResult,
  ObjectRequest,
  PatchRequest,
  ResourceRequest,
  WatchEvent,
  WatchRequest,
  WriteRequest,
} from '../../contracts/api-transport.js';
import { loadTypes } from '../../api/schema-data.js';
import { parseFieldSelector } from '../../machinery/field-selector.js';
import { parseLabelSelector } from '../../machinery/label-selector.js';
import { cloneJson, deepFreeze, formatApiVersion, jsonEqual } from '../../machinery/object.js';
import type { KubeObject } from '../../machinery/object.js';
import { applyJsonPatch } from '../../machinery/patch/json-patch.js';
import { applyMergePatch } from '../../machinery/patch/merge-patch.js';
import { applyStrategicMergePatch } from '../../machinery/patch/strategic-merge-patch.js';
import type { TypeSet } from '../../machinery/schema.js';
import { alreadyExists, badRequest, conflict, expired, notFound } from '../../machinery/status-error.js';
import { entryOf, objectKey } from '../entries.js';

export type FakeVerb = 'get' | 'list' | 'watch' | 'create' | 'update' | 'patch' | 'delete' | 'deletecollection';

export interface FakeAction {
  readonly verb: FakeVerb;
  readonly group: string;
  readonly resource: string;
  readonly subresource: string | undefined;
  readonly namespace: string | undefined;
  readonly name: string | undefined;
  readonly caller: string;
  readonly object: unknown;
}

/** Called before every verb; what it throws is the answer. */
export type FakeReactor = (action: FakeAction) => void;

type FakeObject = KubeObject & { spec?: unknown; status?: unknown };

interface Change {
  readonly revision: number;
  readonly resource: string;
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly previous: FakeObject | undefined;
  readonly object: FakeObject;
}

interface Watcher {
  readonly resource: string;
  accepts(object: FakeObject): boolean;
  readonly queue: AsyncQueue<WatchEvent<unknown>>;
}

/**
 * An API server in memory for unit tests of controllers: resource versions, uids, generateName, generations, status subresources,
 * finalizers and graceful deletion of bound pods. No validation, no defaults, no admission.
 */
export class FakeTransport implements ApiTransport {
  readonly actions: FakeAction[] = [];
  readonly reactors: FakeReactor[] = [];
  readonly #clock: Clock;
  readonly #objects = new Map<string, Map<string, FakeObject>>();
  readonly #history: Change[] = [];
  readonly #watchers = new Set<Watcher>();
  readonly #types = new Map<string, TypeSet>();
  #revision = 100;
  #uids = 0;
  #oldestRevision = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Writes among the actions, as `create pods`, `update deployments/status` ... */
  writes(): string[] {
    return this.actions
      .filter(action => !['get', 'list', 'watch'].includes(action.verb))
      .map(action => `${action.verb} ${action.resource}${action.subresource ? `/${action.subresource}` : ''}`);
  }

  /** Forgets the history: watches from older resource versions fail as Expired. */
  compact(): void {
    this.#history.length = 0;
    this.#oldestRevision = this.#revision;
  }

  /** Cuts off all watchers as a server does with slow readers. */
  cutOffWatchers(error: Error = expired('too old resource version')): void {
    for (const watcher of this.#watchers) watcher.queue.fail(error);
  }

  async get<T>(request: ObjectRequest<T>): Promise<T> {
    this.#react('get', request, request.name);
    const object = this.#find(request, request.name);
    return (request.subresource === 'scale' ? scaleOf(object) : object) as T;
  }

  async list<T>(request: ListRequest<T>): Promise<ListResult<T>> {
    this.#react('list', request);
    const accepts = selection(request);
    const entries = [...this.#table(request.resource).values()].filter(accepts).map(object => entryOf(object as T));
    return { resourceVersion: String(this.#revision), entries };
  }

  async *watch<T>(request: WatchRequest<T>): AsyncGenerator<WatchEvent<T>> {
    this.#react('watch', request);
    const accepts = selection(request);
    const resource = resourceKey(request.resource);
    const fromStart = !request.resourceVersion || request.sendInitialEvents === true;
    const after = fromStart ? this.#revision : Number(request.resourceVersion);
    if (after < this.#oldestRevision) throw expired(`too old resource version: ${after} (${this.#oldestRevision})`);
    const queue = new AsyncQueue<WatchEvent<unknown>>(100_000, () => this.#watchers.delete(watcher));
    const watcher: Watcher = { resource, accepts, queue };
    if (fromStart) {
      for (const object of this.#table(request.resource).values()) {
        if (accepts(object)) queue.push({ type: 'ADDED', entry: entryOf(object as unknown) });
      }
      if (request.sendInitialEvents) {
        queue.push({ type: 'BOOKMARK', resourceVersion: String(this.#revision), initialEventsEnd: true });
      }
    }
    for (const change of this.#history) if (change.revision > after) this.#send(watcher, change);
    this.#watchers.add(watcher);
    const onAbort = (): void => queue.end();
    request.signal?.addEventListener('abort', onAbort, { once: true });
    try {
      if (request.signal?.aborted) return;
      for await (const event of queue) yield event as WatchEvent<T>;
    } finally {
      request.signal?.removeEventListener('abort', onAbort);
      queue.end();
    }
  }

  async create<T>(request: WriteRequest<T>): Promise<T> {
    const draft = cloneJson(request.object) as FakeObject;
    this.#react('create', request, request.name ?? draft.metadata?.name, request.object);
    if (request.subresource) return this.#createSubresource(request, draft) as T;
    draft.metadata ??= {};
    const metadata = draft.metadata;
    if (request.resource.namespaced) metadata.namespace ??= request.namespace;
    if (!metadata.name && metadata.generateName) metadata.name = metadata.generateName + String(++this.#uids).padStart(5, '0');
    if (!metadata.name) throw badRequest('name or generateName is required');
    if (this.#table(request.resource).has(objectKey(metadata.namespace, metadata.name))) {
      throw alreadyExists(subject(request.resource, metadata.name));
    }
    if (request.resource.namespaced && !metadata.namespace) throw badRequest('namespace is required');
    draft.apiVersion = formatApiVersion(request.resource);
    draft.kind = request.resource.kind;
    if (draft.kind === 'Pod') draft.status ??= { phase: 'Pending' };
    if (draft.kind === 'Namespace') {
      draft.spec ??= { finalizers: ['kubernetes'] };
      draft.status ??= { phase: 'Active' };
    }
    metadata.uid ??= `uid-${++this.#uids}`;
    metadata.creationTimestamp ??= this.#timestamp();
    metadata.generation ??= 1;
    return (request.dryRun ? deepFreeze(draft) : this.#put(request.resource, draft)) as T;
  }

  async update<T>(request: WriteRequest<T> & { name: string }): Promise<T> {
    this.#react('update', request, request.name, request.object);
    return this.#write(request, request.name, () => cloneJson(request.object) as FakeObject) as T;
  }

  async patch<T>(request: PatchRequest<T>): Promise<T> {
    this.#react('patch', request, request.name, request.patch);
    return this.#write(request, request.name, known => this.#patched(known, request)) as T;
  }

  async delete<T>(request: DeleteRequest<T>): Promise<T | undefined> {
    this.#react('delete', request, request.name, request.options);
    const known = this.#find(request, request.name);
    const { preconditions, orphanDependents, gracePeriodSeconds } = request.options ?? {};
    const propagationPolicy = request.options?.propagationPolicy ?? (orphanDependents ? 'Orphan' : undefined);
    if (preconditions?.uid && preconditions.uid !== known.metadata.uid) {
      throw conflict(
        subject(request.resource, request.name),
        `Precondition failed: UID in precondition: ${preconditions.uid}, UID in object meta: ${known.metadata.uid}`,
      );
    }
    if (preconditions?.resourceVersion && preconditions.resourceVersion !== known.metadata.resourceVersion) {
      throw conflict(subject(request.resource, request.name));
    }
    const draft = cloneJson(known);
    const added =
      propagationPolicy === 'Foreground' ? 'foregroundDeletion' : propagationPolicy === 'Orphan' ? 'orphan' : undefined;
    if (added && !draft.metadata.finalizers?.includes(added)) (draft.metadata.finalizers ??= []).push(added);
    const spec = draft.spec as { nodeName?: string; terminationGracePeriodSeconds?: number } | undefined;
    const graceful = draft.kind === 'Pod' && Boolean(spec?.nodeName) && gracePeriodSeconds !== 0;
    if (!graceful && !isKept(draft)) {
      this.#remove(request.resource, known);
      return undefined;
    }
    if (!draft.metadata.deletionTimestamp) {
      const grace = graceful ? (gracePeriodSeconds ?? spec?.terminationGracePeriodSeconds ?? 30) : 0;
      draft.metadata.deletionTimestamp = this.#timestamp(grace * 1000);
      draft.metadata.deletionGracePeriodSeconds = grace;
      if (draft.kind === 'Namespace') draft.status = { ...(draft.status as object), phase: 'Terminating' };
    }
    if (jsonEqual(draft, known)) return known as T;
    return this.#put(request.resource, draft) as T;
  }

  async deleteCollection<T>(request: ListRequest<T>): Promise<void> {
    this.#react('deletecollection', request);
    for (const object of [...this.#table(request.resource).values()].filter(selection(request))) {
      await this.delete({ ...request, namespace: object.metadata.namespace, name: object.metadata.name! });
    }
  }

  #createSubresource(request: WriteRequest<unknown>, draft: FakeObject): FakeObject {
    const name = request.name ?? draft.metadata.name!;
    const known = cloneJson(this.#find(request, name));
    if (request.subresource === 'binding') {
      (known.spec as { nodeName?: string }).nodeName = (draft as unknown as { target: { name: string } }).target.name;
      this.#put(request.resource, known);
    } else if (request.subresource === 'eviction') this.#remove(request.resource, known);
    else throw badRequest(`the fake knows no create of ${request.subresource}`);
    return draft;
  }

  #write(
    request: ResourceRequest<unknown> & { dryRun?: boolean },
    name: string,
    change: (known: FakeObject) => FakeObject,
  ): FakeObject {
    const known = this.#find(request, name);
    const wanted = change(known);
    const version = wanted.metadata.resourceVersion;
    if (version && version !== known.metadata.resourceVersion) throw conflict(subject(request.resource, name));
    if (wanted.metadata.uid && wanted.metadata.uid !== known.metadata.uid) {
      throw conflict(
        subject(request.resource, name),
        `Precondition failed: UID in precondition: ${wanted.metadata.uid}, UID in object meta: ${known.metadata.uid}`,
      );
    }
    const draft = request.subresource === 'status' ? cloneJson(known) : wanted;
    if (request.subresource === 'status') {
      draft.status = wanted.status;
      // As most status strategies do: annotations may be written beside the status (deployments' revision is).
      if (wanted.metadata.annotations) draft.metadata.annotations = wanted.metadata.annotations;
    }
    if (request.subresource === 'scale') {
      const { replicas } = wanted.spec as { replicas?: number };
      Object.assign(draft, cloneJson(known));
      (draft.spec as { replicas?: number }).replicas = replicas;
    } else if (request.subresource !== 'status' && known.status !== undefined) draft.status = known.status;
    const { uid, creationTimestamp, deletionTimestamp, generation, namespace, resourceVersion } = known.metadata;
    Object.assign(draft.metadata, { name, uid, creationTimestamp, generation, resourceVersion });
    if (namespace) draft.metadata.namespace = namespace;
    if (deletionTimestamp) draft.metadata.deletionTimestamp = deletionTimestamp;
    if (!jsonEqual(known.spec, draft.spec)) draft.metadata.generation = (generation ?? 1) + 1;
    if (jsonEqual(known, draft)) return known;
    if (request.dryRun) return deepFreeze(draft);
    if (deletionTimestamp && !isKept(draft) && !draft.metadata.deletionGracePeriodSeconds) {
      return this.#remove(request.resource, draft);
    }
    return this.#put(request.resource, draft);
  }

  #patched(known: FakeObject, { resource, type, patch }: PatchRequest<unknown>): FakeObject {
    const object = known as unknown as Record<string, unknown>;
    // Patches may share parts with the frozen object they are applied to.
    // Enough for one applier that owns what it names.
    if (type === 'merge' || type === 'apply')
      return cloneJson(applyMergePatch(object, withoutUndefinedDeep(patch)) as unknown as FakeObject);
    if (type === 'json') return cloneJson(applyJsonPatch(object, patch) as FakeObject);
    let types = this.#types.get(resource.group);
    if (!types) this.#types.set(resource.group, (types = loadTypes(resource.group)));
    const struct = types.kind(resource.group, resource.version, resource.kind);
    if (!struct) throw badRequest(`the fake knows no type ${resource.kind}`);
    return cloneJson(applyStrategicMergePatch(object, withoutUndefinedDeep(patch), struct) as unknown as FakeObject);
  }

  #table(resource: ResourceReference<unknown>): Map<string, FakeObject> {
    const key = resourceKey(resource);
    let table = this.#objects.get(key);
    if (!table) this.#objects.set(key, (table = new Map()));
    return table;
  }

  #find(request: ResourceRequest<unknown>, name: string): FakeObject {
    const namespace = request.resource.namespaced ? request.namespace : undefined;
    const object = this.#table(request.resource).get(objectKey(namespace, name));
    if (!object) throw notFound(subject(request.resource, name));
    return object;
  }

  #put(resource: ResourceReference<unknown>, draft: FakeObject): FakeObject {
    const key = objectKey(draft.metadata.namespace, draft.metadata.name!);
    const table = this.#table(resource);
    const previous = table.get(key);
    draft.metadata.resourceVersion = String(++this.#revision);
    deepFreeze(draft);
    table.set(key, draft);
    this.#publish({
      revision: this.#revision,
      resource: resourceKey(resource),
      type: previous ? 'MODIFIED' : 'ADDED',
      previous,
      object: draft,
    });
    return draft;
  }

  #remove(resource: ResourceReference<unknown>, object: FakeObject): FakeObject {
    const previous = this.#table(resource).get(objectKey(object.metadata.namespace, object.metadata.name!));
    this.#table(resource).delete(objectKey(object.metadata.namespace, object.metadata.name!));
    const last = cloneJson(object);
    last.metadata.resourceVersion = String(++this.#revision);
    deepFreeze(last);
    this.#publish({ revision: this.#revision, resource: resourceKey(resource), type: 'DELETED', previous, object: last });
    return last;
  }

  #publish(change: Change): void {
    this.#history.push(change);
    for (const watcher of Array.from(this.#watchers)) this.#send(watcher, change);
  }

  #send(watcher: Watcher, change: Change): void {
    if (watcher.resource !== change.resource) return;
    const before = change.previous !== undefined && watcher.accepts(change.previous);
    const after = change.type !== 'DELETED' && watcher.accepts(change.object);
    if (!before && !after) return;
    const type = after ? (before ? 'MODIFIED' : 'ADDED') : 'DELETED';
    watcher.queue.push({ type, entry: entryOf(change.object as unknown) });
  }

  #react(verb: FakeVerb, request: ResourceRequest<unknown>, name?: string, object?: unknown): void {
    const action: FakeAction = {
      verb,
      group: request.resource.group,
      resource: request.resource.resource,
      subresource: request.subresource,
      namespace: request.namespace,
      name,
      caller: request.caller.name,
      object,
    };
    this.actions.push(action);
    for (const reactor of this.reactors) reactor(action);
  }

  #timestamp(laterMs = 0): string {
    return `${new Date(this.#clock.now() + laterMs).toISOString().slice(0, 19)}Z`;
  }
}

/** autoscaling/v1 Scale. */
function scaleOf({ metadata, spec, status }: FakeObject): unknown {
  const { replicas, selector } = (spec ?? {}) as { replicas?: number; selector?: { matchLabels?: Record<string, string> } };
  const { name, namespace, uid, resourceVersion } = metadata;
  const pairs = Object.entries(selector?.matchLabels ?? {}).map(([key, value]) => `${key}=${value}`);
  return {
    apiVersion: 'autoscaling/v1',
    kind: 'Scale',
    metadata: { name, namespace, uid, resourceVersion },
    spec: { replicas },
    status: { replicas: (status as { replicas?: number } | undefined)?.replicas ?? replicas ?? 0, selector: pairs.join(',') },
  };
}

function isKept(object: FakeObject): boolean {
  const inSpec = object.kind === 'Namespace' ? (object.spec as { finalizers?: string[] } | undefined)?.finalizers : undefined;
  return Boolean(object.metadata.finalizers?.length) || Boolean(inSpec?.length);
}

function selection(request: ListRequest<unknown>): (object: FakeObject) => boolean {
  const labels = parseLabelSelector(request.labelSelector ?? '');
  const fields = parseFieldSelector(request.fieldSelector ?? '');
  return object =>
    (!request.namespace || object.metadata.namespace === request.namespace) &&
    labels.matches(object.metadata.labels) &&
    fields.requirements.every(({ field, value, operator }) => (readPath(object, field) === value) === (operator === '='));
}

/** Any field of the object can be selected by, other than on a server. */
function readPath(object: unknown, path: string): string {
  let at: unknown = object;
  for (const name of path.split('.')) at = (at as Record<string, unknown> | undefined)?.[name];
  return at === undefined || at === null ? '' : String(at);
}

const resourceKey = (resource: ResourceReference<unknown>): string => `${resource.group}/${resource.resource}`;

const subject = (resource: ResourceReference<unknown>, name: string) => ({
  group: resource.group,
  resource: resource.resource,
  name,
});

/** A patch as it would arrive after encoding. */
function withoutUndefinedDeep(patch: unknown): unknown {
  return JSON.parse(JSON.stringify(patch));
}
