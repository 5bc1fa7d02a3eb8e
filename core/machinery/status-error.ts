import { CodedError } from '../base/errors.js';
import type { FieldError, FieldErrors } from './field-errors.js';
import { quote } from './field-errors.js';
import { qualifiedName } from './object.js';

/** meta/v1 Status as clients receive it. */
export interface Status {
  kind: 'Status';
  apiVersion: 'v1';
  metadata: { continue?: string; resourceVersion?: string };
  status: 'Success' | 'Failure';
  message?: string;
  reason?: string;
  details?: StatusDetails;
  code?: number;
}

export interface StatusDetails {
  name?: string;
  group?: string;
  kind?: string;
  uid?: string;
  causes?: StatusCause[];
  retryAfterSeconds?: number;
}

export interface StatusCause {
  reason?: string;
  message?: string;
  field?: string;
}

/**
 * A failure that a client sees as a Status. `code` (of CodedError) is the Status reason, so errors can be told apart across
 * copies of this package: `isStatusError(error, 'NotFound')`.
 */
export class StatusError extends CodedError {
  readonly status: Status;

  constructor(httpStatus: number, reason: string, message: string, details?: StatusDetails, cause?: unknown) {
    super(reason || 'Unknown', message, { cause });
    this.name = 'StatusError';
    this.status = {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message,
      ...(reason ? { reason } : {}),
      ...(details ? { details } : {}),
      code: httpStatus,
    };
  }

  get httpStatus(): number {
    return this.status.code ?? 500;
  }

  /** The error that a Status received from a server stands for. */
  static from(status: Status): StatusError {
    return new StatusError(status.code ?? 500, status.reason ?? '', status.message ?? 'unknown error', status.details);
  }
}

/** Whether `error` is a StatusError (of any copy of this package), with one of `reasons` where given. */
export function isStatusError(error: unknown, ...reasons: string[]): error is StatusError {
  if (!(error instanceof Error) || error.name !== 'StatusError' || !('status' in error)) return false;
  return reasons.length === 0 || reasons.includes((error as StatusError).code);
}

/** What a message names: `pods "web" not found`. */
export interface Subject {
  readonly group: string;
  /** The plural resource name. */
  readonly resource: string;
  readonly name: string;
}

const subjectText = (s: Subject): string => `${qualifiedName(s.group, s.resource)} ${quote(s.name)}`;
const subjectDetails = (s: Subject): StatusDetails => ({
  ...(s.name ? { name: s.name } : {}),
  ...(s.group ? { group: s.group } : {}),
  ...(s.resource ? { kind: s.resource } : {}),
});

export function notFound(subject: Subject): StatusError {
  return new StatusError(404, 'NotFound', `${subjectText(subject)} not found`, subjectDetails(subject));
}

/** 404 for a path that names no resource. */
export function pathNotFound(): StatusError {
  return new StatusError(404, 'NotFound', 'the server could not find the requested resource', {});
}

export function alreadyExists(subject: Subject): StatusError {
  return new StatusError(409, 'AlreadyExists', `${subjectText(subject)} already exists`, subjectDetails(subject));
}

export const modifiedText = 'the object has been modified; please apply your changes to the latest version and try again';

export function conflict(subject: Subject, reason = modifiedText): StatusError {
  return new StatusError(
    409,
    'Conflict',
    `Operation cannot be fulfilled on ${subjectText(subject)}: ${reason}`,
    subjectDetails(subject),
  );
}

export function forbidden(subject: Subject, reason: string): StatusError {
  const what = subject.name ? subjectText(subject) : qualifiedName(subject.group, subject.resource);
  return new StatusError(403, 'Forbidden', `${what} is forbidden: ${reason}`, subjectDetails(subject));
}

/** 422 with a cause per field. `kind` is the object's kind (`Pod`), not the resource. */
export function invalid(group: string, kind: string, name: string, errors: FieldErrors | readonly FieldError[]): StatusError {
  const list = 'list' in errors ? errors.list : errors;
  const texts = [...new Set(list.map(error => `${error.field}: ${error.body}`))];
  const text = texts.length === 1 ? texts[0]! : `[${texts.join(', ')}]`;
  return new StatusError(422, 'Invalid', `${qualifiedName(group, kind)} ${quote(name)} is invalid: ${text}`, {
    ...(name ? { name } : {}),
    ...(group ? { group } : {}),
    ...(kind ? { kind } : {}),
    causes: list.map(error => ({ reason: error.type, message: error.body, field: error.field })),
  });
}

export function badRequest(message: string, cause?: unknown): StatusError {
  return new StatusError(400, 'BadRequest', message, undefined, cause);
}

export function unauthorized(message = 'Unauthorized'): StatusError {
  return new StatusError(401, 'Unauthorized', message);
}

export function methodNotSupported(group: string, resource: string, verb: string): StatusError {
  return new StatusError(
    405,
    'MethodNotAllowed',
    `${verb} is not supported on resources of kind ${quote(qualifiedName(group, resource))}`,
    {
      ...(group ? { group } : {}),
      kind: resource,
    },
  );
}

export function methodNotAllowed(): StatusError {
  return new StatusError(405, 'MethodNotAllowed', 'the server does not allow this method on the requested resource', {});
}

export function notAcceptable(supported: readonly string[]): StatusError {
  return new StatusError(406, 'NotAcceptable', `only the following media types are accepted: ${supported.join(', ')}`);
}

/** 406 before the request has reached its handler: no type that the client takes is known there. Worded as go-restful does. */
export function noRepresentation(available: readonly string[]): StatusError {
  const message = `406: Not Acceptable\n\nAvailable representations: ${available.join(', ')}`;
  return new StatusError(406, 'NotAcceptable', message, {});
}

export function unsupportedMediaType(supported: readonly string[]): StatusError {
  return new StatusError(
    415,
    'UnsupportedMediaType',
    `the body of the request was in an unknown format - accepted media types include: ${supported.join(', ')}`,
  );
}

/** 410: the resource version asked for lies before the history that is kept. */
export function expired(message: string): StatusError {
  return new StatusError(410, 'Expired', message);
}

export function timeout(message: string, retryAfterSeconds = 0, causes?: StatusCause[]): StatusError {
  return new StatusError(504, 'Timeout', `Timeout: ${message}`, {
    ...(causes ? { causes } : {}),
    ...(retryAfterSeconds ? { retryAfterSeconds } : {}),
  });
}

export function tooManyRequests(message: string, retryAfterSeconds: number, causes?: StatusCause[]): StatusError {
  return new StatusError(429, 'TooManyRequests', message, {
    ...(causes ? { causes } : {}),
    ...(retryAfterSeconds ? { retryAfterSeconds } : {}),
  });
}

export function requestEntityTooLarge(message: string): StatusError {
  return new StatusError(413, 'RequestEntityTooLarge', `Request entity too large: ${message}`);
}

export function serviceUnavailable(message: string): StatusError {
  return new StatusError(503, 'ServiceUnavailable', message);
}

export function internalError(cause: unknown): StatusError {
  const text = cause instanceof Error ? cause.message : String(cause);
  return new StatusError(500, 'InternalError', `Internal error occurred: ${text}`, { causes: [{ message: text }] }, cause);
}

/** The Status for any error: a StatusError's own, 500 for anything else. */
export function toStatus(error: unknown): Status {
  return isStatusError(error) ? error.status : internalError(error).status;
}
