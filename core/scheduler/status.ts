import { errorText } from '../base/errors.js';
import type { CycleState, SchedulingStatus, StateData } from '../contracts/scheduler-plugin.js';

export function unschedulable(plugin: string, ...reasons: string[]): SchedulingStatus {
  return { code: 'Unschedulable', reasons, plugin };
}

export function unresolvable(plugin: string, ...reasons: string[]): SchedulingStatus {
  return { code: 'UnschedulableAndUnresolvable', reasons, plugin };
}

export function failure(plugin: string, error: unknown): SchedulingStatus {
  return { code: 'Error', reasons: [errorText(error)], plugin };
}

export const skip: SchedulingStatus = { code: 'Skip', reasons: [] };

/** Whether the pod was turned away, as opposed to something having broken. */
export function isRejection(status: SchedulingStatus): boolean {
  return status.code === 'Unschedulable' || status.code === 'UnschedulableAndUnresolvable' || status.code === 'Pending';
}

export function statusMessage(status: SchedulingStatus): string {
  return status.reasons.join(', ');
}

/** State of one attempt to schedule one pod. */
export class AttemptState implements CycleState {
  readonly #data: Map<string, StateData>;
  /** Plugins whose filter or score has nothing to do in this attempt. */
  readonly skippedFilters: Set<string>;
  readonly skippedScores: Set<string>;

  constructor(from?: AttemptState) {
    this.#data = new Map();
    if (from) for (const [key, data] of from.#data) this.#data.set(key, data.clone());
    this.skippedFilters = from ? from.skippedFilters : new Set();
    this.skippedScores = from ? from.skippedScores : new Set();
  }

  read<T extends StateData>(key: string): T | undefined {
    return this.#data.get(key) as T | undefined;
  }

  write(key: string, data: StateData): void {
    this.#data.set(key, data);
  }

  clone(): AttemptState {
    return new AttemptState(this);
  }
}
