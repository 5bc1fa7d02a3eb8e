import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { ResourceReference } from '../../api/resource-reference.js';
import type { AuditAnnotate } from '../../contracts/admission.js';
import type { CallerIdentity } from '../../contracts/api-transport.js';
import type { FieldErrors } from '../../machinery/field-errors.js';
import type { KubeObject } from '../../machinery/object.js';
import type { ResourceStore } from './resource-store.js';

/**
 * One API resource: what differs from the generic store. One file a resource under `resources/<group>/<kind>.ts`.
 *
 * The order of a create: decode (canonical form) -> `defaults` -> mutating admission -> `prepareForCreate` -> name and metadata
 * filled and checked -> managed fields -> `validate` -> validating admission -> store. An update runs the same with
 * `prepareForUpdate` and `validateUpdate`; all of it again when a patch meets a conflict.
 * Objects given to these functions are drafts: they may be changed in place. `old` is frozen.
 * Source: Kubernetes API conventions; the strategies of kube-apiserver's registries.
 */
export interface ResourceDefinition<T extends KubeObject = KubeObject> {
  readonly reference: ResourceReference<T>;
  /** Key prefix below `/registry/`: upstream's own, its irregular ones too (`minions`, `services/specs`). The plural name when absent. */
  readonly storagePrefix?: string;
  /** Set for a second version of objects that another definition stores: only the conversions; everything else is this definition's. */
  readonly viewOf?: ViewOf<T>;
  /** An object, which may be a draft, in another version of the group, where those are made by definitions (custom resources). */
  toVersion?(object: Readonly<T>, apiVersion: string): Promise<T>;
  /** Verbs of the main resource; all when absent. */
  readonly verbs?: readonly ResourceVerb[];

  /** Not stored: a POST evaluates the object and answers with it (access reviews). Such a definition has only the verb `create`. */
  evaluate?(object: T, context: RequestContext): Promise<T>;

  /** Versioned defaults, upstream's SetDefaults_* for this version. Runs on every decoded object, also of old data. */
  defaults?(object: T): void;

  /** Whether an update may create (upstream AllowCreateOnUpdate). False when absent. */
  readonly allowCreateOnUpdate?: boolean;
  /** Whether an update without resourceVersion is let through. True when absent. */
  readonly allowUnconditionalUpdate?: boolean;
  /** What is wrong with a name; DNS-1123 subdomain when absent. `prefix` is true for generateName. Texts as in machinery/names.ts. */
  validateName?(name: string, prefix: boolean): readonly string[];

  /**
   * What the main endpoint resets. When absent and the kind has a `status` subresource: create drops status, update keeps the
   * old one. Kinds that say their own `prepareFor*` do this themselves through `resetStatus`.
   */
  prepareForCreate?(object: T, context: RequestContext): void | Promise<void>;
  prepareForUpdate?(object: T, old: Readonly<T>, context: RequestContext): void | Promise<void>;
  /** When `metadata.generation` rises. Absent: kinds with a spec, when spec changed. `false`: the kind has no generation. */
  readonly generation?: false | ((object: T, old: Readonly<T>) => boolean);

  /** Everything but ObjectMeta, which the store checks. */
  validate?(object: T, errors: FieldErrors, context: RequestContext): void | Promise<void>;
  /** Checks of the change; when absent `validate` of the new object. Call `validate` from here where upstream does both. */
  validateUpdate?(object: T, old: Readonly<T>, errors: FieldErrors, context: RequestContext): void | Promise<void>;
  warnings?(object: T, old: Readonly<T> | undefined, context: RequestContext): readonly string[];

