import { CodedError, errorCode, errorText } from '../../base/errors.js';
import { RuntimeClasses } from '../../api/generated/resources.js';
import type { Container, Pod, Service } from '../../api/generated/types.js';
import type { PodCgroups } from '../cgroups/pod-cgroups.js';
import { containerReference } from '../container-reference.js';
import { BackoffTable } from '../backoff-table.js';
import type { ImagePuller } from '../images/image-puller.js';
import { readNodeDns } from '../dns/node-dns.js';
import type { KubeletContext } from '../kubelet-context.js';
import { podText, podUid } from '../kubelet-context.js';
import type { NodeFacts } from '../node/node-facts.js';
import type { ProbeResults } from '../probes/probe-results.js';
import type { ReasonCache } from '../status/reason-cache.js';
import type { ReferencedObjects } from '../volumes/referenced-objects.js';
import type { VolumeManager } from '../volumes/volume-manager.js';
import { pullCredentials } from '../images/pull-credentials.js';
import type { ContainerKiller } from './container-killer.js';
import { containerEnvironment } from './environment.js';
import type { LifecycleHooks } from './lifecycle-hooks.js';
import { formatDuration } from '../../machinery/time.js';
import { podActions } from './pod-actions.js';
import type { PodActions } from './pod-actions.js';
import { latestContainer } from './pod-runtime-state.js';
import { restartingAll } from './restart-all.js';
import type { PodPlugins } from '../extensions/pod-plugins.js';
import type { RuntimeCache } from './runtime-cache.js';
import { containerSpec, sandboxSpec } from './runtime-specs.js';
import { StartError } from './start-error.js';

export interface PodSyncerOptions {
  readonly context: KubeletContext;
  readonly cache: RuntimeCache;
  readonly images: ImagePuller;
  readonly hooks: LifecycleHooks;
  readonly killer: ContainerKiller;
  readonly results: ProbeResults;
  readonly reasons: ReasonCache;
  readonly volumes: VolumeManager;
  readonly objects: ReferencedObjects;
  /** Undefined where the runtime is not on this host. */
  readonly cgroups: PodCgroups | undefined;
  /** Undefined where the runtime is not on this host. */
  readonly plugins: PodPlugins | undefined;
  readonly onHost: boolean;
  readonly facts: () => NodeFacts;
  readonly services: () => Iterable<Service>;
}

export interface SyncResult {
  /** Something was done: the status is to be made anew. */
  readonly acted: boolean;
  /** When to try again; undefined when all is as it should be. */
  readonly retryAtMs: number | undefined;
}

/** Upstream's usual wait after a failed sync. */
const retryMs = 10_000;
/** When the runtime did not answer: nothing is wrong with the pod, and a runtime that is started anew is back in a second. */
const absentRuntimeRetryMs = 1000;
const crashLoopInitialMs = 10_000;
const crashLoopMaximumMs = 300_000;

/** Brings one pod's sandbox and containers to what they should be. Source: pkg/kubelet/kuberuntime SyncPod. */
export class PodSyncer {
  readonly #options: PodSyncerOptions;
  readonly #crashLoops: BackoffTable;
  /** What failed and is not to be tried before its time, though the pod may be looked at sooner; by pod and container. */
  readonly #held = new Map<string, number>();

  /** How often containers had run that were removed to begin anew; by pod and container. */
  readonly #resets = new Map<string, number>();

  constructor(options: PodSyncerOptions) {
    this.#options = options;
    this.#crashLoops = new BackoffTable(options.context.clock, crashLoopInitialMs, crashLoopMaximumMs);
  }

