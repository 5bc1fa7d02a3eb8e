import type { ResourceReference } from '../api/resource-reference.js';
import type { JsonValue } from '../machinery/object.js';

/**
 * Verbs on API objects with the caller's identity. The API server implements it for the parts in its process (no TLS, no codecs,
 * no authentication; authorization, admission and audit as for everybody); the HTTP transport speaks it to a remote server.
 *
 * Results are frozen. Failures are StatusErrors (`core/machinery/status-error.ts`), told apart by reason:
 * NotFound, AlreadyExists, Conflict, Invalid, Forbidden, Unauthorized, BadRequest, Expired (resource version too old),
 * TooManyRequests, Timeout, ServiceUnavailable, InternalError.
 */
export interface ApiTransport {
  get<T>(request: ObjectRequest<T>): Promise<T>;
  list<T>(request: ListRequest<T>): Promise<ListResult<T>>;
  /**
   * Changes after `resourceVersion` ('' or absent: from now on, after synthetic ADDED events for what exists; `sendInitialEvents`
   * also marks their end by a bookmark with `initialEventsEnd`). A reader that falls behind is cut off: iteration throws Expired,
   * and the caller lists again. Ends quietly after `timeoutSeconds` or `signal`.
   */
  watch<T>(request: WatchRequest<T>): AsyncIterable<WatchEvent<T>>;
  create<T>(request: WriteRequest<T>): Promise<T>;
  /** Conditional on `metadata.resourceVersion` where the object has one. */
  update<T>(request: WriteRequest<T> & { name: string }): Promise<T>;
  patch<T>(request: PatchRequest<T>): Promise<T>;
  /** Resolves the object when it lives on (finalizers, grace), undefined when it is gone. */
  delete<T>(request: DeleteRequest<T>): Promise<T | undefined>;
  deleteCollection<T>(request: ListRequest<T> & { options?: DeleteOptions; dryRun?: boolean }): Promise<void>;
}

export const ApiTransport: unique symbol = Symbol.for('k3s/api-transport@1');

/** Who calls. In-process parts carry their upstream identity (`system:kube-scheduler`, `system:node:NAME` ...). */
export interface CallerIdentity {
  readonly name: string;
  readonly uid?: string;
  readonly groups: readonly string[];
  readonly extra?: Readonly<Record<string, readonly string[]>>;
}

export interface ResourceRequest<T> {
  readonly caller: CallerIdentity;
  readonly resource: ResourceReference<T>;
  /** Absent for cluster-scoped resources, and for lists over all namespaces. */
  readonly namespace?: string;
  readonly subresource?: string;
  readonly signal?: AbortSignal;
  /** For the audit and managedFields; the part's name. */
  readonly userAgent?: string;
}

export interface ObjectRequest<T> extends ResourceRequest<T> {
  readonly name: string;
  readonly resourceVersion?: string;
  /** Of the query, for resources of extension servers that have some of their own (custom metrics: `metricLabelSelector`). */
  readonly parameters?: Readonly<Record<string, string>>;
}

export interface ListRequest<T> extends ResourceRequest<T> {
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  readonly resourceVersion?: string;
  readonly resourceVersionMatch?: 'Exact' | 'NotOlderThan';
  readonly limit?: number;
  readonly continue?: string;
}

export interface WatchRequest<T> extends ListRequest<T> {
  readonly allowWatchBookmarks?: boolean;
  readonly sendInitialEvents?: boolean;
  readonly timeoutSeconds?: number;
}

export interface WriteRequest<T> extends ResourceRequest<T> {
  readonly object: T;
  /** The object's name where the body does not carry it (subresources). */
  readonly name?: string;
  readonly dryRun?: boolean;
  readonly fieldManager?: string;
  readonly fieldValidation?: FieldValidation;
}

export type FieldValidation = 'Strict' | 'Warn' | 'Ignore';

export type PatchType = 'json' | 'merge' | 'strategic' | 'apply';

export interface PatchRequest<T> extends ResourceRequest<T> {
  readonly name: string;
  readonly type: PatchType;
  readonly patch: JsonValue | object;
  readonly force?: boolean;
  readonly dryRun?: boolean;
  readonly fieldManager?: string;
  readonly fieldValidation?: FieldValidation;
}

export interface DeleteOptions {
  readonly gracePeriodSeconds?: number;
  /** What older clients say instead of `propagationPolicy`: true is Orphan, false is Background. */
  readonly orphanDependents?: boolean;
  readonly propagationPolicy?: 'Orphan' | 'Background' | 'Foreground';
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string };
}

export interface DeleteRequest<T> extends ResourceRequest<T> {
  readonly name: string;
  readonly options?: DeleteOptions;
  readonly dryRun?: boolean;
}

/**
 * One object as caches hold it: index fields, and the object itself, which may be parsed when first asked for and again later
 * (do not rely on the identity of `object`; keep the entry, not the object).
 */
export interface ObjectEntry<T> {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly object: T;
}

export interface ListResult<T> {
  readonly resourceVersion: string;
  readonly continue?: string;
  readonly remainingItemCount?: number;
  readonly entries: readonly ObjectEntry<T>[];
}

export type WatchEvent<T> =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly entry: ObjectEntry<T> }
  | { readonly type: 'BOOKMARK'; readonly resourceVersion: string; readonly initialEventsEnd?: boolean };
