import type { CustomResourceDefinition } from '../../api/generated/types.js';
import { CustomResourceDefinitions } from '../../api/generated/resources.js';
import type { Clock } from '../../base/clock.js';
import type { Disposable } from '../../base/disposable.js';
import { errorText } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import type { CallerIdentity } from '../../contracts/api-transport.js';
import { cloneJson, semanticEqual } from '../../machinery/object.js';
import { isStatusError } from '../../machinery/status-error.js';
import type { TypeSet } from '../../machinery/schema.js';
import type { RuleEngine } from '../../machinery/structural/rule-engine.js';
import { formatTime } from '../../machinery/time.js';
import type { ResourceStore, WriteCall } from '../registry/resource-store.js';
import type { Condition } from '../resources/apiextensions/definition-status.js';
import { cleanupFinalizer, hasCleanup, isConditionTrue, setCondition } from '../resources/apiextensions/definition-status.js';
import type { ServedResources } from '../served-resources.js';
import type { ResourceCache } from '../storage/resource-cache.js';
import type { StorageHub } from '../storage/storage-hub.js';
import type { WebhookCaller } from './conversion-webhook.js';
import { CustomVersions } from './custom-versions.js';
import { isServed, settledStatus } from './definition-conditions.js';

const identity: CallerIdentity = { name: 'system:apiserver', groups: ['system:masters'] };
const firstRetryMs = 100;
const longestRetryMs = 30_000;

export interface CustomResourcesOptions {
  readonly hub: StorageHub;
  readonly clock: Clock;
  readonly types: TypeSet;
  readonly served: ServedResources;
  readonly logger: Logger;
  readonly webhooks?: WebhookCaller | undefined;
  readonly ruleEngine: RuleEngine;
}

/** A definition as it was mounted: once the store has it, read from its bytes, since schemas are large and most kinds idle. */
interface DefinitionSource {
  read: () => Readonly<CustomResourceDefinition>;
}

/** A definition whose objects are served. */
interface Mounted {
  readonly uid: string;
  readonly source: DefinitionSource;
  readonly cache: ResourceCache;
  readonly prefix: string;
  readonly listening: Disposable;
  versions: CustomVersions;
  unmount: () => void;
  closedToNew: boolean;
}

/**
 * Serves what CustomResourceDefinitions define: follows them, accepts their names, mounts their versions and, when one is deleted,
 * removes its objects first. Every server on a datastore does this for itself; who writes a status first is the same to all.
 */
export class CustomResources {
  readonly #options: CustomResourcesOptions;
  readonly #mounted = new Map<string, Mounted>();
  readonly #pending = new Set<string>();
  /** Told of, once each. */
  readonly #overlapping = new Set<string>();
  readonly #failures = new Map<string, number>();
  readonly #timers = new Map<string, Disposable>();
  #listening: Disposable | undefined;
  #working: Promise<void> | undefined;
  #stopped = false;

  constructor(options: CustomResourcesOptions) {
    this.#options = options;
  }

  /** After the hub has loaded. Resolves when everything that is established is served. */
  async start(): Promise<void> {
    const store = this.#store;
    if (!store) return;
    for (const { name, exact } of [...store.cache.entries()]) {
      if (!isServed(exact)) continue;
      try {
        await this.#mount(exact);
      } catch (error) {
        // Whatever an older version or a restored backup holds, the others are served, and this one can be mended.
        this.#failed(name, error);
      }
    }
    const all = (): void => {
      for (const name of new Set([...this.#mounted.keys(), ...Array.from(store.cache.entries(), entry => entry.name)]))
        this.#add(name);
    };
    this.#listening = store.cache.listen(event => event && this.#changed(event.entry.exact as CustomResourceDefinition), {
      onLoaded: all,
    });
    all();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#listening?.dispose();
    for (const timer of this.#timers.values()) await timer.dispose();
    await this.#working;
    for (const { listening } of this.#mounted.values()) await listening.dispose();
  }

  get #store(): ResourceStore<CustomResourceDefinition> | undefined {
    return this.#options.served.stores.get<CustomResourceDefinition>(CustomResourceDefinitions);
  }

  #current(name: string): Readonly<CustomResourceDefinition> | undefined {
    return this.#store?.cache.get('', name)?.exact;
  }

  #changed({ metadata, spec }: Readonly<CustomResourceDefinition>): void {
    this.#add(metadata.name!);
    // A name that one gives up another may be waiting for.
    for (const other of this.#group(spec.group)) {
      if (!semanticEqual(other.spec.names, other.status.acceptedNames)) this.#add(other.metadata.name!);
    }
  }

