import type { Disposable } from '../../base/disposable.js';
import { errorCode, errorText } from '../../base/errors.js';
import type { Container, Pod, Probe } from '../../api/generated/types.js';
import { containerReference } from '../container-reference.js';
import type { KubeletContext } from '../kubelet-context.js';
import { expand } from '../runtime/expansion.js';
import type { NetworkProber } from './network-prober.js';
import type { ProbeResult, ProbeType } from './probe-results.js';
import { probeTarget } from './probe-target.js';

const titles = { startup: 'Startup', liveness: 'Liveness', readiness: 'Readiness' } as const;
const tries = 3;

export interface ProbeWorkerOptions {
  readonly context: KubeletContext;
  readonly prober: NetworkProber;
  readonly type: ProbeType;
  readonly probe: Probe;
  readonly pod: Pod;
  readonly container: Container;
  readonly containerId: string;
  readonly startedAtMs: number;
  readonly podIp: () => string;
  /** Whether the container still runs. */
  readonly running: () => boolean;
  /** After every probe that came to an end. */
  readonly probed: (result: 'successful' | 'failed' | 'unknown') => void;
  readonly decided: (result: ProbeResult) => void;
}

/** Probes one running container in one way until it is stopped. Source: pkg/kubelet/prober. */
export class ProbeWorker {
  readonly #options: ProbeWorkerOptions;
  #timer: Disposable | undefined;
  #stopped = false;
  #last: ProbeResult | undefined;
  #run = 0;

  constructor(options: ProbeWorkerOptions) {
    this.#options = options;
  }

  /** The first probe comes after the initial delay, counted from the container's start. */
  start(): void {
    const { context, probe, startedAtMs } = this.#options;
    this.#arm(Math.max(0, startedAtMs + (probe.initialDelaySeconds ?? 0) * 1000 - context.clock.now()));
  }

  stop(): void {
    this.#stopped = true;
    void this.#timer?.dispose();
  }

  #arm(delayMs: number): void {
    if (this.#stopped) return;
    this.#timer = this.#options.context.clock.setTimer(delayMs, () => void this.#tick());
  }

  async #tick(): Promise<void> {
    const { context, probe, type, decided } = this.#options;
    const startedMs = context.clock.monotonicMs();
    const result = await this.#probe();
    if (this.#stopped) return;
    if (result) {
      this.#options.probed(result === 'success' ? 'successful' : 'failed');
      this.#run = this.#last === result ? this.#run + 1 : 1;
      this.#last = result;
      const threshold =
        (result === 'failure' ? probe.failureThreshold : probe.successThreshold) ?? (result === 'failure' ? 3 : 1);
      if (this.#run >= threshold) {
        // A container that is to be restarted, or has started, is not probed so again.
        if (type === 'startup' || (type === 'liveness' && result === 'failure')) this.stop();
        decided(result);
      }
    }
    const tookMs = context.clock.monotonicMs() - startedMs;
    this.#arm(Math.max(0, (probe.periodSeconds ?? 10) * 1000 - tookMs));
  }

  /** Undefined: nothing was learned. */
  async #probe(): Promise<ProbeResult | undefined> {
    const { context, type, pod, container } = this.#options;
    const subject = containerReference(pod, container);
    for (let attempt = 1; ; attempt++) {
      try {
        const { ok, output } = await this.#ask();
        if (this.#stopped) return undefined;
        if (!ok) context.recorder.event(subject, 'Warning', 'Unhealthy', `${titles[type]} probe failed: ${output}`);
        return ok ? 'success' : 'failure';
      } catch (error) {
        if (this.#stopped || !this.#options.running()) return undefined;
        if (attempt < tries) continue;
        const message = `${titles[type]} probe errored and resulted in unknown state: ${errorText(error)}`;
        context.recorder.event(subject, 'Warning', 'Unhealthy', message);
        this.#options.probed('unknown');
        return undefined;
      }
    }
  }

  async #ask(): Promise<{ ok: boolean; output: string }> {
    const { context, probe, container, containerId, prober, podIp } = this.#options;
    const timeoutMs = (probe.timeoutSeconds ?? 1) * 1000;
    if (probe.exec) {
      const known = new Map((container.env ?? []).map(({ name, value }) => [name, value ?? '']));
      const command = (probe.exec.command ?? []).map(word => expand(word, name => known.get(name)));
      try {
        const { exitCode, stdout, stderr } = await context.runtime.execSync(containerId, command, timeoutMs);
        return { ok: exitCode === 0, output: `${stdout.toString()}${stderr.toString()}` };
      } catch (error) {
        if (errorCode(error) !== 'RUNTIME_TIMEOUT') throw error;
        // As upstream's kubelet words it, whatever a runtime has to say about its time.
        return { ok: false, output: `command timed out: "${command.join(' ')}" timed out after ${timeoutMs / 1000}s` };
      }
    }
    const target = probeTarget(probe, container, podIp());
    return target ? prober(containerId, target, timeoutMs) : { ok: true, output: '' };
  }
}
