import type { ExecResult, ProbeAnswer, ProbeTarget } from '../../../core/plugin-api/index.js';

/** Names a container of a pod; without `container` all of the pod's, without `namespace` in any. */
export interface ContainerSelector {
  readonly pod: string;
  readonly container?: string;
  readonly namespace?: string;
}

export type ExecHandler = (command: readonly string[]) => { readonly exitCode: number; readonly output?: string } | undefined;
export type ProbeHandler = (target: ProbeTarget) => ProbeAnswer | undefined;

/** What tests tell a simulated runtime to do. */
export interface SimulatedControl {
  /** Ends running containers with this exit code, now. False when none was running. */
  exit(selector: ContainerSelector, exitCode: number, reason?: string): boolean;
  /** Ends sandboxes as a reboot or a crash would. */
  killSandbox(selector: ContainerSelector): boolean;
  /** Pulls of this reference (with its tag, `busybox:latest`) fail with this code until `clearImage`. */
  failImage(reference: string, code: string, message?: string): void;
  clearImage(reference: string): void;
  /** Pulls take this long. */
  setPullMs(delayMs: number): void;
  /** Network probes of these containers are answered so; undefined: with success. */
  setProbe(selector: ContainerSelector, answer: ProbeAnswer | ProbeHandler | undefined): void;
  /** Commands run in these containers (exec probes, hooks, `kubectl exec`) are answered so; undefined: by the simulation. */
  setExec(selector: ContainerSelector, answer: ExecHandler | undefined): void;
  /** The next calls of a method fail with this error, as often as told. */
  failNext(method: 'runSandbox' | 'createContainer' | 'startContainer' | 'stopContainer', error: Error, times?: number): void;
  /** The network is not ready: `RuntimeStatus.networkReady` is false and sandboxes are refused. */
  setNetworkReady(ready: boolean): void;
  /** Writes to a container's log. */
  log(selector: ContainerSelector, text: string): void;
}

interface Target {
  readonly podName: string;
  readonly podNamespace: string;
  readonly name: string;
}

/** The answers and faults that a control object has collected. */
export class Scripts {
  readonly images = new Map<string, { readonly code: string; readonly message: string }>();
  readonly #probes: { selector: ContainerSelector; answer: ProbeHandler }[] = [];
  readonly #execs: { selector: ContainerSelector; answer: ExecHandler }[] = [];
  readonly #faults = new Map<string, { error: Error; times: number }>();
  pullMs = 0;
  networkReady = true;

  setProbe(selector: ContainerSelector, answer: ProbeHandler | undefined): void {
    replace(this.#probes, selector, answer);
  }

  setExec(selector: ContainerSelector, answer: ExecHandler | undefined): void {
    replace(this.#execs, selector, answer);
  }

  failNext(method: string, error: Error, times: number): void {
    this.#faults.set(method, { error, times });
  }

  /** Throws the fault that was ordered for this method. */
  strike(method: string): void {
    const fault = this.#faults.get(method);
    if (!fault) return;
    if (--fault.times <= 0) this.#faults.delete(method);
    throw fault.error;
  }

  probe(target: Target, probe: ProbeTarget): ProbeAnswer | undefined {
    return this.#probes.find(({ selector }) => selects(selector, target))?.answer(probe);
  }

  exec(target: Target, command: readonly string[]): ExecResult | undefined {
    const answer = this.#execs.find(({ selector }) => selects(selector, target))?.answer(command);
    return answer && { exitCode: answer.exitCode, stdout: Buffer.from(answer.output ?? ''), stderr: Buffer.alloc(0) };
  }
}

export function selects(selector: ContainerSelector, target: Target): boolean {
  return (
    selector.pod === target.podName &&
    (selector.namespace === undefined || selector.namespace === target.podNamespace) &&
    (selector.container === undefined || selector.container === target.name)
  );
}

function replace<A>(
  list: { selector: ContainerSelector; answer: A }[],
  selector: ContainerSelector,
  answer: A | undefined,
): void {
  const key = JSON.stringify(selector);
  const at = list.findIndex(item => JSON.stringify(item.selector) === key);
  if (at >= 0) list.splice(at, 1);
  if (answer !== undefined) list.unshift({ selector, answer });
}
