import { CodedError } from '../base/errors.js';
import type { KeyValue } from './datastore.js';

/** The condition of a write did not hold. `current` is what the store has, undefined when the key does not exist. */
export class DatastoreConflict extends CodedError {
  readonly current: KeyValue | undefined;

  constructor(key: string, current: KeyValue | undefined) {
    super('DATASTORE_CONFLICT', `condition failed for key ${key}`);
    this.current = current;
  }
}

/** `revision` lies before the kept history, which begins above `compactedRevision`. */
export class DatastoreCompacted extends CodedError {
  readonly compactedRevision: number;

  constructor(revision: number, compactedRevision: number) {
    super('DATASTORE_COMPACTED', `revision ${revision} has been compacted (kept: above ${compactedRevision})`);
    this.compactedRevision = compactedRevision;
  }
}

export type DatastoreErrorCode =
  | 'DATASTORE_CLOSED'
  | 'DATASTORE_CORRUPT'
  | 'DATASTORE_FULL'
  | 'DATASTORE_FUTURE_REVISION'
  | 'DATASTORE_NEWER_FORMAT'
  | 'DATASTORE_UNAVAILABLE'
  | 'DATASTORE_UNSUPPORTED';

export function datastoreError(
  code: DatastoreErrorCode,
  message: string,
  options: { cause?: unknown; mend?: string } = {},
): CodedError {
  return new CodedError(code, message, options);
}
