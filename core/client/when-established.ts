import { CustomResourceDefinitions } from '../api/generated/resources.js';
import { sleep } from '../base/clock.js';
import type { Clock } from '../base/clock.js';
import type { Client } from './client.js';

const askAgainMs = 50;

/**
 * Resolves when the objects that a CustomResourceDefinition defines can be written; false when its names are not accepted or it took
 * longer than `timeoutMs`. Who applies a definition and objects of it asks in between.
 */
export async function whenEstablished(
  client: Client,
  name: string,
  options: { readonly clock: Clock; readonly timeoutMs: number; readonly signal?: AbortSignal },
): Promise<boolean> {
  const { clock, timeoutMs, signal } = options;
  const deadlineMs = clock.monotonicMs() + timeoutMs;
  for (;;) {
    const { status } = await client.resource(CustomResourceDefinitions).get(name);
    const conditionOf = (type: string): string | undefined =>
      status?.conditions?.find(condition => condition.type === type)?.status;
    if (conditionOf('Established') === 'True') return true;
    if (conditionOf('NamesAccepted') === 'False' || clock.monotonicMs() >= deadlineMs) return false;
    await sleep(clock, askAgainMs, signal);
  }
}