  #group(group: string): Readonly<CustomResourceDefinition>[] {
    return Array.from(this.#store!.cache.entries(), entry => entry.exact).filter(({ spec }) => spec.group === group);
  }

  #add(name: string): void {
    if (this.#stopped) return;
    this.#pending.add(name);
    this.#begin();
  }

  #begin(): void {
    this.#working ??= this.#work().finally(() => {
      this.#working = undefined;
      // What came when the last was just done.
      if (this.#pending.size > 0 && !this.#stopped) this.#begin();
    });
  }

  async #work(): Promise<void> {
    // What called this may be in the middle of an event.
    await Promise.resolve();
    for (const name of this.#pending) {
      if (this.#stopped) return;
      this.#pending.delete(name);
      try {
        await this.#sync(name);
        this.#failures.delete(name);
      } catch (error) {
        this.#failed(name, error);
      }
    }
  }

  #failed(name: string, error: unknown): void {
    if (!isStatusError(error, 'Conflict', 'NotFound')) {
      this.#options.logger.warn('a custom resource definition is tried again', { name, error: errorText(error) });
    }
    this.#retry(name);
  }

  #retry(name: string): void {
    if (this.#stopped) return;
    const failures = this.#failures.get(name) ?? 0;
    this.#failures.set(name, failures + 1);
    const delayMs = Math.min(longestRetryMs, firstRetryMs * 2 ** Math.min(failures, 16));
    void this.#timers.get(name)?.dispose();
    this.#timers.set(
      name,
      this.#options.clock.setTimer(delayMs, () => {
        this.#timers.delete(name);
        this.#add(name);
      }),
    );
  }

  async #sync(name: string): Promise<void> {
    const current = this.#current(name);
    const mounted = this.#mounted.get(name);
    if (mounted && mounted.uid !== current?.metadata.uid) await this.#unmount(name, mounted);
    if (!current) {
      this.#overlapping.delete(name);
      return;
    }
    const others = this.#group(current.spec.group).filter(other => other !== current);
    const settled = settledStatus(current, others, this.#now());
    const wanted = settled ?? current;
    // Whoever reads that it is established finds it served.
    if (isServed(wanted)) await this.#mount(wanted);
    if (settled) await this.#writeStatus(settled);
    else if (current.metadata.deletionTimestamp !== undefined && hasCleanup(current)) await this.#finalize(current);
  }

  #now(): string {
    return formatTime(this.#options.clock.now());
  }

  async #mount(definition: Readonly<CustomResourceDefinition>): Promise<void> {
    const { served, hub, types, logger, webhooks, ruleEngine } = this.#options;
    const name = definition.metadata.name!;
    const { group, scope } = definition.spec;
    const { plural } = definition.status.acceptedNames;
    const mounted = this.#mounted.get(name);
    const terminating = isConditionTrue(definition, 'Terminating');
    if (mounted && isSame(mounted.source.read(), definition)) {
      this.#letGo(name, mounted.source);
      if (terminating && !mounted.closedToNew) served.closeToNew(mounted.versions.resources);
      mounted.closedToNew ||= terminating;
      return;
    }
    const prefix = `${group}/${plural}`;
    if (!mounted && this.#overlaps(definition)) {
      if (!this.#overlapping.has(name)) {
        logger.warn('a custom resource definition is of a resource that this server has of its own, which stays', { name });
      }
      this.#overlapping.add(name);
      return;
    }
    const cache = mounted?.cache ?? (await hub.open(prefix, { namespaced: scope === 'Namespaced' }));
    const source: DefinitionSource = { read: () => definition };
    let versions: CustomVersions;
    try {
      versions = new CustomVersions({
        definition: () => source.read(),
        cache,
        hub,
        types,
        webhooks,
        ruleEngine,
        isTerminating: () => {
          const live = this.#current(name);
          return live !== undefined && isConditionTrue(live, 'Terminating');
        },
      });
    } catch (error) {
      // The next try opens its own.
      if (!mounted) hub.close(prefix);
      throw error;
    }
    // Clients list and watch again, and see their objects as the new definition shows them.
    mounted?.unmount();
    const unmount = served.mount(versions.resources);
    mounted?.versions.close();
    const listening =
      mounted?.listening ??
      cache.listen(event => {
        if (event?.type === 'delete' && this.#current(name)?.metadata.deletionTimestamp !== undefined) this.#add(name);
      }, {});
    this.#mounted.set(name, {
      uid: definition.metadata.uid!,
      source,
      cache,
      prefix,
      listening,
      versions,
      unmount,
      closedToNew: false,
    });
    this.#letGo(name, source);
    if (terminating) served.closeToNew(versions.resources);
  }

  #letGo(name: string, source: DefinitionSource): void {
    const entry = this.#store?.cache.get('', name);
    if (entry && isSame(entry.exact, source.read())) source.read = () => entry.exact;
  }

  /** What the server has of its own is neither replaced nor emptied. */
  #overlaps({ spec, status }: Readonly<CustomResourceDefinition>): boolean {
    const { served } = this.#options;
    const { plural } = status.acceptedNames;
    return spec.versions.some(
      ({ name }) =>
        served.endpoint(spec.group, name, plural) !== undefined || served.virtual(spec.group, name, plural) !== undefined,
    );
  }

  async #unmount(name: string, mounted: Mounted): Promise<void> {
    this.#mounted.delete(name);
    await mounted.listening.dispose();
    mounted.unmount();
    mounted.versions.close();
    this.#options.hub.close(mounted.prefix);
  }

  async #writeStatus(definition: CustomResourceDefinition): Promise<void> {
    const name = definition.metadata.name!;
    await this.#store!.update(this.#call(name), () => cloneJson(definition), { subresource: 'status', createIfMissing: false });
  }

  /** Removes all objects, then what keeps the definition. Called again with every object that goes. */
  async #finalize(current: Readonly<CustomResourceDefinition>): Promise<void> {
    const mounted = this.#mounted.get(current.metadata.name!);
    if (!mounted) {
      const isEstablished = isConditionTrue(current, 'Established');
      return this.#release(current, {
        type: 'Terminating',
        status: 'False',
        reason: isEstablished ? 'OverlappingBuiltInResource' : 'NeverEstablished',
        message: isEstablished ? 'instances overlap with built-in resources in storage' : 'resource was never established',
      });
    }
    const progress: Condition = {
      type: 'Terminating',
      status: 'True',
      reason: 'InstanceDeletionInProgress',
      message: 'CustomResource deletion is in progress',
    };
    if (current.status.conditions?.find(({ type }) => type === 'Terminating')?.reason !== progress.reason) {
      const draft = cloneJson(current) as CustomResourceDefinition;
      setCondition(draft, progress, this.#now());
      await this.#writeStatus(draft);
      return;
    }
    await this.#options.hub.fresh();
    const { group } = current.spec;
    const store = this.#options.served.stores.get({ group, resource: current.status.acceptedNames.plural });
    const left = Array.from(mounted.cache.entries()).filter(({ object }) => object.metadata.deletionTimestamp === undefined);
    // One whose deletion was begun waits for whoever has a finalizer on it.
    if (store && left.length > 0)
      await store.deleteCollection({ namespace: '', name: undefined, labels: undefined, fields: undefined }, this.#call(''));
    await this.#options.hub.fresh();
    if (mounted.cache.count > 0) return;
    await this.#release(current, {
      type: 'Terminating',
      status: 'False',
      reason: 'InstanceDeletionCompleted',
      message: 'removed all instances',
    });
  }

  async #release(current: Readonly<CustomResourceDefinition>, condition: Condition): Promise<void> {
    const draft = cloneJson(current) as CustomResourceDefinition;
    setCondition(draft, condition, this.#now());
    draft.metadata.finalizers = draft.metadata.finalizers!.filter(finalizer => finalizer !== cleanupFinalizer);
    await this.#writeStatus(draft);
  }

  #call(name: string): WriteCall {
    return { caller: identity, namespace: '', name, dryRun: false, fieldManager: 'kube-apiserver', warn: () => undefined };
  }
}

function isSame(a: Readonly<CustomResourceDefinition>, b: Readonly<CustomResourceDefinition>): boolean {
  return semanticEqual(a.spec, b.spec) && semanticEqual(a.status.acceptedNames, b.status.acceptedNames);
}
