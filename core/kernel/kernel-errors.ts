import { CodedError, errorCode } from '../base/errors.js';
import type { PartPhase } from '../contracts/part.js';

/** Errors that keep a kernel from starting; found before anything runs. */
export type WiringErrorCode =
  | 'CONTRACT_MISMATCH'
  | 'CONTRACT_NOT_BOUND'
  | 'DEPENDENCY_CYCLE'
  | 'DUPLICATE_PROVIDER'
  | 'OPTION_INVALID'
  | 'OPTION_UNKNOWN'
  | 'PART_NOT_BOUND'
  | 'PLUGIN_DUPLICATE'
  | 'PLUGIN_LOAD_FAILED'
  | 'PLUGIN_UNKNOWN'
  | 'PLUGIN_WRONG_SIDE'
  | 'REQUIREMENT_MISSING'
  | 'SLOT_EMPTY'
  | 'SLOT_TAKEN'
  | 'SLOT_UNKNOWN';

/** Errors of a kernel that runs. */
export type LifecycleErrorCode = 'KERNEL_STATE' | 'KERNEL_STOPPING' | 'PART_DEADLINE' | 'PART_FAILED';

export function kernelError(
  code: WiringErrorCode | LifecycleErrorCode,
  message: string,
  options: { cause?: unknown; mend?: string } = {},
): CodedError {
  return new CodedError(code, message, options);
}

export class PartError extends CodedError {
  readonly partId: string;
  readonly phase: PartPhase | 'run';
  /** Where the part comes from, when that is not k3s: what it throws is no fault of ours, and needs no stack. */
  origin: string | undefined;

  constructor(partId: string, phase: PartPhase | 'run', cause: unknown) {
    const what = phase === 'run' ? 'failed' : `failed to ${phase === 'ready' ? 'become ready' : phase}`;
    super('PART_FAILED', `${partId} ${what}`, { cause, mend: mendOf(cause) });
    this.partId = partId;
    this.phase = phase;
  }
}

/**
 * Whether a part's failure is a refusal: a CodedError that its `init` threw, which says what the user has to mend. Any other error,
 * and a deadline, is a fault of the part.
 */
export function isRefusal(error: unknown): boolean {
  if (!(error instanceof PartError) || error.phase !== 'init') return false;
  const { cause } = error;
  return cause instanceof Error && cause.name === 'CodedError' && errorCode(cause) !== 'PART_DEADLINE';
}

/** Nothing for none, the error itself for one, an AggregateError for many. */
export function joinErrors(errors: readonly unknown[], message: string): unknown {
  return errors.length <= 1 ? errors[0] : new AggregateError(errors, message);
}

function mendOf(error: unknown): string | undefined {
  const mend = typeof error === 'object' && error !== null ? (error as { mend?: unknown }).mend : undefined;
  return typeof mend === 'string' ? mend : undefined;
}
