import type { Clock } from '../base/clock.js';
import { abortReason } from '../base/errors.js';
import type { Part, PartPhase } from '../contracts/part.js';
import { kernelError, PartError } from './kernel-errors.js';

export type PhaseDeadlines = Readonly<Record<PartPhase, number>>;

export const phaseDeadlinesMs: PhaseDeadlines = { init: 30_000, start: 60_000, ready: 120_000, drain: 10_000, stop: 30_000 };

/** A phase whose signal aborted may end by itself for so long before it is left behind. */
export const abandonAfterMs = 1000;

export interface PhaseOptions {
  readonly partId: string;
  readonly clock: Clock;
  readonly deadlineMs: number;
  /** Aborts the phase before its deadline. */
  readonly signal?: AbortSignal;
}

/**
 * Calls one lifecycle method. Rejects with a PartError whose cause is what the method threw, `PART_DEADLINE`, or the reason of
 * `signal`. A method that does not settle soon after its signal aborted is left behind.
 */
export async function runPhase(part: Part, phase: PartPhase, options: PhaseOptions): Promise<void> {
  const { partId, clock, deadlineMs, signal } = options;
  if (!part[phase]) return;
  const controller = new AbortController();
  const onAbort = (): void => controller.abort(abortReason(signal!));
  if (signal?.aborted) onAbort();
  signal?.addEventListener('abort', onAbort, { once: true });
  const deadline = clock.setTimer(deadlineMs, () => {
    controller.abort(kernelError('PART_DEADLINE', `no answer from ${partId}.${phase} within ${deadlineMs} ms`));
  });
  let grace: { dispose(): void | Promise<void> } | undefined;
  try {
    const call = (async () => part[phase]!(controller.signal))();
    const abandoned = new Promise<never>((_, reject) => {
      const arm = (): void => {
        grace = clock.setTimer(abandonAfterMs, () => reject(abortReason(controller.signal)));
      };
      if (controller.signal.aborted) arm();
      else controller.signal.addEventListener('abort', arm, { once: true });
    });
    await Promise.race([call, abandoned]);
    // A method that ignored its signal and ended well in the grace time has still missed its deadline.
    if (controller.signal.aborted) throw abortReason(controller.signal);
  } catch (error) {
    const reason: unknown = controller.signal.aborted ? withReason(error, abortReason(controller.signal)) : error;
    throw new PartError(partId, phase, reason);
  } finally {
    void deadline.dispose();
    void grace?.dispose();
    signal?.removeEventListener('abort', onAbort);
  }
}

/** Why the phase was aborted counts more than what the method made of it, which is kept beside it. */
function withReason(error: unknown, reason: Error): unknown {
  if (error === reason || (error instanceof Error && error.name === 'AbortError')) return reason;
  return new AggregateError([reason, error], reason.message);
}
