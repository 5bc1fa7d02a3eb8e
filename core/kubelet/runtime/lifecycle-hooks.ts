import { abortReason, CodedError, errorText } from '../../base/errors.js';
import { sleep } from '../../base/clock.js';
import type { Container, LifecycleHandler, Pod } from '../../api/generated/types.js';
import { interruptible } from '../interruptible.js';
import type { KubeletContext } from '../kubelet-context.js';
import { podText } from '../kubelet-context.js';
import type { NetworkProber } from '../probes/network-prober.js';
import { httpTarget } from '../probes/probe-target.js';

const httpTimeoutMs = 30_000;

export interface HookTarget {
  readonly pod: Pod;
  readonly container: Container;
  readonly containerId: string;
  readonly podIp: string;
}

/** Runs postStart and preStop hooks. Source: pkg/kubelet/lifecycle. */
export class LifecycleHooks {
  readonly #context: KubeletContext;
  readonly #prober: NetworkProber;

  constructor(context: KubeletContext, prober: NetworkProber) {
    this.#context = context;
    this.#prober = prober;
  }

  /** Rejects HOOK_FAILED with what the container's status says, the signal's reason when nobody waits for the hook any more. */
  async run(handler: LifecycleHandler, target: HookTarget, signal?: AbortSignal): Promise<void> {
    const { pod, container, containerId, podIp } = target;
    const where = `for Container "${container.name}" in Pod "${podText(pod)}" failed - error`;
    if (handler.exec) {
      const command = handler.exec.command ?? [];
      const failed = (text: string, output: string, cause?: unknown): CodedError => {
        const message = `Exec lifecycle hook ([${command.join(' ')}]) ${where}: ${text}, message: ${JSON.stringify(output)}`;
        return new CodedError('HOOK_FAILED', message, { cause });
      };
      let result;
      try {
        // It may take for ever: whoever ends the pod does not wait for it.
        result = await interruptible(this.#context.runtime.execSync(containerId, command, 0), signal);
      } catch (error) {
        if (signal?.aborted) throw abortReason(signal);
        throw failed(errorText(error), '', error);
      }
      if (result.exitCode === 0) return;
      const text = `command '${command.join(' ')}' exited with ${result.exitCode}: ${result.stderr.toString()}`;
      throw failed(text, `${result.stdout.toString()}${result.stderr.toString()}`);
    } else if (handler.httpGet) {
      const httpGet = handler.httpGet;
      try {
        // Whatever the server answers counts as done: only a server that cannot be reached fails the hook.
        const asked = this.#prober(containerId, httpTarget(httpGet, container, podIp, 'lifecycle'), httpTimeoutMs);
        const { ok, output } = await interruptible(asked, signal);
        if (!ok && !output.startsWith('HTTP probe failed')) throw new CodedError('HOOK_FAILED', output);
      } catch (error) {
        if (signal?.aborted) throw abortReason(signal);
        throw new CodedError('HOOK_FAILED', `HTTP lifecycle hook (${httpGet.path ?? ''}) ${where}: ${errorText(error)}`, {
          cause: error,
        });
      }
    } else if (handler.sleep) await sleep(this.#context.clock, handler.sleep.seconds * 1000, signal);
    else throw new CodedError('HOOK_FAILED', 'Cannot run handler: invalid handler');
  }
}
