import { isJsonObject, setOwn } from '../object.js';
import { badRequest } from '../status-error.js';
import { goJsonKind } from './patch-errors.js';

/**
 * Applies an RFC 7396 merge patch and returns the new document; inputs stay as they are, what did not change is shared.
 * As evanphx/json-patch does, nulls are also dropped inside lists of what a patch adds.
 *
 * Errors: 400 when the patch is not an object.
 */
export function applyMergePatch(document: Readonly<Record<string, unknown>>, patch: unknown): Record<string, unknown> {
  if (patch === null) throw badRequest('Invalid JSON Patch');
  if (!isJsonObject(patch)) {
    throw badRequest(
      `error decoding patch: json: cannot unmarshal ${goJsonKind(patch)} into Go value of type map[string]interface {}`,
    );
  }
  return mergeObjects(document, patch);
}

function mergeObjects(
  document: Readonly<Record<string, unknown>>,
  patch: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const merged: Record<string, unknown> = { ...document };
  for (const key of Object.keys(patch)) {
    const change = patch[key];
    if (change === null) {
      delete merged[key];
      continue;
    }
    const current = Object.hasOwn(merged, key) ? merged[key] : undefined;
    if (isJsonObject(current)) setOwn(merged, key, isJsonObject(change) ? mergeObjects(current, change) : change);
    else setOwn(merged, key, withoutNulls(change));
  }
  return merged;
}

/** A value without members that are null, at any depth; nulls that are items of a list stay. */
export function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (!isJsonObject(value)) return value;
  const kept: Record<string, unknown> = {};
  for (const key of Object.keys(value)) if (value[key] !== null) setOwn(kept, key, withoutNulls(value[key]));
  return kept;
}
