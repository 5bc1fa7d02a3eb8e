/**
 * An error that is told apart by its `code`, never by `instanceof`: two copies of this package may be loaded at once.
 * Codes are SCREAMING_SNAKE and stable. `mend` is one sentence that tells the user what to do.
 */
export class CodedError extends Error {
  readonly code: string;
  readonly mend: string | undefined;

  constructor(code: string, message: string, options: { cause?: unknown; mend?: string } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'CodedError';
    this.code = code;
    this.mend = options.mend;
  }
}

/** The code of an error of ours or of Node's (`ENOENT` ...), undefined for anything else. */
export function errorCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null) return undefined;
  const code = (error as { code?: unknown }).code;
  return typeof code === 'string' ? code : undefined;
}

/** A one-line text for logs: the message and the chain of causes. */
export function errorText(error: unknown): string {
  const parts: string[] = [];
  for (let at: unknown = error, depth = 0; at !== undefined && at !== null && depth < 8; depth++) {
    const text = at instanceof Error ? at.message || at.name : String(at);
    // A cause that says again what it is the cause of, be it with a code before it, adds nothing.
    if (!parts.some(part => text.endsWith(part))) parts.push(text);
    if (at instanceof AggregateError) parts.push(at.errors.map(errorText).join('; '));
    at = at instanceof Error ? at.cause : undefined;
  }
  return parts.join(': ');
}

/** The error that an AbortSignal's owner gave, or a plain AbortError. */
export function abortReason(signal: AbortSignal): Error {
  return signal.reason instanceof Error ? signal.reason : new CodedError('ABORTED', 'aborted', { cause: signal.reason });
}
