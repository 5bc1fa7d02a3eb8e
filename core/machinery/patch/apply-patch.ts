import { isJsonObject } from '../object.js';
import type { StructType } from '../schema.js';
import { badRequest, unsupportedMediaType } from '../status-error.js';
import { applyJsonPatch } from './json-patch.js';
import { applyMergePatch } from './merge-patch.js';
import { applyStrategicMergePatch } from './strategic-merge-patch.js';

export const jsonPatchType = 'application/json-patch+json';
export const mergePatchType = 'application/merge-patch+json';
export const strategicMergePatchType = 'application/strategic-merge-patch+json';
/** Server-side apply is not done here but by `FieldManager.apply`. */
export const applyPatchType = 'application/apply-patch+yaml';

export interface PatchRequest {
  /** A Content-Type without its parameters. */
  readonly contentType: string;
  /** The request's body as parsed JSON; it stays as it is, so a request can be applied again after a conflict. */
  readonly patch: unknown;
  /** The object's type in the request's version; absent for custom resources, which know no strategic merge. */
  readonly type?: StructType | undefined;
}

/**
 * Applies a JSON, merge or strategic merge patch to an object in the request's version. The result is not yet decoded against
 * its type (unknown fields, defaults) and shares with `live` what did not change.
 *
 * Errors: 400, 413, 415, 422 or 500 as kube-apiserver gives them.
 */
export function applyPatch(live: Readonly<Record<string, unknown>>, request: PatchRequest): Record<string, unknown> {
  switch (request.contentType) {
    case jsonPatchType: {
      const patched = applyJsonPatch(live, request.patch);
      if (!isJsonObject(patched)) throw badRequest('the patched document is not an object');
      return patched;
    }
    case mergePatchType:
      return applyMergePatch(live, request.patch);
    case strategicMergePatchType:
      if (!request.type) throw badRequest('strategic merge patch format is not supported');
      return applyStrategicMergePatch(live, request.patch, request.type);
    default:
      throw unsupportedMediaType([jsonPatchType, mergePatchType, strategicMergePatchType]);
  }
}
