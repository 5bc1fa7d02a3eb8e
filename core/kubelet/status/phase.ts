import { isRestartableInitContainer } from '../../api/pod-resources.js';
import type { Container, ContainerStatus, Pod } from '../../api/generated/types.js';
import { restartsAfterExit } from '../runtime/pod-runtime-state.js';
import { restartingAll } from '../runtime/restart-all.js';

export interface PhaseInput {
  readonly pod: Pod;
  readonly statuses: readonly ContainerStatus[];
  /** No container will be started any more, whatever the restart policy. */
  readonly terminal: boolean;
  /** A main container was started in this sandbox. */
  readonly initialized: boolean;
}

/** Source: pkg/kubelet getPhase. */
export function podPhase({ pod, statuses, terminal, initialized }: PhaseInput): string {
  const byName = new Map(statuses.map(status => [status.name, status]));
  const init = countInit(pod, byName);
  const main = countMain(pod, byName);
  if (init.failedForGood) return 'Failed';
  const running = init.running + main.running;
  const unknown = init.unknown + main.unknown;
  if (init.pending > 0 || (init.pendingSidecars > 0 && !initialized)) return 'Pending';
  if (init.waiting + main.waiting > 0) return 'Pending';
  if (running > 0 && unknown === 0) return 'Running';
  if (running > 0 || main.stopped === 0 || unknown > 0) return 'Pending';
  if (!terminal && main.stopped !== main.stoppedForGood) return 'Running';
  return main.stopped === main.succeeded ? 'Succeeded' : 'Failed';
}

/** One that was taken away so that all begin anew is started, whatever its policy. */
function startsAgain(container: Container, pod: Pod, status: ContainerStatus, exitCode: number): boolean {
  const ended = status.state.terminated ?? status.lastState.terminated;
  return ended?.reason === restartingAll.reason || restartsAfterExit(container, pod, exitCode);
}

function exitCodeOf(status: ContainerStatus): number | undefined {
  if (status.state.terminated) return status.state.terminated.exitCode;
  return status.state.waiting ? status.lastState.terminated?.exitCode : undefined;
}

function countInit(pod: Pod, statuses: ReadonlyMap<string, ContainerStatus>) {
  const counts = { pending: 0, pendingSidecars: 0, failedForGood: false, running: 0, waiting: 0, unknown: 0 };
  for (const container of pod.spec.initContainers ?? []) {
    const status = statuses.get(container.name);
    if (isRestartableInitContainer(container)) countSidecar(status, counts);
    else if (!status || status.state.running) counts.pending++;
    else {
      const exitCode = exitCodeOf(status);
      if (exitCode === undefined) counts.pending++;
      else if (exitCode !== 0 && !startsAgain(container, pod, status, exitCode)) counts.failedForGood = true;
    }
  }
  return counts;
}

function countSidecar(
  status: ContainerStatus | undefined,
  counts: { pendingSidecars: number; running: number; waiting: number; unknown: number },
): void {
  if (!status) counts.unknown++;
  else if (status.state.running) {
    if (!status.started) counts.pendingSidecars++;
    counts.running++;
  } else if (status.state.waiting && !status.lastState.terminated) {
    counts.pendingSidecars++;
    counts.waiting++;
  } else if (!status.state.terminated && !status.state.waiting) {
    counts.pendingSidecars++;
    counts.unknown++;
  }
}

function countMain(pod: Pod, statuses: ReadonlyMap<string, ContainerStatus>) {
  const counts = { running: 0, waiting: 0, stopped: 0, stoppedForGood: 0, succeeded: 0, unknown: 0 };
  for (const container of pod.spec.containers as readonly Container[]) {
    const status = statuses.get(container.name);
    if (!status) counts.unknown++;
    else if (status.state.running) counts.running++;
    else if (status.state.terminated || status.state.waiting) {
      const exitCode = exitCodeOf(status);
      if (exitCode === undefined) {
        counts.waiting++;
        continue;
      }
      counts.stopped++;
      if (!startsAgain(container, pod, status, exitCode)) counts.stoppedForGood++;
      if (status.state.terminated && exitCode === 0) counts.succeeded++;
    } else counts.unknown++;
  }
  return counts;
}
