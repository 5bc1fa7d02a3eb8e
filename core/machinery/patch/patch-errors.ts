import { CodedError } from '../../base/errors.js';
import { StatusError } from '../status-error.js';

/**
 * 422 as clients know it from a patch that parses but does not apply. What went wrong goes no further than the `cause`
 * (for logs): Kubernetes answers with this one text. Source: apimachinery NewGenericServerResponse, apiserver patch handler.
 */
export function patchNotApplicable(text: string): StatusError {
  return new StatusError(
    422,
    'Invalid',
    'the server rejected our request due to an error in our request',
    {},
    new CodedError('PATCH_NOT_APPLICABLE', text),
  );
}

/** 500 with the plain text and no reason: what Kubernetes makes of errors that have no Status of their own. */
export function plainServerError(text: string): StatusError {
  return new StatusError(500, '', text);
}

/** What Go's JSON decoder calls a value of the wrong kind in its messages. */
export function goJsonKind(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  return typeof value === 'boolean' ? 'bool' : typeof value;
}
