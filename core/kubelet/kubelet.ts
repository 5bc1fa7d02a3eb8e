import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { backoffMs } from '../base/backoff.js';
import { sleep } from '../base/clock.js';
import type { Disposable } from '../base/disposable.js';
import { errorCode } from '../base/errors.js';
import { Nodes, Pods, Services } from '../api/generated/resources.js';
import type { Pod, Service } from '../api/generated/types.js';
import { SharedInformerFactory } from '../client/informer-factory.js';
import type { Informer } from '../client/informer-types.js';
import type { Ledger } from '../contracts/ledger.js';
import { hostCgroups } from '../host/cgroups.js';
import type { Cgroups } from '../host/cgroups.js';
import { maximumThreads } from '../host/host-facts.js';
import { HostCommands } from '../host/commands.js';
import type { HostFacts } from '../host/host-facts.js';
import { admitPod } from './admission/admit-pod.js';
import { PodCgroups } from './cgroups/pod-cgroups.js';
import { EvictionManager } from './eviction/eviction-manager.js';
import type { PressureCondition } from './eviction/signals.js';
import { HostUsage } from './eviction/node-usage.js';
import { GarbageCollector } from './images/garbage-collector.js';
import { ImagePuller } from './images/image-puller.js';
import { PullRecords } from './images/pull-records.js';
import { podUid } from './kubelet-context.js';
import type { KubeletContext } from './kubelet-context.js';
import { NodeManager } from './node/node-manager.js';
import { LogLinks } from './logs/log-links.js';
import { LogRotator } from './logs/log-rotator.js';
import type { KubeletPlugins } from './extensions/pod-plugins.js';
import { PodConnector } from './pod-connector.js';
import { PodWorker } from './pods/pod-worker.js';
import type { PodWorkerServices } from './pods/pod-worker.js';
import { networkProber } from './probes/network-prober.js';
import { ProbeManager } from './probes/probe-manager.js';
import { PodResizer } from './resize/pod-resizer.js';
import { ContainerKiller } from './runtime/container-killer.js';
import { LifecycleHooks } from './runtime/lifecycle-hooks.js';
import { PodSyncer } from './runtime/pod-syncer.js';
import { podLogDirectory } from './runtime/runtime-specs.js';
import { RuntimeCache } from './runtime/runtime-cache.js';
import { withTerminationMessage } from './runtime/termination-message.js';
import type { NodePods } from './server/node-pods.js';
import { ReasonCache } from './status/reason-cache.js';
import { isStaticPod, mirroredUid } from './static/static-pod.js';
import { StaticPods } from './static/static-pods.js';
import { StatusManager } from './status/status-manager.js';
import { HostVolumeManager } from './volumes/host-volume-manager.js';
import { ReferencedObjects } from './volumes/referenced-objects.js';
import { ReferenceVolumeManager } from './volumes/reference-volume-manager.js';
import type { VolumeManager } from './volumes/volume-manager.js';

export interface KubeletOptions extends KubeletContext {
  /** For tests. Absent: this machine. */
  readonly hostFacts?: () => Promise<HostFacts>;
  /** For tests. Absent: this machine's. */
  readonly cgroups?: () => Promise<Cgroups>;
  readonly ledger?: Ledger;
  /** For tests: whether there are static pods. Absent: where the runtime is on this host. */
  readonly staticPods?: boolean;
  /** For tests. Absent: those of this host, where the runtime is on it. */
  readonly plugins?: KubeletPlugins;
}

/** Static pods do not wait longer for what the API could tell of them. */
const listWaitMs = 10_000;
const leftoverRetry = { initialMs: 10_000, maximumMs: 300_000 };
const noPressure: ReadonlySet<PressureCondition> = new Set();

/**
 * The node agent: registers its Node, runs the pods bound to it by the container runtime, and tells the API how they are. What runs
 * already is adopted; stopping leaves containers alone. May be started again after `stop`.
 */
export class Kubelet {
  readonly #context: KubeletOptions;
  readonly #workers = new Map<string, PodWorker>();
  readonly #orphans = new Map<string, Promise<void>>();
  #running: RunningKubelet | undefined;
  #following: Promise<void> | undefined;
  #cleaning: Disposable | undefined;
  #cleanings = 0;
  /** The API's pods have their workers: whom the runtime has beside them is nobody's. */
  #knowsPods = false;
  #stopped = true;

  constructor(options: KubeletOptions) {
    this.#context = options;
  }

