import type { Disposable } from '../base/disposable.js';

export interface CaughtSignals extends Disposable {
  /** Aborts at the first SIGINT or SIGTERM. */
  readonly aborted: AbortSignal;
}

const numbers = { SIGINT: 2, SIGTERM: 15 } as const;

/** The first signal asks for an orderly stop; the second ends the process at once. */
export function catchSignals(): CaughtSignals {
  const controller = new AbortController();
  const onSignal = (signal: NodeJS.Signals): void => {
    if (controller.signal.aborted) process.exit(128 + numbers[signal as keyof typeof numbers]);
    controller.abort(new Error(`stopped by ${signal}`));
  };
  const names = Object.keys(numbers) as (keyof typeof numbers)[];
  for (const name of names) process.on(name, onSignal);
  return {
    aborted: controller.signal,
    dispose() {
      for (const name of names) process.off(name, onSignal);
    },
  };
}