  /** Cells of one row, in the order of the generated `columns` of this resource. Absent: Name and Created At. */
  row?(object: Readonly<T>, context: RowContext): readonly unknown[];
  /** In which order a list's rows stand, where that is not the order of the list. */
  tableOrder?(a: Readonly<T>, b: Readonly<T>): number;
  /** Annotations that stand for fields which this version of the API has not: not shown where there is only metadata. */
  readonly versionAnnotations?: readonly string[];
  /** Warned about in every answer. */
  readonly deprecation?: string;
  /** A deletion that is done answers with the object's last state instead of a Status. Source: ReturnDeletedObject of upstream's stores. */
  readonly returnsDeleted?: boolean;
  /** Finalizers may be named without a domain, as those of custom resources. */
  readonly freeFinalizers?: boolean;
  /** What the kind itself checks and in which order, where it is not the metadata and then the rest. */
  readonly checks?: {
    /** Absent: `object`, `validate`. */
    readonly create?: readonly Check[];
    /** Absent: `change`, then `validateUpdate` or, where there is none, `validate`. */
    readonly update?: readonly Check[];
  };
  /** What an object without anything has all the same when upstream converts it: what bookmarks show. In place. */
  fillBookmark?(object: T): void;
  /** Told to who deletes without a propagation policy. */
  readonly deleteWarning?: string;
  /** What is said of a field selector's label that it does not have, where its words are its own. */
  unknownFieldText?(label: string): string;
  /** Kept as JSON, as custom resources are, which tells an empty list from none. */
  readonly keepsEmptyLists?: boolean;
  /** Field selectors beside `metadata.name` and `metadata.namespace`. Values are strings; absent fields are ''. */
  readonly selectableFields?: Readonly<Record<string, (object: Readonly<T>) => string>>;

  readonly subresources?: Readonly<Record<string, SubresourceDefinition<T>>>;
  /**
   * Dotted paths that an endpoint takes back, so that nobody comes to own them there; by subresource, '' for the resource itself.
   * Absent: `status` for the resource (where it has that subresource), `spec`, labels and annotations for `status`.
   */
  readonly resetFields?: Readonly<Record<string, readonly string[]>>;

  /** Graceful deletion: seconds to go on living, 0 for at once. Absent: at once. Called again on a shortened grace. */
  gracePeriodSeconds?(object: Readonly<T>, requested: number | undefined): number;
  /** Side effects that belong to a write (allocations). Runs before the write is tried; `rollback` when the write then fails. */
  beforeWrite?(object: T, old: Readonly<T> | undefined, context: RequestContext): Promise<Rollback | void> | Rollback | void;
  /** Changes that belong to being marked for deletion (a Namespace's phase). */
  prepareForDelete?(object: T, context: RequestContext): void;
  /** Whether something besides finalizers keeps a deleted object (a Namespace's `spec.finalizers`). */
  keepsWhenDeleted?(object: Readonly<T>): boolean;
  /** After an object has really gone. */
  afterDelete?(object: Readonly<T>, context: RequestContext): Promise<void> | void;
  /** Seconds until the store removes the object by itself (Events). */
  timeToLiveSeconds?(object: Readonly<T>): number | undefined;
  /** Whether the default propagation of deletes is Orphan (upstream's legacy kinds) instead of Background. */
  readonly orphanByDefault?: boolean;
}

/**
 * How a version that is not stored shows the objects of the one that is. Both functions share what they need not change and give
 * `metadata` on as it is.
 */
export interface ViewOf<T extends KubeObject, Stored extends KubeObject = KubeObject> {
  readonly reference: ResourceReference<Stored>;
  toView(stored: Readonly<Stored>): T;
  /** `stored` is the newest state, for what a view cannot show; undefined for a new object. */
  fromView(view: Readonly<T>, stored: Readonly<Stored> | undefined): Stored;
}

/**
 * A step of the checks of a kind: its metadata as that of any object (`object`) or as changed (`change`), and its own functions.
 * Metadata is checked for all kinds alike too, so a mistake in it is listed once for every step that comes across it: upstream's
 * kinds differ in these steps, and its messages with them.
 */
export type Check = 'object' | 'change' | 'validate' | 'validateUpdate';

export type Rollback = () => Promise<void> | void;
export type ResourceVerb = 'get' | 'list' | 'watch' | 'create' | 'update' | 'patch' | 'delete' | 'deletecollection';

export interface RowContext {
  readonly nowMs: number;
}