  /** Access to pods' logs for the API server in the same process. After `start`. */
  get connector(): PodConnector | undefined {
    return this.#running?.connector;
  }

  /** For the HTTPS API. After `start`. */
  get nodePods(): NodePods | undefined {
    const running = this.#running;
    if (!running) return undefined;
    const { cgroups, pods, probes, statics, statuses, cache } = running;
    const ofApi = (pod: Pod | undefined): boolean => pod !== undefined && mirroredUid(pod) === undefined;
    return {
      list: () => [...pods.list().filter(ofApi), ...statics.list()],
      find: (namespace, name) => {
        const pod = pods.get(namespace, name);
        return ofApi(pod) ? pod : statics.find(namespace, name);
      },
      apiUid: pod => (isStaticPod(pod) ? statuses.mirrorUid(pod.metadata.uid ?? '') : pod.metadata.uid),
      status: pod => statuses.status(pod.metadata.uid ?? ''),
      runtimeState: uid => cache.pod(uid),
      processes: async uid => (await cgroups?.processes(uid)) ?? [],
      probeCounts: () => probes.counts.all(),
    };
  }

  /** Resolves when the Node is registered; its pods follow by themselves. Rejects when the runtime does not answer. */
  async start(signal?: AbortSignal): Promise<void> {
    const context = this.#context;
    const { tuning = {} } = context.settings;
    this.#stopped = false;
    this.#knowsPods = false;
    this.#cleanings = 0;
    let eviction: EvictionManager | undefined;
    let plugins: KubeletPlugins | undefined;
    const node = new NodeManager({
      context,
      pressure: () => eviction?.conditions ?? noPressure,
      networkReady: () => this.#wakeAll(),
      devices: () => plugins?.devices,
      ...(context.hostFacts ? { hostFacts: context.hostFacts } : {}),
    });
    const runtime = await node.inspect();
    if (runtime.onHost) await mkdir(context.settings.rootDir, { recursive: true, mode: 0o750 });
    plugins = context.plugins ?? (runtime.onHost ? await this.#nodePlugins(node) : undefined);
    const links = runtime.onHost ? this.#logLinks() : undefined;
    await links?.start();
    const cache = new RuntimeCache({
      runtime: context.runtime,
      clock: context.clock,
      logger: context.logger,
      changed: uid => this.#changed(uid),
      recovered: () => this.#wakeAll(),
      links,
      ipv6First: context.settings.nodeIps[0]?.includes(':') ?? false,
      ...(runtime.onHost ? { complete: state => withTerminationMessage(state, context.settings.podLogsDir) } : {}),
    });
    await cache.start();
    void links?.sweep();
    const cgroups = runtime.onHost ? await this.#startCgroups(node.facts.allocatable) : undefined;
    const informers = new SharedInformerFactory({ client: context.client, clock: context.clock, logger: context.logger });
    const pods = informers.informer(Pods, { fieldSelector: `spec.nodeName=${context.settings.nodeName}` });
    const nodes = informers.informer(Nodes, { fieldSelector: `metadata.name=${context.settings.nodeName}` });
    const services = informers.informer(Services);
    const prober = networkProber(context.runtime, runtime.onHost);
    const podIp = (uid: string): string => cache.pod(uid).sandboxes[0]?.ips[0] ?? node.facts.hostIps[0] ?? '';
    const hooks = new LifecycleHooks(context, prober);
    const killer = new ContainerKiller(context, cache, hooks, podIp);
    const probes = new ProbeManager({ context, cache, prober, podIp, changed: uid => this.#workers.get(uid)?.wake() });
    const reasons = new ReasonCache();
    const objects = new ReferencedObjects(context, uid => this.#workers.get(uid)?.referencesChanged());
    const volumes: VolumeManager = runtime.onHost
      ? new HostVolumeManager({
          context,
          objects,
          commands: new HostCommands({ preferBundledBin: context.settings.preferBundledBin ?? false }),
          downward: pod => ({
            pod,
            podIps: cache.pod(pod.metadata.uid ?? '').sandboxes[0]?.ips ?? node.facts.hostIps,
            hostIps: node.facts.hostIps,
            allocatable: node.facts.allocatable,
          }),
          wake: uid => this.#workers.get(uid)?.wake(),
        })
      : new ReferenceVolumeManager(context, objects);
    const statuses = new StatusManager(context);
    const pulls = new PullRecords({
      directory: runtime.onHost ? join(context.settings.rootDir, 'image_manager') : undefined,
      logger: context.logger,
    });
    const syncer = new PodSyncer({
      context,
      cache,
      images: new ImagePuller(context, pulls),
      hooks,
      killer,
      results: probes.results,
      reasons,
      volumes,
      objects,
      cgroups,
      plugins,
      onHost: runtime.onHost,
      facts: () => node.facts,
      services: () => services.list(),
    });
    const resizer: PodResizer = new PodResizer({
      context,
      cache,
      killer,
      cgroups,
      facts: () => node.facts,
      others: pod => this.#admittedPods(pod).map(own => resizer.granted(own)),
    });
    const workerServices: PodWorkerServices = {
      context,
      cache,
      syncer,
      killer,
      probes,
      statuses,
      reasons,
      volumes,
      cgroups,
      resizer,
      plugins,
      facts: () => node.facts,
      admit: async pod => eviction?.refusal(pod) ?? plugins?.admit(pod),
      fits: pod => {
        const { appArmor } = node.facts.runtimeFeatures;
        const { unsafeSysctls } = tuning;
        const devices = plugins?.heldFor(pod);
        return admitPod(pod, node.node, { others: this.#admittedPods(pod), appArmor, devices, unsafeSysctls });
      },
      removeLogs: pod => this.#removeLogs(pod, runtime.onHost),
      gone: async pod => {
        this.#workers.delete(pod.metadata.uid ?? '');
        await workerServices.removeLogs(pod);
        this.#running?.statics.gone(pod);
      },
    };
    const rotator = new LogRotator({
      ...context,
      ...(tuning.logMaximumBytes === undefined ? {} : { maximumBytes: tuning.logMaximumBytes }),
      ...(tuning.logMaximumFiles === undefined ? {} : { maximumFiles: tuning.logMaximumFiles }),
      containers: () => (runtime.onHost ? cache.podUids().flatMap(uid => cache.pod(uid).containers) : []),
    });
    const usage = new HostUsage();
    const garbage = runtime.onHost
      ? new GarbageCollector({ context, cache, usage, pulls, imagesOfVolumes: () => volumes.imageIds() })
      : undefined;
    if (garbage) {
      eviction = new EvictionManager({
        context,
        usage,
        pods: () => [...this.#workers.values()].filter(worker => worker.staying),
        sandboxIds: uid => cache.pod(uid).sandboxes.map(({ id }) => id),
        reclaimDisk: [
          async () => {
            for (const worker of this.#workers.values()) await worker.discard();
          },
          () => garbage.removeUnused(),
        ],
        changed: () => void node.update(),
      });
    }
    const statics = new StaticPods({
      context,
      directory: (context.staticPods ?? runtime.onHost) ? context.settings.podManifestsDir : undefined,
      node: () => node.node,
      apiPods: () => (pods.synced ? pods.list() : undefined),
      mirrored: (uid, mirror) => statuses.mirror(uid, mirror),
      run: pod => this.#update(pod),
      end: pod => this.#workers.get(podUid(pod))?.delete(pod),
    });
    this.#running = {
      plugins,
      rotator,
      links,
      node,
      statics,
      garbage,
      eviction,
      cache,
      killer,
      probes,
      statuses,
      volumes,
      cgroups,
      informers,
      pods,
      connector: new PodConnector(context.runtime, cache),
      handlers: [],
      workerServices,
    };
    await plugins?.load();
    await node.start(signal);
    this.#running.handlers.push(
      nodes.addHandler({ added: ({ object }) => node.observe(object), updated: (_before, { object }) => node.observe(object) }),
    );
    await plugins?.start();
    informers.start();
    rotator.start();
    garbage?.start();
    eviction?.start();
    this.#following = this.#follow(this.#running, services);
  }

  /** Takes up the pods when all is known that their containers need. */
  async #follow(running: RunningKubelet, services: Informer<Service>): Promise<void> {
    try {
      await this.#firstLists(services, running.pods);
      await running.statics.start();
      // Containers get the variables of Services: those come first.
      await services.whenSynced();
      if (this.#stopped) return;
      running.handlers.push(
        running.pods.addHandler({
          added: ({ object }) => this.#observe(object),
          updated: (_before, { object }) => this.#observe(object),
          deleted: ({ object }) => {
            if (mirroredUid(object) !== undefined) running.statics.observe(object, true);
            else this.#workers.get(podUid(object))?.delete(object);
          },
        }),
      );
      await running.pods.whenSynced();
      this.#knowsPods = true;
      for (const uid of running.cache.podUids()) this.#workers.get(uid)?.wake();
      await this.#removeLeftovers(running);
    } catch (error) {
      // The informers were stopped first.
      if (!this.#stopped) this.#context.logger.error('the pods of this node cannot be followed', { error });
    }
  }

  /** What earlier kubelets left of pods that nobody knows any more. What cannot be removed now is tried again. */
  async #removeLeftovers(running: RunningKubelet): Promise<void> {
    // While manifests cannot be read, what runs may be theirs.
    if (!running.statics.loaded) return this.#removeLeftoversLater();
    try {
      for (const uid of running.cache.podUids()) if (!this.#workers.has(uid)) this.#removeOrphan(uid);
      for (const uid of await running.volumes.podUids()) if (!this.#workers.has(uid)) await this.#unmountOrphan(uid, running);
      for (const uid of (await running.cgroups?.podUids()) ?? []) await this.#removeOrphanCgroups(uid, running);
    } catch (error) {
      this.#context.logger.warn('what is left of pods that are gone could not be looked for', { error });
      this.#removeLeftoversLater();
    }
  }

  #removeLeftoversLater(): void {
    if (this.#stopped) return;
    this.#cleaning ??= this.#context.clock.setTimer(backoffMs(leftoverRetry, this.#cleanings++), () => {
      this.#cleaning = undefined;
      const running = this.#running;
      if (running) this.#following = this.#removeLeftovers(running);
    });
  }

  /** Containers go on without it. */
  async stop(): Promise<void> {
    const running = this.#running;
    if (this.#stopped) return;
    this.#stopped = true;
    void this.#cleaning?.dispose();
    this.#cleaning = undefined;
    for (const handler of running?.handlers ?? []) void handler.dispose();
    running?.node.stop();
    running?.probes.stop();
    await running?.rotator.stop();
    await running?.statics.stop();
    await running?.eviction?.stop();
    await running?.garbage?.stop();
    await Promise.all(Array.from(this.#workers.values(), worker => worker.stop()));
    await Promise.all(this.#orphans.values());
    await running?.plugins?.stop();
    await running?.statuses.stop();
    running?.cache.stop();
    await running?.links?.stop();
    await running?.volumes.stop();
    await this.#stopCgroups(running?.cgroups);
    await running?.informers.stop();
    await this.#following;
    this.#workers.clear();
    this.#running = undefined;
  }

  /** What the API knows of static pods is good to have before they start, but they need none of it. */
  async #firstLists(...informers: readonly Informer<unknown>[]): Promise<void> {
    const listed = new AbortController();
    const waited = sleep(this.#context.clock, listWaitMs, listed.signal);
    try {
      await Promise.race([Promise.all(informers.map(informer => informer.whenSynced())), waited]);
    } finally {
      waited.catch(() => undefined);
      listed.abort();
    }
  }

  /** A mirror does not run: the static pod that it shows does. */
  #observe(pod: Pod): void {
    if (mirroredUid(pod) === undefined) this.#update(pod);
    else this.#running?.statics.observe(pod, false);
  }

  #update(pod: Pod): void {
    const uid = podUid(pod);
    const known = this.#workers.get(uid);
    if (known) {
      known.update(pod);
      return;
    }
    const worker = new PodWorker(this.#running!.workerServices, pod);
    this.#workers.set(uid, worker);
    worker.wake();
  }

  /** Something of a pod changed in the runtime. */
  #changed(uid: string): void {
    const worker = this.#workers.get(uid);
    if (worker) worker.wake();
    else this.#removeOrphan(uid);
  }

  /** What the runtime has of a pod that the API does not know is stopped and removed. */
  #removeOrphan(uid: string): void {
    const running = this.#running;
    if (!running || !this.#knowsPods || !running.statics.loaded || this.#stopped || this.#orphans.has(uid)) return;
    const state = running.cache.pod(uid);
    if (state.sandboxes.length + state.containers.length === 0) return;
    const newest = state.sandboxes[0];
    const removing = running.killer
      .removeOrphan(state)
      .then(() => running.cgroups?.remove(uid))
      .then(async () => {
        if (!newest) return;
        const metadata = { name: newest.podName, namespace: newest.podNamespace, uid };
        await running.workerServices.removeLogs({ metadata });
      })
      .catch(error => {
        this.#context.logger.warn('an orphaned pod could not be removed, trying again', { uid, error });
        this.#removeLeftoversLater();
      })
      .finally(() => this.#orphans.delete(uid));
    this.#orphans.set(uid, removing);
  }

  async #removeLogs(pod: Pick<Pod, 'metadata'>, onHost: boolean): Promise<void> {
    if (onHost) await rm(podLogDirectory(pod, this.#context.settings), { recursive: true, force: true });
  }

  /** Containers first: what they have mounted cannot be taken away. */
  async #unmountOrphan(uid: string, running: RunningKubelet): Promise<void> {
    try {
      await this.#orphans.get(uid);
      const { containers, sandboxes } = running.cache.pod(uid);
      // Removing it has failed, and is tried again.
      if (this.#workers.has(uid) || containers.length + sandboxes.length > 0) return;
      await running.volumes.unmount(uid);
    } catch (error) {
      this.#context.logger.warn("an orphaned pod's volumes could not be removed, trying again", { uid, error });
      this.#removeLeftoversLater();
    }
  }

  /** Undefined where groups cannot be written: pods run without limits of their own rather than not at all. */
  async #startCgroups(allocatable: Readonly<Record<string, string>>): Promise<PodCgroups | undefined> {
    const { ledger, logger, settings } = this.#context;
    try {
      const cgroups = await (this.#context.cgroups ?? hostCgroups)();
      const tree = new PodCgroups({ cgroups, root: settings.cgroupRoot, ledger });
      await tree.start(allocatable, await maximumThreads());
      return tree;
    } catch (error) {
      logger.warn('pods have no control groups of their own', { error });
      return undefined;
    }
  }

  /** Loaded only where there can be plugins: it speaks gRPC. */
  async #nodePlugins(node: NodeManager): Promise<KubeletPlugins> {
    const { NodePlugins } = await import('./extensions/node-plugins.js');
    return new NodePlugins({
      context: this.#context,
      activePods: () => {
        if (!this.#knowsPods || !this.#running?.statics.loaded) return undefined;
        return Array.from(this.#workers.values()).flatMap(worker => (worker.active ? [worker.pod] : []));
      },
      changed: () => void node.update(),
      wake: uid => this.#workers.get(uid)?.wake(),
    });
  }

  #logLinks(): LogLinks {
    const { ledger, logger, settings } = this.#context;
    return new LogLinks({ directory: settings.containerLogsDir, podLogsDir: settings.podLogsDir, ledger, logger });
  }

  async #stopCgroups(cgroups: PodCgroups | undefined): Promise<void> {
    try {
      await cgroups?.stop();
    } catch (error) {
      this.#context.logger.warn('the control groups of pods could not be removed', { error });
    }
  }

  /** After its containers; what of it is still being removed is left to the end of that. */
  async #removeOrphanCgroups(uid: string, running: RunningKubelet): Promise<void> {
    await this.#orphans.get(uid);
    const { containers, sandboxes } = running.cache.pod(uid);
    if (this.#workers.has(uid) || containers.length + sandboxes.length > 0) return;
    try {
      // What runs in it is of no container of ours: it may be somebody else's.
      await running.cgroups?.remove(uid, { spare: true });
    } catch (error) {
      this.#context.logger.warn("an orphaned pod's control groups could not be removed", { uid, error });
      if (errorCode(error) !== 'CGROUP_BUSY') this.#removeLeftoversLater();
    }
  }

  #admittedPods(except: Pod): Pod[] {
    const pods: Pod[] = [];
    for (const worker of this.#workers.values()) {
      if (worker.holdsPlace && worker.pod.metadata.uid !== except.metadata.uid) pods.push(worker.pod);
    }
    return pods;
  }

  #wakeAll(): void {
    for (const worker of this.#workers.values()) worker.wake();
  }
}

interface RunningKubelet {
  readonly plugins: KubeletPlugins | undefined;
  readonly links: LogLinks | undefined;
  readonly rotator: LogRotator;
  readonly node: NodeManager;
  readonly statics: StaticPods;
  readonly garbage: GarbageCollector | undefined;
  readonly eviction: EvictionManager | undefined;
  readonly cache: RuntimeCache;
  readonly killer: ContainerKiller;
  readonly probes: ProbeManager;
  readonly statuses: StatusManager;
  readonly volumes: VolumeManager;
  readonly cgroups: PodCgroups | undefined;
  readonly informers: SharedInformerFactory;
  readonly pods: Informer<Pod>;
  readonly connector: PodConnector;
  readonly handlers: Disposable[];
  readonly workerServices: PodWorkerServices;
}
