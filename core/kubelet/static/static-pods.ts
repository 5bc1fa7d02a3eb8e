import { watch } from 'node:fs';
import type { FSWatcher } from 'node:fs';
import { mkdir, readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Disposable } from '../../base/disposable.js';
import { Pods } from '../../api/generated/resources.js';
import type { Node, Pod } from '../../api/generated/types.js';
import { isStatusError } from '../../machinery/status-error.js';
import type { KubeletContext } from '../kubelet-context.js';
import { mirrorHash, staticPod } from './static-pod.js';

export interface StaticPodsOptions {
  readonly context: Pick<KubeletContext, 'client' | 'clock' | 'logger'>;
  readonly directory: string;
  readonly node: () => Node | undefined;
  /** The pods of this node as the API has them. */
  readonly pods: () => Iterable<Pod>;
}

const periodMs = 20_000;
/** Editors write a file in several steps. */
const quietMs = 200;

/**
 * Pods that the node has from files. Each is put into the API as a mirror pod and runs from there: the API server gives it its
 * defaults and its uid. One that is deleted in the API comes back; one whose file is gone or has changed ends.
 */
export class StaticPods {
  readonly #options: StaticPodsOptions;
  #watcher: FSWatcher | undefined;
  #timer: Disposable | undefined;
  #running: Promise<void> | undefined;
  #again = false;
  #stopped = false;
  /** Of files that cannot be used, so that each is told of once. */
  readonly #problems = new Map<string, string>();

  constructor(options: StaticPodsOptions) {
    this.#options = options;
  }

  /** After the pods of the node were listed. */
  async start(): Promise<void> {
    const { context, directory } = this.#options;
    this.#stopped = false;
    await mkdir(directory, { recursive: true, mode: 0o700 });
    this.#watcher = watch(directory, { persistent: false }, () => this.#wakeIn(quietMs));
    this.#watcher.on('error', error => context.logger.warn('the folder of static pods is no longer watched', { error }));
    await this.sync();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#watcher?.close();
    void this.#timer?.dispose();
    await this.#running;
  }

  /** A mirror pod has changed or is gone. */
  observe(pod: Pod): void {
    if (mirrorHash(pod) !== undefined) this.#wakeIn(0);
  }

  /** Brings the mirror pods to what the files say. Never rejects; tries again by itself. */
  sync(): Promise<void> {
    this.#again = true;
    this.#running ??= this.#loop().finally(() => {
      this.#running = undefined;
      this.#wakeIn(periodMs);
    });
    return this.#running;
  }

  async #loop(): Promise<void> {
    while (this.#again && !this.#stopped) {
      this.#again = false;
      try {
        await this.#sync();
      } catch (error) {
        this.#options.context.logger.warn('static pods could not be brought up to date', { error });
      }
    }
  }

  async #sync(): Promise<void> {
    const { context, pods } = this.#options;
    const { wanted, unreadable } = await this.#read();
    const known = new Map<string, Pod>();
    for (const pod of pods()) if (mirrorHash(pod) !== undefined) known.set(key(pod), pod);
    for (const [name, pod] of known) {
      if (pod.metadata.deletionTimestamp) continue;
      const same = mirrorHash(pod) === mirrorHash(wanted.get(name) ?? pod);
      // A file that cannot be read now may be the one of a pod that runs: nothing ends for that.
      if (same && (wanted.has(name) || unreadable)) continue;
      const { namespace = '', uid = '' } = pod.metadata;
      const preconditions = { uid };
      await context.client
        .resource(Pods, namespace)
        .delete(pod.metadata.name!, { preconditions })
        .catch(ignore('NotFound', 'Conflict'));
    }
    for (const [name, pod] of wanted) {
      if (known.has(name)) continue;
      await context.client.resource(Pods, pod.metadata.namespace).create(pod).catch(ignore('AlreadyExists'));
    }
  }

  async #read(): Promise<{ wanted: Map<string, Pod>; unreadable: boolean }> {
    const { context, directory, node } = this.#options;
    const wanted = new Map<string, Pod>();
    const current = node();
    if (!current) return { wanted, unreadable: true };
    let unreadable = false;
    const files = (await readdir(directory, { withFileTypes: true })).filter(
      entry => !entry.isDirectory() && !entry.name.startsWith('.'),
    );
    for (const { name } of files.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      try {
        const pod = await staticPod(await readFile(join(directory, name), 'utf8'), current);
        wanted.set(key(pod), pod);
        this.#problems.delete(name);
      } catch (error) {
        unreadable = true;
        const text = String(error);
        if (this.#problems.get(name) !== text)
          context.logger.warn('a manifest of a static pod cannot be used', { file: name, error });
        this.#problems.set(name, text);
      }
    }
    return { wanted, unreadable };
  }

  #wakeIn(delayMs: number): void {
    if (this.#stopped) return;
    void this.#timer?.dispose();
    this.#timer = this.#options.context.clock.setTimer(delayMs, () => void this.sync());
  }
}

function key({ metadata }: Pod): string {
  return `${metadata.namespace}/${metadata.name}`;
}

function ignore(...reasons: readonly string[]): (error: unknown) => void {
  return error => {
    if (!reasons.some(reason => isStatusError(error, reason))) throw error;
  };
}