/** What a strategy may know about the request that it serves. */
export interface RequestContext {
  readonly caller: CallerIdentity;
  readonly operation: 'CREATE' | 'UPDATE' | 'DELETE' | 'CONNECT';
  /** Of an update: whether its verb is `patch`. */
  readonly isPatch?: boolean | undefined;
  readonly namespace: string;
  readonly name: string;
  readonly subresource: string;
  readonly dryRun: boolean;
  readonly nowMs: number;
  /** Options of the request as admission sees them. */
  readonly options?: Readonly<Record<string, unknown>> | undefined;
  /** Warning headers of the answer. */
  warn(text: string): void;
  /** Of the audit log; absent where nothing is written of the request. */
  readonly annotate?: AuditAnnotate | undefined;
  /** Other resources, for subresources and allocations that touch them. */
  readonly stores: ResourceStores;
  /** Asks the authorizer about the caller (RBAC escalation checks, secret references ...). */
  allows(attributes: {
    verb: string;
    group: string;
    resource: string;
    subresource?: string;
    namespace?: string;
    name?: string;
  }): Promise<boolean>;
}

export interface ResourceStores {
  /** Undefined when the resource is not served. */
  get<T extends KubeObject>(reference: { group: string; resource: string }): ResourceStore<T> | undefined;
}

/** A subresource of one of three shapes. */
export type SubresourceDefinition<T extends KubeObject> = StatusSubresource<T> | ObjectSubresource<T> | ConnectSubresource<T>;

/** `status`, `resize`, `ephemeralcontainers`, `approval`, `finalize`: another way to update the same object. */
export interface StatusSubresource<T extends KubeObject> {
  readonly type: 'update';
  /** Puts back what this endpoint must not change. Absent: everything but status and managedFields is put back to `old`. */
  prepareForUpdate?(object: T, old: Readonly<T>, context: RequestContext): void | Promise<void>;
  /** Absent: `change`, `validateUpdate`. */
  readonly checks?: readonly Check[] | undefined;
  /** Absent: none. */
  validateUpdate?(object: T, old: Readonly<T>, errors: FieldErrors, context: RequestContext): void | Promise<void>;
}

/** `scale`, `binding`, `eviction`, `token`: a different kind in and out. */
export interface ObjectSubresource<T extends KubeObject> {
  readonly type: 'object';
  /** The kind of the body and the answer. */
  readonly kind: { readonly group: string; readonly version: string; readonly kind: string };
  /** Versioned defaults of the body. */
  defaults?(object: KubeObject): void;
  /** GET. */
  get?(parent: Readonly<T>, context: RequestContext): Promise<KubeObject> | KubeObject;
  /** What PUT and PATCH start from, where GET gives something else or nothing. */
  getForUpdate?(parent: Readonly<T>): KubeObject;
  /** POST. The parent may be missing: look it up through `store`. */
  create?(body: KubeObject, store: ResourceStore<T>, context: RequestContext): Promise<KubeObject>;
  /** PUT and PATCH: a patch is applied to what `getForUpdate` or `get` gives. Writes `body` into the draft of the parent. */
  update?(body: KubeObject, parent: T, context: RequestContext): Promise<void> | void;
  validateUpdate?(body: KubeObject, parent: Readonly<T>, errors: FieldErrors, context: RequestContext): Promise<void> | void;
}

/** `log`, `exec`, `attach`, `portforward`, `proxy`: bytes, not objects. */
export interface ConnectSubresource<T extends KubeObject> {
  readonly type: 'connect';
  readonly methods: readonly string[];
  connect(find: FindParent<T>, stream: ConnectStream, context: RequestContext): Promise<void>;
}

/** The newest state of whose subresource it is: of the path's name, or of another that was read out of it. Throws NotFound. */
export type FindParent<T extends KubeObject> = (name?: string) => Promise<Readonly<T>>;

export interface ConnectStream {
  readonly request: IncomingMessage;
  /** Path behind the subresource, '' or with a leading slash (proxy). */
  readonly path: string;
  readonly query: URLSearchParams;
  /** For plain requests. */
  readonly response?: ServerResponse;
  /** For upgraded requests: the raw socket and what was read of it already. */
  readonly socket?: Duplex;
  readonly head?: Buffer;
}

/** Checks a definition against its object's type and forgets that type, so that all can stand in one list. */
export function defineResource<T extends KubeObject>(definition: ResourceDefinition<T>): ResourceDefinition {
  return definition as unknown as ResourceDefinition;
}
