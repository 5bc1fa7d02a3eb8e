import { errorCode, errorText } from '../plugin-api/index.js';

const pauseMs = 10;

/**
 * Asks again and again until the answer is neither undefined nor false, and resolves it. A question that throws is asked again, unless
 * it is an assertion that failed. Rejects after `deadlineMs` with what was waited for and the last error.
 */
export async function until<T>(
  waitedFor: string,
  ask: () => Promise<T | undefined | false> | T | undefined | false,
  deadlineMs = 10_000,
): Promise<T> {
  const untilMs = performance.now() + deadlineMs;
  for (;;) {
    let why = '';
    try {
      const answer = await ask();
      if (answer !== undefined && answer !== false) return answer;
    } catch (error) {
      if (errorCode(error) === 'ERR_ASSERTION') throw error;
      why = `: ${errorText(error)}`;
    }
    if (performance.now() > untilMs) throw new Error(`not within ${deadlineMs} ms: ${waitedFor}${why}`);
    await new Promise(resolve => setTimeout(resolve, pauseMs));
  }
}
