import { CodedError } from '../../../base/errors.js';

export const policyFaultCode = 'POLICY_FAULT';

/** A policy could not do its work: whether that matters is for its `failurePolicy` to say. */
export function policyFault(text: string, cause?: unknown): CodedError {
  return new CodedError(policyFaultCode, text, { cause });
}
