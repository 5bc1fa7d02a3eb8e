import { CodedError } from '../../base/errors.js';
import type { GroupVersionKind } from '../../machinery/object.js';

/** The code of an error: what merging has made is no object of the kind. */
export const unfitMerge = 'UNFIT_MERGE';

/** As Go prints a kind. */
export function kindText({ group, version, kind }: GroupVersionKind): string {
  return `${group}/${version}, Kind=${kind}`;
}

/** In upstream's words. */
export function mergeMisfit(kind: GroupVersionKind, cause: unknown): CodedError {
  const fault = (cause as Error).message.replace(/^illegal base64 data/, 'error decoding from json: $&');
  return new CodedError(unfitMerge, `unable to convert unstructured object to ${kindText(kind)}: ${fault}`, { cause });
}
