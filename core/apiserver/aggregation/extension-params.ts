import type { ResourceReference } from '../../api/resource-reference.js';
import type { Clock } from '../../base/clock.js';
import type { Disposable } from '../../base/disposable.js';
import { CodedError } from '../../base/errors.js';
import type { CataloguedResource } from '../../contracts/resource-catalogue.js';
import type { KubeObject } from '../../machinery/object.js';
import { formatApiVersion } from '../../machinery/object.js';
import type { ParamResource, ParamResources } from '../admission/policies/policy-params.js';
import type { FollowedObjects } from './extension-objects.js';

export interface ExtensionParamsOptions {
  readonly clock: Clock;
  /** What extension servers serve. */
  readonly catalogue: () => readonly CataloguedResource[];
  readonly follow: (resource: ResourceReference<KubeObject>) => FollowedObjects;
}

interface Followed {
  readonly objects: FollowedObjects;
  readonly idle: Disposable;
  lastUsedMs: number;
}

/** A request waits no longer for the first list. */
const syncTimeoutMs = 1000;
/** Followed on for so long after the last request that asked. */
const idleMs = 10 * 60_000;

/**
 * Parameters of policies that extension servers serve, followed from the first request on that a policy needs them for. Of a server
 * that has gone away, what it showed last goes on to be used. Source: ensureParamsForPolicyLocked and CollectParams of apiserver
 * pkg/admission/plugin/policy/generic.
 */
export class ExtensionParams implements ParamResources {
  readonly #options: ExtensionParamsOptions;
  readonly #followed = new Map<string, Followed>();
  readonly #stopping = new Set<Promise<void>>();
  #disposed = false;

  constructor(options: ExtensionParamsOptions) {
    this.#options = options;
  }

  find(group: string, version: string, kind: string): ParamResource | undefined {
    const resource = this.#listed(
      reference => reference.kind === kind && reference.group === group && reference.version === version,
    );
    if (!resource) return undefined;
    const synced = async (): Promise<FollowedObjects> => {
      const objects = this.#follow(resource);
      await this.#whenSynced(objects, resource);
      return objects;
    };
    return {
      namespaced: resource.namespaced,
      get: async (namespace, name) => (await synced()).get(namespace, name),
      async list(namespace, selector) {
        const all = [...(await synced()).entries(namespace || undefined)];
        return all.filter(({ labels }) => selector.matches(labels)).map(({ object }) => object);
      },
    };
  }

  /** Other things are served: what is not any more is not followed any longer. */
  refresh(): void {
    for (const key of this.#followed.keys()) if (!this.#listed(reference => keyOf(reference) === key)) this.#stop(key);
  }

  async dispose(): Promise<void> {
    this.#disposed = true;
    for (const key of this.#followed.keys()) this.#stop(key);
    await Promise.all(this.#stopping);
  }

  #listed(fits: (reference: ResourceReference) => boolean): ResourceReference<KubeObject> | undefined {
    return this.#options
      .catalogue()
      .find(({ reference, verbs }) => fits(reference) && verbs.includes('list') && verbs.includes('watch'))?.reference as
      | ResourceReference<KubeObject>
      | undefined;
  }

  #follow(resource: ResourceReference<KubeObject>): FollowedObjects {
    if (this.#disposed) throw new CodedError('PARAMS_STOPPED', 'the server is stopping');
    const { clock, follow } = this.#options;
    const key = keyOf(resource);
    let followed = this.#followed.get(key);
    if (!followed) {
      followed = { objects: follow(resource), idle: this.#whenIdle(key, idleMs), lastUsedMs: 0 };
      this.#followed.set(key, followed);
    }
    followed.lastUsedMs = clock.monotonicMs();
    return followed.objects;
  }

  #whenIdle(key: string, waitMs: number): Disposable {
    const { clock } = this.#options;
    let timer = clock.setTimer(waitMs, () => {
      const followed = this.#followed.get(key);
      const leftMs = followed ? followed.lastUsedMs + idleMs - clock.monotonicMs() : 0;
      if (leftMs <= 0) this.#stop(key);
      else timer = this.#whenIdle(key, leftMs);
    });
    return { dispose: () => timer.dispose() };
  }

  #stop(key: string): void {
    const followed = this.#followed.get(key);
    if (!followed) return;
    this.#followed.delete(key);
    const stopping = Promise.all([followed.objects.stop(), followed.idle.dispose()]).then(() => {
      this.#stopping.delete(stopping);
    });
    this.#stopping.add(stopping);
  }

  async #whenSynced(objects: FollowedObjects, { kind, ...reference }: ResourceReference): Promise<void> {
    const late = new AbortController();
    const timer = this.#options.clock.setTimer(syncTimeoutMs, () => late.abort());
    try {
      await objects.whenSynced(late.signal);
    } catch (error) {
      const text = `&ParamKind{APIVersion:${formatApiVersion(reference)},Kind:${kind},}`;
      throw new Error(`paramKind kind \`${text}\` not yet synced to use for admission`, { cause: error });
    } finally {
      await timer.dispose();
    }
  }
}

function keyOf({ group, version, resource }: ResourceReference): string {
  return `${group}/${version}/${resource}`;
}
