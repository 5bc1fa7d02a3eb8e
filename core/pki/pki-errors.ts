import { CodedError } from '../base/errors.js';

export type PkiErrorCode =
  /** A PEM or DER text that cannot be read. */
  | 'PKI_MALFORMED'
  /** A certificate and a key that do not belong together. */
  | 'PKI_KEY_MISMATCH'
  /** A certificate request whose signature does not verify, or whose subject is not what was agreed. */
  | 'PKI_BAD_REQUEST'
  /** A key of a type or curve that cannot sign certificates here. */
  | 'PKI_UNSUPPORTED_KEY'
  /** A join token in none of the known forms. */
  | 'PKI_BAD_TOKEN';

export function pkiError(code: PkiErrorCode, message: string, options: { cause?: unknown; mend?: string } = {}): CodedError {
  return new CodedError(code, message, options);
}
