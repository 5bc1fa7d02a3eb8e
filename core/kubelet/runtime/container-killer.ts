import { sleep } from '../../base/clock.js';
import { abortReason, errorCode } from '../../base/errors.js';
import { isRestartableInitContainer } from '../../api/pod-resources.js';
import type { Container, Pod } from '../../api/generated/types.js';
import type { ContainerState } from '../../contracts/container-runtime.js';
import { containerReference } from '../container-reference.js';
import { interruptible } from '../interruptible.js';
import type { KubeletContext } from '../kubelet-context.js';
import type { LifecycleHooks } from './lifecycle-hooks.js';
import type { KillReason } from './pod-actions.js';
import type { PodRuntimeState } from './pod-runtime-state.js';
import type { RuntimeCache } from './runtime-cache.js';
import { recordedGraceSeconds } from './runtime-labels.js';

/** Containers get at least this long to end. */
const minimumGraceSeconds = 2;

export interface KillOptions {
  readonly message?: string;
  readonly reason?: KillReason;
  readonly graceSeconds?: number;
  /** Gives up waiting, so that the kill can begin anew with a shorter grace. */
  readonly signal?: AbortSignal;
  /** Resolves when it is this container's turn to stop: sidecars outlive what they serve. */
  readonly turn?: Promise<unknown>;
}

/** Stops containers with their preStop hooks, grace and order. Source: pkg/kubelet/kuberuntime killContainer. */
export class ContainerKiller {
  readonly #context: KubeletContext;
  readonly #cache: RuntimeCache;
  readonly #hooks: LifecycleHooks;
  readonly #podIp: (podUid: string) => string;

  constructor(context: KubeletContext, cache: RuntimeCache, hooks: LifecycleHooks, podIp: (podUid: string) => string) {
    this.#context = context;
    this.#cache = cache;
    this.#hooks = hooks;
    this.#podIp = podIp;
  }

  /** Stops all containers, then the sandboxes. Rejects with what failed. */
  async killPod(pod: Pod, state: PodRuntimeState, options: Pick<KillOptions, 'graceSeconds' | 'signal'> = {}): Promise<void> {
    const running = state.containers.filter(container => container.state === 'running' || container.state === 'unknown');
    const specs = new Map(
      [...(pod.spec.initContainers ?? []), ...pod.spec.containers, ...(pod.spec.ephemeralContainers ?? [])].map(
        container => [container.name, container as Container] as const,
      ),
    );
    const sidecars = (pod.spec.initContainers ?? []).filter(isRestartableInitContainer).map(({ name }) => name);
    const kills = new Map<string, Promise<void>>();
    const kill = (container: ContainerState, turn?: Promise<unknown>): Promise<void> => {
      const stopping = this.killContainer(pod, specs.get(container.name), container, { ...options, turn });
      stopping.catch(() => undefined);
      return stopping;
    };
    for (const container of running) if (!sidecars.includes(container.name)) kills.set(container.id, kill(container));
    // Sidecars stop when all others have, the last one first.
    let before: Promise<unknown> = Promise.allSettled([...kills.values()]);
    for (const name of sidecars.reverse()) {
      for (const container of running.filter(own => own.name === name)) {
        const stopping = kill(container, before);
        kills.set(container.id, stopping);
        before = stopping.catch(() => undefined);
      }
    }
    await Promise.all(kills.values());
    for (const sandbox of state.sandboxes) {
      if (!sandbox.ready) continue;
      await this.#context.runtime.stopSandbox(sandbox.id);
      await this.#cache.refresh('sandbox', sandbox.id);
    }
  }

  async killContainer(
    pod: Pod,
    container: Container | undefined,
    state: ContainerState,
    options: KillOptions = {},
  ): Promise<void> {
    const { clock, recorder, runtime } = this.#context;
    const { signal } = options;
    const graceSeconds = options.graceSeconds ?? graceOf(pod, container, options.reason ?? '');
    const dueMs = clock.now() + graceSeconds * 1000;
    const subject = container
      ? containerReference(pod, container)
      : { kind: 'Pod', apiVersion: 'v1', name: pod.metadata.name, namespace: pod.metadata.namespace, uid: pod.metadata.uid };
    recorder.event(subject, 'Normal', 'Killing', options.message || `Stopping container ${state.name}`);
    if (container?.lifecycle?.preStop && graceSeconds > 0) {
      await this.#within(dueMs, signal, this.#preStop(pod, container, state, signal));
    }
    if (options.turn) await this.#within(dueMs, signal, options.turn);
    const leftSeconds = Math.max(minimumGraceSeconds, Math.ceil((dueMs - clock.now()) / 1000));
    try {
      await interruptible(runtime.stopContainer(state.id, leftSeconds), signal);
    } catch (error) {
      if (errorCode(error) !== 'RUNTIME_NOT_FOUND') throw error;
    }
    await this.#cache.refresh('container', state.id);
  }

  /** Stops and removes everything the runtime has of a pod that nobody knows any more. */
  async removeOrphan(state: PodRuntimeState): Promise<void> {
    const { runtime } = this.#context;
    await Promise.all(
      state.containers
        .filter(container => container.state === 'running')
        .map(container =>
          runtime.stopContainer(container.id, Math.max(minimumGraceSeconds, recordedGraceSeconds(container.annotations))),
        ),
    );
    await this.removeAll(state);
  }

  async removeAll(state: PodRuntimeState): Promise<void> {
    const { runtime } = this.#context;
    for (const container of state.containers) await runtime.removeContainer(container.id);
    for (const sandbox of state.sandboxes) {
      await runtime.stopSandbox(sandbox.id);
      await runtime.removeSandbox(sandbox.id);
    }
    for (const { id } of state.containers) await this.#cache.refresh('container', id);
    for (const { id } of state.sandboxes) await this.#cache.refresh('sandbox', id);
  }

  async #preStop(pod: Pod, container: Container, state: ContainerState, signal: AbortSignal | undefined): Promise<void> {
    const target = { pod, container, containerId: state.id, podIp: this.#podIp(pod.metadata.uid ?? '') };
    try {
      await this.#hooks.run(container.lifecycle!.preStop!, target, signal);
    } catch (error) {
      if (signal?.aborted) throw abortReason(signal);
      // The reason stays out of the event: it may hold secrets.
      this.#context.logger.info('a preStop hook failed', { pod: pod.metadata.name, container: container.name, error });
      this.#context.recorder.event(containerReference(pod, container), 'Warning', 'FailedPreStopHook', 'PreStopHook failed');
    }
  }

  /** Waits for `work`, but not longer than the grace. */
  async #within(dueMs: number, signal: AbortSignal | undefined, work: Promise<unknown>): Promise<void> {
    const { clock } = this.#context;
    const giveUp = new AbortController();
    try {
      const deadline = sleep(clock, Math.max(0, dueMs - clock.now()), giveUp.signal).catch(() => undefined);
      await interruptible(Promise.race([work, deadline]), signal);
    } finally {
      giveUp.abort();
    }
  }
}

function graceOf(pod: Pod, container: Container | undefined, reason: KillReason): number {
  const { deletionGracePeriodSeconds } = pod.metadata;
  if (pod.metadata.deletionTimestamp && deletionGracePeriodSeconds !== undefined) return deletionGracePeriodSeconds;
  const ofProbe =
    reason === 'LivenessProbe'
      ? container?.livenessProbe?.terminationGracePeriodSeconds
      : reason === 'StartupProbe'
        ? container?.startupProbe?.terminationGracePeriodSeconds
        : undefined;
  return ofProbe ?? pod.spec.terminationGracePeriodSeconds ?? 30;
}
