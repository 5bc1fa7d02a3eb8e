import { watch } from 'node:fs';
import type { FSWatcher } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import type { Clock } from '../../base/clock.js';
import type { Disposable } from '../../base/disposable.js';
import { Pods } from '../../api/generated/resources.js';
import { isPodFinished } from '../../api/pods.js';
import type { Node, Pod } from '../../api/generated/types.js';
import { isStatusError } from '../../machinery/status-error.js';
import type { KubeletContext } from '../kubelet-context.js';
import { ManifestFolder, podKey } from './manifest-folder.js';
import type { ManifestFolderContext } from './manifest-folder.js';
import { mirrorOf, mirroredUid } from './static-pod.js';

export interface StaticPodsOptions {
  readonly context: ManifestFolderContext & Pick<KubeletContext, 'client'>;
  /** Of the manifests. Undefined: this node has no static pods, and no mirror is to stay. */
  readonly directory: string | undefined;
  readonly node: () => Node | undefined;
  /** The API's pods of this node; undefined while they were not listed. */
  readonly apiPods: () => Iterable<Pod> | undefined;
  /** The API shows a static pod by this mirror from now on; undefined: by none. */
  readonly mirrored: (podUid: string, mirror: Pod | undefined) => void;
  readonly run: (pod: Pod) => void;
  /** Ends a pod that runs, however long it takes: `gone` is called then. */
  readonly end: (pod: Pod) => void;
}

interface Started {
  readonly pod: Pod;
  ending: boolean;
}

const periodMs = 20_000;
/** Editors write a file in several steps. */
const quietMs = 200;

/**
 * Pods that the node has from files. They run from there, whatever the API says or knows; a mirror pod shows each in the API, and
 * is made anew when somebody deletes it. A changed file is another pod, which waits for the end of the one before.
 */
export class StaticPods {
  readonly #options: StaticPodsOptions;
  readonly #folder: ManifestFolder | undefined;
  readonly #started = new Map<string, Started>();
  readonly #files: Round;
  readonly #mirrors: Round;
  #wanted: ReadonlyMap<string, Pod> = new Map();
  #watcher: FSWatcher | undefined;
  #loaded = false;
  #stopped = false;
  /** What keeps a mirror from being made, and how often it did. */
  readonly #problems = new Map<string, { readonly text: string; readonly times: number }>();

  constructor(options: StaticPodsOptions) {
    this.#options = options;
    const { context, directory } = options;
    if (directory !== undefined) this.#folder = new ManifestFolder(context, directory);
    const failed = (error: unknown): void => context.logger.warn('static pods could not be brought up to date', { error });
    this.#files = new Round(context.clock, () => this.#readFiles(), failed);
    this.#mirrors = new Round(context.clock, () => this.#syncMirrors(), failed);
  }

  /** All that are to run are known: what else is in the runtime is of nobody here. */
  get loaded(): boolean {
    return this.#loaded;
  }

