import { CodedError } from '../../base/errors.js';
import { deferred } from '../../base/deferred.js';
import type { ResourceReference } from '../../api/resource-reference.js';
import { SharedInformer } from '../../client/informer.js';
import { notFound } from '../../machinery/status-error.js';
import type { KubeletContext } from '../kubelet-context.js';

interface Watched {
  readonly informer: SharedInformer<unknown>;
  readonly pods: Set<string>;
}

/**
 * The config maps and secrets that this node's pods refer to: each is watched by itself, as the node authorizer allows, for as long
 * as a pod needs it. Source: pkg/kubelet/util/manager (watch based).
 */
export class ReferencedObjects {
  readonly #context: KubeletContext;
  readonly #watched = new Map<string, Watched>();
  readonly #byPod = new Map<string, Set<string>>();
  /** A pod's object appeared, changed or went. */
  readonly #changed: (podUid: string) => void;

  constructor(context: KubeletContext, changed: (podUid: string) => void) {
    this.#context = context;
    this.#changed = changed;
  }

  /** Watches an object for a pod from now on. */
  register<T>(podUid: string, resource: ResourceReference<T>, namespace: string, name: string): void {
    const key = keyOf(resource, namespace, name);
    const watched = this.#watch(key, resource, namespace, name);
    watched.pods.add(podUid);
    let keys = this.#byPod.get(podUid);
    if (!keys) this.#byPod.set(podUid, (keys = new Set()));
    keys.add(key);
  }

  /** The object as it is now. Rejects NotFound. */
  async get<T>(resource: ResourceReference<T>, namespace: string, name: string): Promise<T> {
    const watched = this.#watched.get(keyOf(resource, namespace, name));
    if (!watched) return this.#context.client.resource(resource, namespace).get(name);
    if (!watched.informer.synced) await this.#firstState(watched.informer, resource.kind);
    const object = watched.informer.get(namespace, name) as T | undefined;
    if (object === undefined) throw notFound({ group: resource.group, resource: resource.resource, name });
    return object;
  }

  unregister(podUid: string): void {
    for (const key of this.#byPod.get(podUid) ?? []) {
      const watched = this.#watched.get(key);
      watched?.pods.delete(podUid);
      if (watched?.pods.size !== 0) continue;
      this.#watched.delete(key);
      void watched.informer.stop();
    }
    this.#byPod.delete(podUid);
  }

  async stop(): Promise<void> {
    const informers = Array.from(this.#watched.values(), ({ informer }) => informer);
    this.#watched.clear();
    this.#byPod.clear();
    await Promise.all(informers.map(informer => informer.stop()));
  }

  /** Waits for the first list, which takes a while only when the API does not answer or does not allow it (yet). */
  async #firstState(informer: SharedInformer<unknown>, kind: string): Promise<void> {
    const timeout = deferred<never>();
    const timer = this.#context.clock.setTimer(waitMs, () => {
      const message = `failed to sync ${kind.toLowerCase()} cache: timed out waiting for the condition`;
      timeout.reject(new CodedError('REFERENCE_TIMEOUT', message));
    });
    try {
      await Promise.race([informer.whenSynced(), timeout.promise]);
    } finally {
      void timer.dispose();
    }
  }

  #watch<T>(key: string, resource: ResourceReference<T>, namespace: string, name: string): Watched {
    const known = this.#watched.get(key);
    if (known) return known;
    const { client, clock, logger } = this.#context;
    const informer = new SharedInformer<unknown>({
      client,
      clock,
      logger,
      resource,
      namespace,
      fieldSelector: `metadata.name=${name}`,
    });
    const watched: Watched = { informer, pods: new Set() };
    const tell = (): void => {
      for (const uid of [...watched.pods]) this.#changed(uid);
    };
    informer.addHandler({ added: tell, updated: tell, deleted: tell });
    this.#watched.set(key, watched);
    informer.start();
    return watched;
  }
}

const waitMs = 10_000;

function keyOf(resource: ResourceReference<unknown>, namespace: string, name: string): string {
  return `${resource.resource}/${namespace}/${name}`;
}
