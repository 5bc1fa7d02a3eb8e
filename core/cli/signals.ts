import type { Disposable } from '../base/disposable.js';

export interface CaughtSignals extends Disposable {
  /** Aborts at the first SIGINT or SIGTERM. */
  readonly aborted: AbortSignal;
}

const numbers = { SIGINT: 2, SIGTERM: 15 } as const;
type Caught = keyof typeof numbers;

/** A terminal sends Ctrl-C to the whole process group, and npm and the launcher hand it on once more: that is one keypress. */
const samePressMs = 500;

/** The first signal asks for an orderly stop; a second one, or one of the other kind, ends the process at once. */
export function catchSignals(): CaughtSignals {
  const controller = new AbortController();
  let first: { readonly signal: Caught; readonly atMs: number } | undefined;
  const onSignal = (name: NodeJS.Signals): void => {
    const signal = name as Caught;
    const nowMs = performance.now();
    if (!first) {
      first = { signal, atMs: nowMs };
      controller.abort(new Error(`stopped by ${signal}`));
    } else if (signal !== first.signal || nowMs - first.atMs > samePressMs) process.exit(128 + numbers[signal]);
  };
  const names = Object.keys(numbers) as Caught[];
  for (const name of names) process.on(name, onSignal);
  return {
    aborted: controller.signal,
    dispose() {
      for (const name of names) process.off(name, onSignal);
    },
  };
}