  /** Those that run or end, as the kubelet runs them. */
  list(): Pod[] {
    return Array.from(this.#started.values(), ({ pod }) => pod);
  }

  find(namespace: string, name: string): Pod | undefined {
    return this.#started.get(`${namespace}/${name}`)?.pod;
  }

  async start(): Promise<void> {
    const { context, directory } = this.#options;
    const unwatched = (error: unknown): void => context.logger.warn('the folder of static pods is not watched', { error });
    try {
      if (directory !== undefined) {
        await mkdir(directory, { recursive: true, mode: 0o700 });
        if (this.#stopped) return;
        this.#watcher = watch(directory, { persistent: false }, () => this.#files.restartIn(quietMs));
        this.#watcher.on('error', unwatched);
      }
    } catch (error) {
      unwatched(error);
    }
    await this.#files.run();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#watcher?.close();
    await Promise.all([this.#files.stop(), this.#mirrors.stop()]);
  }

  /** Brings pods to what the files say, and mirrors to what the pods are. Never rejects; tries again by itself. */
  async sync(): Promise<void> {
    await this.#files.run();
    await this.#mirrors.run();
  }

  /** A mirror pod has appeared or changed, or is gone from the API. */
  observe(mirror: Pod, gone: boolean): void {
    const started = this.#started.get(podKey(mirror));
    const isOurs = started?.pod.metadata.uid === mirroredUid(mirror);
    if (started && isOurs) this.#options.mirrored(started.pod.metadata.uid!, gone ? undefined : mirror);
    if (gone || !isOurs || mirror.metadata.deletionTimestamp) void this.#mirrors.run();
  }

  /** Nothing of the pod is left: another may take its name. */
  gone(pod: Pod): void {
    const key = podKey(pod);
    if (this.#started.get(key)?.pod.metadata.uid !== pod.metadata.uid) return;
    this.#started.delete(key);
    if (!this.#stopped) this.#startWanted();
    void this.#mirrors.run();
  }

  async #readFiles(): Promise<void> {
    this.#wanted = (await this.#folder?.read()) ?? new Map();
    if (this.#stopped) return;
    for (const [key, started] of this.#started) {
      if (started.ending || this.#wanted.get(key)?.metadata.uid === started.pod.metadata.uid) continue;
      started.ending = true;
      this.#options.end(started.pod);
    }
    this.#startWanted();
    this.#loaded = true;
    if (this.#folder) this.#files.wakeIn(periodMs);
    void this.#mirrors.run();
  }

  #startWanted(): void {
    for (const [key, pod] of this.#wanted) {
      if (this.#started.has(key)) continue;
      const mirror = this.#mirrorsByKey().get(key);
      const isOurs = mirror && mirroredUid(mirror) === pod.metadata.uid;
      // An earlier kubelet's word of what runs; an end is decided by what the runtime still has.
      const adopted = isOurs && !isPodFinished(mirror) ? { ...pod, status: mirror.status } : pod;
      this.#started.set(key, { pod: adopted, ending: false });
      if (isOurs) this.#options.mirrored(pod.metadata.uid!, mirror);
      this.#options.run(adopted);
    }
  }

  #mirrorsByKey(): Map<string, Pod> {
    const mirrors = new Map<string, Pod>();
    for (const pod of this.#options.apiPods() ?? []) if (mirroredUid(pod) !== undefined) mirrors.set(podKey(pod), pod);
    return mirrors;
  }

  async #syncMirrors(): Promise<void> {
    const { apiPods, node } = this.#options;
    const current = node();
    if (!apiPods() || !current || !this.#loaded) return;
    const mirrors = this.#mirrorsByKey();
    for (const [key, mirror] of mirrors) {
      const started = this.#started.get(key);
      // While a pod ends, its mirror shows it.
      if (started?.ending) continue;
      const isRight = started?.pod.metadata.uid === mirroredUid(mirror) && !mirror.metadata.deletionTimestamp;
      if (!isRight) await this.#delete(mirror);
    }
    for (const [key, { pod, ending }] of this.#started) {
      if (!ending && !mirrors.has(key)) await this.#create(key, mirrorOf(pod, current));
    }
  }

  /** At once: nothing of a mirror runs. Its end comes back as an event, which makes the next one. */
  async #delete({ metadata }: Pod): Promise<void> {
    const { namespace, name = '', uid } = metadata;
    const preconditions = uid === undefined ? {} : { preconditions: { uid } };
    try {
      await this.#options.context.client.resource(Pods, namespace).delete(name, { gracePeriodSeconds: 0, ...preconditions });
    } catch (error) {
      if (!isStatusError(error, 'NotFound', 'Conflict')) throw error;
    }
  }

  /** The pod runs with a mirror or without. */
  async #create(key: string, mirror: Pod): Promise<void> {
    const { client, logger } = this.#options.context;
    try {
      await client.resource(Pods, mirror.metadata.namespace).create(mirror);
      this.#problems.delete(key);
    } catch (error) {
      const text = String(error);
      const known = this.#problems.get(key);
      const times = known?.text === text ? known.times + 1 : 1;
      this.#problems.set(key, { text, times });
      // What exists may be a mirror that the informer has not shown yet. Each problem is told of once.
      if (times === (isStatusError(error, 'AlreadyExists') ? 2 : 1)) {
        logger.warn('a static pod is not shown in the API', { pod: key, error });
      }
    }
  }
}

/** Work that is done once for all that ask for it meanwhile, and again for those that ask while it is under way. */
class Round {
  readonly #clock: Clock;
  readonly #work: () => Promise<void>;
  readonly #failed: (error: unknown) => void;
  #timer: { readonly dueMs: number; readonly handle: Disposable } | undefined;
  #running: Promise<void> | undefined;
  #again = false;
  #stopped = false;

  constructor(clock: Clock, work: () => Promise<void>, failed: (error: unknown) => void) {
    this.#clock = clock;
    this.#work = work;
    this.#failed = failed;
  }

  run(): Promise<void> {
    this.#again = true;
    this.#running ??= this.#loop().finally(() => {
      this.#running = undefined;
      if (this.#again && !this.#stopped) void this.run();
    });
    return this.#running;
  }

  /** The sooner of this and what was asked before. */
  wakeIn(delayMs: number): void {
    const dueMs = this.#clock.now() + delayMs;
    if (!this.#timer || this.#timer.dueMs > dueMs) this.restartIn(delayMs);
  }

  /** This much after the last that asked. */
  restartIn(delayMs: number): void {
    if (this.#stopped) return;
    void this.#timer?.handle.dispose();
    const handle = this.#clock.setTimer(delayMs, () => {
      this.#timer = undefined;
      void this.run();
    });
    this.#timer = { dueMs: this.#clock.now() + delayMs, handle };
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    void this.#timer?.handle.dispose();
    await this.#running;
  }

  async #loop(): Promise<void> {
    while (this.#again && !this.#stopped) {
      this.#again = false;
      try {
        await this.#work();
      } catch (error) {
        this.#failed(error);
        this.wakeIn(periodMs);
      }
    }
  }
}
