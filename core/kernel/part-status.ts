import type { PlannedPart } from './wiring.js';

/**
 * `loaded` (wired, nothing ran) -> `initializing` -> `waiting` (for what it requires) -> `starting` -> `ready` -> `draining` ->
 * `stopping` -> `stopped`. `failed`: a phase or the running part failed; `restarting`: the wait before the next try.
 */
export type PartState =
  | 'draining'
  | 'failed'
  | 'initializing'
  | 'loaded'
  | 'ready'
  | 'restarting'
  | 'starting'
  | 'stopped'
  | 'stopping'
  | 'waiting';

export interface PartStatus {
  readonly id: string;
  readonly slot: string;
  readonly origin: string;
  readonly vital: boolean;
  readonly state: PartState;
  /** Wall time of the last change of state. */
  readonly sinceMs: number;
  /** The last failure, kept through restarts until the part is ready again. */
  readonly error: unknown;
  /** From the start of its own `init` or `start` to ready, waiting not counted; undefined before the first time. */
  readonly tookMs: number | undefined;
  /** From the kernel's start to ready. */
  readonly readyAfterMs: number | undefined;
  readonly restarts: number;
}

export function initialStatus(planned: PlannedPart, nowMs: number): PartStatus {
  return {
    id: planned.descriptor.id,
    slot: planned.slot.id,
    origin: planned.origin,
    vital: planned.vital,
    state: 'loaded',
    sinceMs: nowMs,
    error: undefined,
    tookMs: undefined,
    readyAfterMs: undefined,
    restarts: 0,
  };
}
