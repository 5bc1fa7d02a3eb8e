import type { Clock, ContainerSpec, ContainerState, Disposable, SandboxSpec } from '../../../core/plugin-api/index.js';
import { SimulatedLog } from './simulated-log.js';
import { planProcess } from './simulated-process.js';
import type { ProcessEnvironment, ProcessPlan } from './simulated-process.js';

const prefix = 'simulated.k3s.io/';

/** The pod's wish for one container, or for all: `simulated.k3s.io/exit-code.web` before `simulated.k3s.io/exit-code`. */
export function wish(sandbox: SandboxSpec, name: string, container?: string): string | undefined {
  return (
    (container ? sandbox.annotations[`${prefix}${name}.${container}`] : undefined) ?? sandbox.annotations[`${prefix}${name}`]
  );
}

interface ContainerOptions {
  readonly id: string;
  readonly sandboxId: string;
  readonly sandbox: SandboxSpec;
  readonly spec: ContainerSpec;
  readonly imageId: string;
  readonly imageReference: string;
  readonly imageName: string | undefined;
  readonly clock: Clock;
  readonly onExit: (container: SimulatedContainer) => void;
}

/** One container: a state, a log, and a plan of what its command does in time. */
export class SimulatedContainer {
  readonly id: string;
  readonly sandboxId: string;
  readonly sandbox: SandboxSpec;
  readonly spec: ContainerSpec;
  readonly log = new SimulatedLog();
  readonly #options: ContainerOptions;
  readonly #createdAtMs: number;
  readonly #waiters: (() => void)[] = [];
  #timer: Disposable | undefined;
  #stopTimer: Disposable | undefined;
  #stopDueMs = Infinity;
  #startedAtMs: number | undefined;
  #cpuNanos = 0;
  #countedUntilMs = 0;
  #end: { readonly exitCode: number; readonly signal?: number; readonly reason: string; readonly atMs: number } | undefined;

  constructor(options: ContainerOptions) {
    this.#options = options;
    this.id = options.id;
    this.sandboxId = options.sandboxId;
    this.sandbox = options.sandbox;
    this.spec = options.spec;
    this.#createdAtMs = options.clock.now();
  }

  get running(): boolean {
    return this.#startedAtMs !== undefined && this.#end === undefined;
  }

  get podName(): string {
    return this.sandbox.podName;
  }

  get podNamespace(): string {
    return this.sandbox.podNamespace;
  }

  get name(): string {
    return this.spec.name;
  }

  get environment(): ProcessEnvironment {
    return {
      hostname: this.sandbox.hostname,
      variables: new Map(this.spec.environment.map(({ name, value }) => [name, value])),
    };
  }

  get state(): ContainerState {
    const { spec, id, sandboxId } = this;
    return {
      id,
      sandboxId,
      name: spec.name,
      attempt: spec.attempt,
      state: this.#end ? 'exited' : this.#startedAtMs === undefined ? 'created' : 'running',
      createdAtMs: this.#createdAtMs,
      ...(this.#startedAtMs === undefined ? {} : { startedAtMs: this.#startedAtMs }),
      ...(this.#end
        ? {
            finishedAtMs: this.#end.atMs,
            exitCode: this.#end.exitCode,
            reason: this.#end.reason,
            ...(this.#end.signal === undefined ? {} : { signal: this.#end.signal }),
          }
        : {}),
      imageId: this.#options.imageId,
      imageReference: this.#options.imageReference,
      ...(this.#options.imageName === undefined ? {} : { imageName: this.#options.imageName }),
      labels: spec.labels,
      annotations: spec.annotations,
      logPath: spec.logPath,
    };
  }

  start(): void {
    if (this.#startedAtMs !== undefined) return;
    this.#startedAtMs = this.#countedUntilMs = this.#options.clock.now();
    this.#follow(this.#plan(), 0);
  }

  /** CPU time since the start, with this use since it was asked last. */
  cpuNanos(cpuMillicores: number): number {
    if (!this.running) return this.#cpuNanos;
    const nowMs = this.#options.clock.now();
    this.#cpuNanos += (nowMs - this.#countedUntilMs) * cpuMillicores * 1000;
    this.#countedUntilMs = nowMs;
    return this.#cpuNanos;
  }

  /** SIGTERM, and SIGKILL after the grace; resolves when it has ended. */
  stop(graceSeconds: number): Promise<void> {
    if (!this.running) return Promise.resolve();
    const { clock } = this.#options;
    const takesMs = Number(wish(this.sandbox, 'stop-seconds', this.name) ?? 0) * 1000;
    const graceMs = graceSeconds * 1000;
    const dueMs = clock.now() + Math.min(takesMs, graceMs);
    if (dueMs < this.#stopDueMs) {
      this.#stopDueMs = dueMs;
      void this.#stopTimer?.dispose();
      const end = (): void => {
        if (takesMs > graceMs || graceSeconds === 0) this.exit(137, 'Error');
        else this.exit(Number(wish(this.sandbox, 'stop-exit-code', this.name) ?? 143), undefined);
      };
      if (dueMs <= clock.now()) {
        end();
        return Promise.resolve();
      }
      this.#stopTimer = clock.setTimer(dueMs - clock.now(), end);
    }
    return new Promise(resolve => this.#waiters.push(resolve));
  }

  exit(exitCode: number, reason = exitCode === 0 ? 'Completed' : 'Error'): void {
    if (this.#end) return;
    void this.#timer?.dispose();
    void this.#stopTimer?.dispose();
    this.#end = { exitCode, reason, atMs: this.#options.clock.now() };
    this.log.close();
    for (const resolve of this.#waiters.splice(0)) resolve();
    this.#options.onExit(this);
  }

  #plan(): ProcessPlan {
    const exitCode = wish(this.sandbox, 'exit-code', this.name);
    const runSeconds = wish(this.sandbox, 'run-seconds', this.name);
    if (exitCode !== undefined || runSeconds !== undefined) {
      return { steps: [{ type: 'wait', ms: Number(runSeconds ?? 0) * 1000 }], exitCode: Number(exitCode ?? 0) };
    }
    return planProcess([...this.spec.command, ...this.spec.args], this.environment);
  }

  #follow(plan: ProcessPlan, from: number): void {
    for (let at = from; at < plan.steps.length; at++) {
      const step = plan.steps[at]!;
      if (step.type === 'output') this.log.write('stdout', step.text, this.#options.clock.now());
      else if (step.ms > 0) {
        this.#timer = this.#options.clock.setTimer(step.ms, () => this.#follow(plan, at + 1));
        return;
      }
    }
    if (plan.exitCode !== undefined) this.exit(plan.exitCode);
  }
}
