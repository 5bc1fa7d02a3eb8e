import { sleep } from '../../../core/plugin-api/index.js';
import type {
  Clock,
  ContainerSelector,
  ExecHandler,
  ExecResult,
  ProbeAnswer,
  ProbeHandler,
  ProbeTarget,
  SimulatedMethod,
  SimulatedUsage,
} from '../../../core/plugin-api/index.js';

interface Target {
  readonly podName: string;
  readonly podNamespace: string;
  readonly name: string;
}

/** The answers and faults that a control object has collected. */
export class Scripts {
  readonly #images = new Map<string, { readonly code: string; readonly message: string }>();
  readonly #probes: { selector: ContainerSelector; answer: ProbeHandler }[] = [];
  readonly #execs: { selector: ContainerSelector; answer: ExecHandler }[] = [];
  readonly #usages: { selector: ContainerSelector; answer: SimulatedUsage }[] = [];
  readonly #delays = new Map<string, number>();
  readonly #faults = new Map<string, { error: Error; times: number }>();
  pullMs = 0;
  networkReady = true;

  setImage(reference: string, failure: { readonly code: string; readonly message: string } | undefined): void {
    if (failure) this.#images.set(plainName(reference), failure);
    else this.#images.delete(plainName(reference));
  }

  image(reference: string): { readonly code: string; readonly message: string } | undefined {
    return this.#images.get(plainName(reference));
  }

  setProbe(selector: ContainerSelector, answer: ProbeHandler | undefined): void {
    replace(this.#probes, selector, answer);
  }

  setExec(selector: ContainerSelector, answer: ExecHandler | undefined): void {
    replace(this.#execs, selector, answer);
  }

  setUsage(selector: ContainerSelector, usage: SimulatedUsage | undefined): void {
    replace(this.#usages, selector, usage);
  }

  usage(target: Target): SimulatedUsage | undefined {
    return this.#usages.find(({ selector }) => selects(selector, target))?.answer;
  }

  setDelayMs(method: SimulatedMethod, delayMs: number): void {
    this.#delays.set(method, delayMs);
  }

  failNext(method: string, error: Error, times: number): void {
    this.#faults.set(method, { error, times });
  }

  /** Takes the time, and throws the fault, that were ordered for this method. */
  async strike(method: SimulatedMethod, clock: Clock): Promise<void> {
    const delayMs = this.#delays.get(method) ?? 0;
    if (delayMs > 0) await sleep(clock, delayMs);
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

/** As pods write it: without the registry that is meant when none is named, with a tag. */
function plainName(reference: string): string {
  const name = reference.replace(/^docker\.io\/(library\/)?/, '');
  return /[@:][^/]*$/.test(name) ? name : `${name}:latest`;
}
