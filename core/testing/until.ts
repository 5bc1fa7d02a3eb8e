import { errorText } from '../plugin-api/index.js';

const betweenMs = 10;

/**
 * Waits until `attempt` gives something other than undefined or false, and resolves that. What it throws counts as not yet. Rejects
 * after `patienceMs`, with what was waited for and the last error.
 */
export async function until<T>(what: string, patienceMs: number, attempt: () => Promise<T | undefined | false>): Promise<T> {
  const endMs = performance.now() + patienceMs;
  for (;;) {
    let problem = '';
    try {
      const found = await attempt();
      if (found !== undefined && found !== false) return found;
    } catch (error) {
      problem = `: ${errorText(error)}`;
    }
    if (performance.now() > endMs) throw new Error(`not within ${patienceMs} ms: ${what}${problem}`);
    await new Promise(resolve => setTimeout(resolve, betweenMs));
  }
}
