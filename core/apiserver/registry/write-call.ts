import type { AuditAnnotate } from '../../contracts/admission.js';
import type { CallerIdentity } from '../../contracts/api-transport.js';
import type { KubeObject } from '../../machinery/object.js';

/** What a write brings along besides the object. */
export interface WriteCall {
  readonly caller: CallerIdentity;
  readonly namespace: string;
  readonly name: string;
  readonly dryRun: boolean;
  /** The manager named by the client, or the first part of its user agent. */
  readonly fieldManager: string;
  /** Set for an apply: managedFields are computed by the transform itself. */
  readonly ownsManagedFields?: boolean;
  /** The server's own change (a binding): no strategy, no admission, no field owner. What it may do the caller has checked. */
  readonly trusted?: boolean;
  /** What the client said beside the object (`fieldManager`, `fieldValidation`), for admission. */
  readonly options?: Readonly<Record<string, unknown>> | undefined;
  warn(text: string): void;
  /** Of the audit log; absent where nothing is written of the request. */
  readonly annotate?: AuditAnnotate | undefined;
}

export interface UpdateOptions<T> {
  readonly subresource?: string;
  readonly patch?: boolean;
  /** For a subresource of another kind, whose body is what admission sees: validating admission of that; it was mutated before. */
  readonly validateBody?: (draft: T) => Promise<void>;
}

/** Field ownership of one resource (managedFields), bound to its type. Implemented over machinery/patch/managed-fields. */
export interface FieldOwnership<T extends KubeObject> {
  /** Writes `managedFields` into `next` for a create (no live object), update or non-apply patch. */
  update(
    live: Readonly<T> | undefined,
    next: T,
    options: { manager: string; subresource: string; nowMs: number },
  ): T | Promise<T>;
}
