import { errorCode, errorText } from '../base/errors.js';

/** One line for each error that was expected (has a code); an unexpected one is shown with its stack. */
export function errorLines(error: unknown): string[] {
  if (error instanceof AggregateError && errorCode(error) === undefined) return withoutEchoes(error.errors).flatMap(errorLines);
  if (!isExpected(error))
    return [`error: unexpected: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`];
  return [`error: ${textWithMend(error)}`];
}

/** One missing program or full disk may have stopped several parts; the first of them is enough. */
function withoutEchoes(errors: readonly unknown[]): unknown[] {
  const told = new Set<string>();
  return errors.filter(error => {
    const cause = error instanceof Error ? error.cause : undefined;
    if (cause === undefined) return true;
    const text = errorText(cause);
    return !told.has(text) && told.add(text);
  });
}

/** One line: what happened, and in parentheses what to do about it. */
export function textWithMend(error: unknown): string {
  const mend = mendOf(error);
  return `${oneLine(errorText(error))}${mend === undefined ? '' : ` (${mend})`}`;
}

function mendOf(error: unknown): string | undefined {
  const mend = (error as { mend?: unknown } | undefined)?.mend;
  if (typeof mend === 'string') return mend;
  for (let at = error; at instanceof Error; at = at.cause) {
    const code = errorCode(at);
    if (code !== undefined && Object.hasOwn(systemMends, code)) return systemMends[code];
  }
  return undefined;
}

/** Of what the file system says anywhere. */
const systemMends: Readonly<Record<string, string>> = {
  EDQUOT: 'raise the quota or free space and start again; what was stored is untouched',
  ENOSPC: 'free space on that disk and start again; what was stored is untouched',
  EROFS: 'that file system is read-only: mount it writable, or choose another place with --data-dir',
};

/**
 * The cause decides: a part that failed for a reason nobody foresaw is a fault of ours, and its stack is needed. A part that came
 * with `--plugin` (`origin`) is another's.
 */
function isExpected(error: unknown): boolean {
  if (errorCode(error) === undefined) return false;
  if (typeof (error as { origin?: unknown }).origin === 'string') return true;
  const cause = error instanceof Error ? error.cause : undefined;
  if (cause === undefined || errorCode(error) !== 'PART_FAILED') return true;
  return cause instanceof AggregateError ? cause.errors.some(isExpected) : isExpected(cause);
}

function oneLine(text: string): string {
  return text.replaceAll(/\s*\n\s*/g, ' ');
}