  /** Never rejects for what can be tried again. `signal`: the pod is to end, start nothing more. */
  async sync(pod: Pod, signal: AbortSignal, restartAll = false): Promise<SyncResult> {
    const { context, cache, killer, results } = this.#options;
    const uid = podUid(pod);
    const state = cache.pod(uid);
    const actions = podActions(pod, state, results, restartAll);
    let acted = false;
    if (actions.createSandbox && actions.sandboxId) {
      const message = 'Pod sandbox changed, it will be killed and re-created.';
      context.recorder.event(pod, 'Normal', 'SandboxChanged', message);
    }
    try {
      if (actions.resets.length > 0) {
        await this.#reset(pod, actions, signal);
        // Told once as gone, they are started.
        return { acted: true, retryAtMs: context.clock.now() };
      }
      if (actions.killPod) {
        const busy =
          state.containers.some(container => container.state === 'running') || state.sandboxes.some(({ ready }) => ready);
        if (busy) {
          await killer.killPod(pod, state, { signal });
          acted = true;
        }
        if (actions.createSandbox) await this.#removeInitContainers(pod);
      } else {
        for (const { state: running, container, message, reason } of actions.kills) {
          await killer.killContainer(pod, container, running, { message, reason, signal });
          acted = true;
        }
      }
    } catch (error) {
      if (signal.aborted) return { acted, retryAtMs: undefined };
      context.logger.warn('containers could not be stopped', { pod: podText(pod), error });
      return { acted, retryAtMs: this.#retryAtMs(error) };
    }
    let sandboxId = actions.sandboxId;
    if (actions.createSandbox) {
      const created = await this.#createSandbox(pod, actions.attempt, signal);
      if (created === undefined) return { acted, retryAtMs: signal.aborted ? undefined : this.#held.get(`${uid}/`) };
      sandboxId = created;
      acted = true;
    }
    const retryAtMs = await this.#startAll(pod, sandboxId, actions, signal);
    acted ||= actions.ephemeral.length + actions.initContainers.length + actions.containers.length > 0;
    return { acted, retryAtMs };
  }

  /** What the pod waits for may be there now: everything is tried again at the next sync. */
  release(uid: string): void {
    for (const key of this.#held.keys()) if (key.startsWith(`${uid}/`)) this.#held.delete(key);
  }

  forget(uid: string): void {
    this.release(uid);
    for (const key of this.#resets.keys()) if (key.startsWith(`${uid}/`)) this.#resets.delete(key);
    this.#crashLoops.forget(`${uid}/`);
    this.#options.images.forgetPod(uid);
    this.#options.reasons.remove(uid);
  }

  async #startAll(pod: Pod, sandboxId: string, actions: PodActions, signal: AbortSignal): Promise<number | undefined> {
    let retryAtMs: number | undefined;
    const start = async (container: Container): Promise<boolean> => {
      if (signal.aborted) return false;
      const dueMs = await this.#start(pod, container, sandboxId, signal);
      if (dueMs === undefined) return true;
      retryAtMs = Math.min(retryAtMs ?? Infinity, dueMs);
      return false;
    };
    for (const container of actions.ephemeral) await start(container);
    for (const container of actions.initContainers) {
      // A sidecar that does not start holds up nobody who was started before.
      if (!(await start(container)) && container.restartPolicy !== 'Always') return retryAtMs;
    }
    for (const container of actions.containers) await start(container);
    return retryAtMs;
  }

  async #createSandbox(pod: Pod, attempt: number, signal: AbortSignal): Promise<string | undefined> {
    const { context, cache } = this.#options;
    const key = `${podUid(pod)}/`;
    if ((this.#held.get(key) ?? 0) > context.clock.now()) return undefined;
    this.#held.delete(key);
    try {
      const runtimeHandler = await this.#runtimeHandler(pod);
      this.#checkUserNamespace(pod, runtimeHandler);
      if (!(await this.#prepare(pod))) {
        this.#held.set(key, context.clock.now() + retryMs);
        return undefined;
      }
      const cgroupParent = await this.#cgroupParent(pod);
      const nodeDns = this.#options.onHost ? await readNodeDns(context.settings.resolvConf) : undefined;
      const spec = sandboxSpec(pod, context.settings, { attempt, runtimeHandler, cgroupParent, nodeDns });
      const id = await context.runtime.runSandbox(spec);
      await cache.refresh('sandbox', id);
      return id;
    } catch (error) {
      if (signal.aborted) return undefined;
      const text = `Failed to create pod sandbox: ${errorText(error)}`;
      context.logger.warn('a sandbox could not be created', { pod: podText(pod), error });
      context.recorder.event(pod, 'Warning', 'FailedCreatePodSandBox', text);
      this.#held.set(key, this.#retryAtMs(error));
      return undefined;
    }
  }

  async #prepare(pod: Pod): Promise<boolean> {
    const { context, plugins } = this.#options;
    try {
      await plugins?.prepare(pod);
      return true;
    } catch (error) {
      context.logger.warn('what a pod claims could not be made ready', { pod: podText(pod), error });
      const text = `Failed to prepare dynamic resources: ${errorText(error)}`;
      context.recorder.event(pod, 'Warning', 'FailedPrepareDynamicResources', text);
      return false;
    }
  }

  async #cgroupParent(pod: Pod): Promise<string> {
    try {
      return (await this.#options.cgroups?.ensure(pod)) ?? '';
    } catch (error) {
      const text = `unable to ensure pod container exists: ${errorText(error)}`;
      this.#options.context.recorder.event(pod, 'Warning', 'FailedCreatePodContainer', text);
      throw error;
    }
  }

  async #runtimeHandler(pod: Pod): Promise<string> {
    const { runtimeClassName } = pod.spec;
    if (!runtimeClassName) return '';
    return (await this.#options.context.client.resource(RuntimeClasses).get(runtimeClassName)).handler;
  }

  /** Source: pkg/kubelet/userns/userns_manager.go. */
  #checkUserNamespace({ spec }: Pod, runtimeHandler: string): void {
    if (spec.hostUsers !== false) return;
    const handler = this.#options.facts().runtimeHandlers.find(({ name }) => name === runtimeHandler);
    if (handler?.userNamespaces) return;
    const who = runtimeHandler === '' ? 'runtime' : `RuntimeClass handler "${runtimeHandler}"`;
    throw new CodedError('SANDBOX_CONFIG', `can't set \`spec.hostUsers: false\`, ${who} does not support user namespaces`);
  }

  /** Undefined when it was started, else when to try again. */
  async #start(pod: Pod, container: Container, sandboxId: string, signal: AbortSignal): Promise<number | undefined> {
    const { context, reasons } = this.#options;
    const key = `${podUid(pod)}/${container.name}`;
    const heldUntilMs = this.#held.get(key) ?? 0;
    if (heldUntilMs > context.clock.now()) return heldUntilMs;
    this.#held.delete(key);
    try {
      this.#checkCrashLoop(pod, container);
      await this.#createAndStart(pod, container, sandboxId, signal);
      reasons.set(podUid(pod), container.name, undefined);
      return undefined;
    } catch (error) {
      if (signal.aborted) return undefined;
      const failure =
        error instanceof StartError
          ? error
          : new StartError('CreateContainerError', errorText(error), { event: errorText(error) });
      reasons.set(podUid(pod), container.name, { reason: failure.reason, message: failure.message });
      if (failure.event !== undefined) {
        context.recorder.event(containerReference(pod, container), 'Warning', 'Failed', `Error: ${failure.event}`);
      }
      context.logger.debug('a container did not start', { pod: podText(pod), container: container.name, error });
      const retryAtMs = failure.retryAtMs ?? this.#retryAtMs(error);
      this.#held.set(key, retryAtMs);
      return retryAtMs;
    }
  }

  #retryAtMs(error: unknown): number {
    const cause = error instanceof StartError ? error.cause : error;
    return this.#options.context.clock.now() + (errorCode(cause) === 'RUNTIME_UNAVAILABLE' ? absentRuntimeRetryMs : retryMs);
  }

  #checkCrashLoop(pod: Pod, container: Container): void {
    const { context, cache } = this.#options;
    const ended = cache.pod(podUid(pod)).containers.find(own => own.name === container.name && own.state === 'exited');
    if (!ended) return;
    const finishedAtMs = ended.finishedAtMs ?? ended.createdAtMs;
    const key = `${podUid(pod)}/${container.name}/${container.image}`;
    const dueMs = this.#crashLoops.dueSince(key, finishedAtMs);
    if (dueMs === undefined) {
      this.#crashLoops.next(key, finishedAtMs);
      return;
    }
    const message = `Back-off restarting failed container ${container.name} in pod ${podText(pod)}`;
    context.recorder.event(containerReference(pod, container), 'Warning', 'BackOff', message);
    const wait = formatDuration(BigInt(this.#crashLoops.waitMs(key)) * 1_000_000n);
    const text = `back-off ${wait} restarting failed container=${container.name} pod=${podText(pod)}`;
    throw new StartError('CrashLoopBackOff', text, { retryAtMs: dueMs });
  }

  async #createAndStart(pod: Pod, container: Container, sandboxId: string, signal: AbortSignal): Promise<void> {
    const { context, cache, hooks, images, killer } = this.#options;
    const { recorder, runtime } = context;
    const uid = podUid(pod);
    const subject = containerReference(pod, container);
    await this.#mountImages(pod, container, signal);
    const credentials = await pullCredentials(pod, container.image ?? '', this.#options.objects);
    const imageId = await images.ensure({
      podUid: uid,
      image: container.image ?? '',
      policy: container.imagePullPolicy,
      subject,
      credentials,
      options: { signal },
    });
    signal.throwIfAborted();
    const before = latestContainer(cache.pod(uid), container.name);
    const restartCount = before ? before.attempt + 1 : this.#restarts(pod, container.name);
    const spec = await this.#containerSpec(pod, container, { imageId, restartCount });
    let containerId: string;
    try {
      containerId = await runtime.createContainer(sandboxId, spec);
    } catch (error) {
      throw new StartError('CreateContainerError', errorText(error), { event: errorText(error), cause: error });
    }
    recorder.event(subject, 'Normal', 'Created', 'Container created');
    try {
      await runtime.startContainer(containerId);
    } catch (error) {
      await cache.refresh('container', containerId);
      await this.#removeOld(uid, container.name);
      throw new StartError('RunContainerError', errorText(error), { event: errorText(error), cause: error });
    }
    recorder.event(subject, 'Normal', 'Started', 'Container started');
    await cache.refresh('container', containerId);
    await this.#removeOld(uid, container.name);
    const postStart = container.lifecycle?.postStart;
    if (!postStart) return;
    try {
      const podIp = cache.pod(uid).sandboxes[0]?.ips[0] ?? this.#options.facts().hostIps[0] ?? '';
      await hooks.run(postStart, { pod, container, containerId, podIp }, signal);
    } catch (error) {
      if (signal.aborted) throw error;
      // The reason stays out of the event: it may hold secrets.
      recorder.event(subject, 'Warning', 'FailedPostStartHook', 'PostStartHook failed');
      const state = latestContainer(cache.pod(uid), container.name);
      if (state) {
        await killer.killContainer(pod, container, state, {
          message: 'FailedPostStartHook',
          reason: 'FailedPostStartHook',
          signal,
        });
      }
      // The container has ended: from here on it is a matter of restarts.
      throw new StartError('PostStartHookError', errorText(error), { cause: error, retryAtMs: context.clock.now() });
    }
  }

  /** Volumes that are made of images. Their trouble is told like that of the container's own image. */
  async #mountImages(pod: Pod, container: Container, signal: AbortSignal): Promise<void> {
    const { images, objects, volumes } = this.#options;
    for (const volume of pod.spec.volumes ?? []) {
      if (!volume.image || !container.volumeMounts?.some(({ name }) => name === volume.name)) continue;
      const { reference: image = '', pullPolicy: policy } = volume.image;
      const credentials = await pullCredentials(pod, image, objects);
      const imageId = await images.ensure({ podUid: podUid(pod), image, policy, subject: pod, credentials, options: { signal } });
      signal.throwIfAborted();
      await volumes.mountImage(pod, volume, imageId);
    }
  }

  async #containerSpec(pod: Pod, container: Container, made: { imageId: string; restartCount: number }) {
    const { context, cache, objects, services, volumes } = this.#options;
    const facts = this.#options.facts();
    const state = cache.pod(podUid(pod));
    try {
      const podIps = pod.spec.hostNetwork ? facts.hostIps : (state.sandboxes[0]?.ips ?? []);
      const devices = await this.#options.plugins?.containerOptions(pod, container);
      const own = await containerEnvironment({
        pod,
        container,
        podIps,
        hostIps: facts.hostIps,
        allocatable: facts.allocatable,
        services: services(),
        objects,
      });
      const environment = devices ? new Map([...devices.environment, ...own]) : own;
      const target = pod.spec.ephemeralContainers?.find(({ name }) => name === container.name)?.targetContainerName;
      return containerSpec({
        pod,
        container,
        imageId: made.imageId,
        image: await context.runtime.image(made.imageId),
        restartCount: made.restartCount,
        environment,
        devices,
        mounts: await volumes.mountsFor(pod, container, environment),
        targetContainerId: target ? latestContainer(state, target)?.id : undefined,
        rootDir: context.settings.rootDir,
        memoryBytes: facts.memoryBytes,
        cgroupKeys: this.#options.cgroups?.containerKeys ?? {},
      });
    } catch (error) {
      throw new StartError('CreateContainerConfigError', errorText(error), { event: errorText(error), cause: error });
    }
  }

