import type { ContainerStatus, Pod } from '../../../api/generated/types.js';
import { ageOf } from '../../../machinery/human-duration.js';
import type { RowContext } from '../../registry/resource-definition.js';

const none = '<none>';

/** Cells of `kubectl get pods`. Source: printPod of upstream's printers. */
export function podRow(pod: Readonly<Pod>, context: RowContext): readonly unknown[] {
  const { ready, total, reason, restarts } = summarize(pod, context);
  const { spec, status = {} } = pod;
  const gates = spec.readinessGates ?? [];
  const open = gates.filter(
    gate => status.conditions?.find(condition => condition.type === gate.conditionType)?.status === 'True',
  );
  return [
    pod.metadata.name,
    `${ready}/${total}`,
    reason,
    restarts,
    ageOf(pod.metadata.creationTimestamp, context.nowMs),
    status.podIPs?.[0]?.ip || none,
    spec.nodeName || none,
    status.nominatedNodeName || none,
    gates.length ? `${open.length}/${gates.length}` : none,
  ];
}

interface Summary {
  ready: number;
  total: number;
  reason: string;
  restarts: string;
}

class Restarts {
  #count = 0;
  #lastMs = Number.NEGATIVE_INFINITY;

  add(status: ContainerStatus): void {
    this.#count += status.restartCount ?? 0;
    const finished = status.lastState?.terminated?.finishedAt;
    if (finished) this.#lastMs = Math.max(this.#lastMs, Date.parse(finished));
  }

  text(nowMs: number): string {
    if (this.#count === 0 || !Number.isFinite(this.#lastMs)) return String(this.#count);
    return `${this.#count} (${ageOf(new Date(this.#lastMs).toISOString(), nowMs)} ago)`;
  }
}

function summarize(pod: Readonly<Pod>, { nowMs }: RowContext): Summary {
  const { spec, status = {} } = pod;
  const sidecars = new Set(
    (spec.initContainers ?? []).filter(container => container.restartPolicy === 'Always').map(({ name }) => name),
  );
  const total = (spec.containers ?? []).length + sidecars.size;
  const phase = status.phase ?? '';
  const gated = status.conditions?.some(({ type, reason }) => type === 'PodScheduled' && reason === 'SchedulingGated');
  let reason = gated ? 'SchedulingGated' : status.reason || phase;
  let ready = 0;
  const initRestarts = new Restarts();
  const restarts = new Restarts();
  let initializing = false;
  for (const [index, container] of (status.initContainerStatuses ?? []).entries()) {
    const sidecar = sidecars.has(container.name);
    initRestarts.add(container);
    if (sidecar) restarts.add(container);
    const { terminated, waiting } = container.state ?? {};
    if (terminated && (terminated.exitCode ?? 0) === 0) continue;
    if (sidecar && container.started) {
      if (container.ready) ready++;
      continue;
    }
    initializing = true;
    if (terminated) reason = `Init:${endReason(terminated)}`;
    else if (waiting?.reason && waiting.reason !== 'PodInitializing') reason = `Init:${waiting.reason}`;
    else reason = `Init:${index}/${(spec.initContainers ?? []).length}`;
    break;
  }
  const isInitialized = status.conditions?.some(({ type, status: value }) => type === 'Initialized' && value === 'True');
  const ran = !initializing || isInitialized === true;
  if (ran) {
    let running = false;
    let failure = '';
    for (const container of [...(status.containerStatuses ?? [])].reverse()) {
      restarts.add(container);
      const { waiting, terminated, running: runs } = container.state ?? {};
      if (waiting?.reason) reason = waiting.reason;
      else if (terminated) {
        reason = endReason(terminated);
        if (terminated.exitCode !== 0) failure = reason;
      } else if (container.ready && runs) {
        running = true;
        ready++;
      }
    }
    if (reason === 'Completed') {
      const isReady = status.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True');
      if (running && isReady) reason = 'Running';
      else if (failure) reason = failure;
      else if (running) reason = 'NotReady';
    }
  }
  if (pod.metadata.deletionTimestamp !== undefined) {
    if (status.reason === 'NodeLost') reason = 'Unknown';
    else if (phase !== 'Succeeded' && phase !== 'Failed') reason = 'Terminating';
  }
  return { ready, total, reason, restarts: (ran ? restarts : initRestarts).text(nowMs) };
}

function endReason({ reason, signal, exitCode }: { reason?: string; signal?: number; exitCode: number }): string {
  return reason || (signal ? `Signal:${signal}` : `ExitCode:${exitCode}`);
}
