import { errorCode, errorText } from '../base/errors.js';

/** One line for each error that was expected (has a code); an unexpected one is shown with its stack. */
export function errorLines(error: unknown): string[] {
  if (error instanceof AggregateError && errorCode(error) === undefined) return error.errors.flatMap(errorLines);
  if (!isExpected(error))
    return [`error: unexpected: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`];
  const mend = (error as { mend?: unknown }).mend;
  return [`error: ${oneLine(errorText(error))}${typeof mend === 'string' ? ` (${mend})` : ''}`];
}

/** The cause decides: a part that failed for a reason nobody foresaw is a fault of ours, and its stack is needed. */
function isExpected(error: unknown): boolean {
  if (errorCode(error) === undefined) return false;
  const cause = error instanceof Error ? error.cause : undefined;
  if (cause === undefined || errorCode(error) !== 'PART_FAILED') return true;
  return cause instanceof AggregateError ? cause.errors.some(isExpected) : isExpected(cause);
}

function oneLine(text: string): string {
  return text.replaceAll(/\s*\n\s*/g, ' ');
}