  /** Of each container the newest and the one before it are kept. */
  async #removeOld(uid: string, name: string): Promise<void> {
    const { cache, context } = this.#options;
    for (const { id } of cache
      .pod(uid)
      .containers.filter(own => own.name === name)
      .slice(2)) {
      await context.runtime.removeContainer(id);
      await cache.refresh('container', id);
    }
  }

  /** Of a container of which the runtime knows nothing: it keeps counting, also over logs that are left. */
  #restarts(pod: Pod, name: string): number {
    return Math.max(recordedRestarts(pod, name), this.#resets.get(`${podUid(pod)}/${name}`) ?? 0);
  }

  /** Without grace: the pod begins anew as it is. */
  async #reset(pod: Pod, { resets }: PodActions, signal: AbortSignal): Promise<void> {
    const { cache, context, killer } = this.#options;
    for (const { container, state } of resets) {
      const key = `${podUid(pod)}/${container.name}`;
      this.#resets.set(key, Math.max(this.#resets.get(key) ?? 0, state.attempt + 1));
      if (state.state !== 'exited') {
        const why = { message: 'killing', reason: 'RestartAllContainers', graceSeconds: 0 } as const;
        await killer.killContainer(pod, container, state, { ...why, signal });
      }
      await context.runtime.removeContainer(state.id);
      await cache.refresh('container', state.id);
    }
  }

  /** A new sandbox runs its init containers anew. */
  async #removeInitContainers(pod: Pod): Promise<void> {
    const { cache, context } = this.#options;
    const names = new Set((pod.spec.initContainers ?? []).map(({ name }) => name));
    for (const { id, name } of cache.pod(podUid(pod)).containers) {
      if (!names.has(name)) continue;
      await context.runtime.removeContainer(id);
      await cache.refresh('container', id);
    }
  }
}

/** A runtime that forgot its containers (a reboot) must not make the count begin anew. */
function recordedRestarts(pod: Pod, name: string): number {
  const { containerStatuses = [], initContainerStatuses = [] } = pod.status ?? {};
  const status = [...containerStatuses, ...initContainerStatuses].find(own => own.name === name);
  if (status?.lastState.terminated?.reason === restartingAll.reason && !status.containerID) return status.restartCount;
  return status?.containerID ? status.restartCount + 1 : 0;
}
