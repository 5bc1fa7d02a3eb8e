import type { ProbeAnswer, ProbeTarget } from './container-runtime.js';

/** Names a container of a pod; without `container` all of the pod's, without `namespace` in any. */
export interface ContainerSelector {
  readonly pod: string;
  readonly container?: string;
  readonly namespace?: string;
}

export type ExecHandler = (command: readonly string[]) => { readonly exitCode: number; readonly output?: string } | undefined;
export type ProbeHandler = (target: ProbeTarget) => ProbeAnswer | undefined;

export type SimulatedMethod = 'runSandbox' | 'createContainer' | 'startContainer' | 'stopContainer';

export interface SimulatedUsage {
  readonly cpuMillicores: number;
  readonly memoryBytes: number;
}

/** What tests tell a simulated runtime to do. The simulated plugin has it as `control`, a test's cluster as `simulation`. */
export interface SimulatedControl {
  /** Ends running containers with this exit code, now. False when none was running. */
  exit(selector: ContainerSelector, exitCode: number, reason?: string): boolean;
  /** Ends sandboxes as a reboot or a crash would. */
  killSandbox(selector: ContainerSelector): boolean;
  /** Pulls of this image, as pods name it, fail with this code (`RUNTIME_IMAGE_NOT_FOUND` ...) until `clearImage`. */
  failImage(reference: string, code: string, message?: string): void;
  clearImage(reference: string): void;
  /** Pulls take this long. */
  setPullMs(delayMs: number): void;
  /** Every call of this method takes this long; 0: no time. */
  setDelayMs(method: SimulatedMethod, delayMs: number): void;
  /** Network probes of these containers are answered so; undefined: with success. */
  setProbe(selector: ContainerSelector, answer: ProbeAnswer | ProbeHandler | undefined): void;
  /** Commands run in these containers (exec probes, hooks, `kubectl exec`) are answered so; undefined: by the simulation. */
  setExec(selector: ContainerSelector, answer: ExecHandler | undefined): void;
  /** The next calls of a method fail with this error, as often as told. */
  failNext(method: SimulatedMethod, error: Error, times?: number): void;
  /** What these containers use from now on; undefined: what the pod's annotations say. */
  setStats(selector: ContainerSelector, usage: SimulatedUsage | undefined): void;
  /** The network is not ready: `RuntimeStatus.networkReady` is false and sandboxes are refused. */
  setNetworkReady(ready: boolean): void;
  /** Writes to a container's log. */
  log(selector: ContainerSelector, text: string): void;
}
