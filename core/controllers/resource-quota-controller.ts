import type { Disposable } from '../base/disposable.js';
import type { DeviceFacts } from '../api/device-quota.js';
import { noDeviceFacts } from '../api/device-quota.js';
import { DeviceClasses, Pods, ResourceClaims, ResourceQuotas } from '../api/generated/resources.js';
import type { DeviceClass, Pod, ResourceQuota, ResourceQuotaStatus, Service } from '../api/generated/types.js';
import { isPodFinished } from '../api/pods.js';
import {
  isResourceClaim,
  liesInScopes,
  podUsage,
  quotaScopes,
  quotaUsage,
  toResourceList,
  trackedNames,
} from '../api/quota-usage.js';
import type { ResourceQuantities } from '../api/pod-resources.js';
import type { ResourceReference } from '../api/resource-reference.js';
import { keyOf, splitObjectKey } from '../client/entries.js';
import type { Informer } from '../client/informer-types.js';
import type { ObjectEntry } from '../contracts/api-transport.js';
import { jsonEqual, produce } from '../machinery/object.js';
import type { KubeObject } from '../machinery/object.js';
import { Quantity } from '../machinery/quantity.js';
import type { ControllerContext, ControllerDescriptor } from './controller.js';
import { Reconciler } from './reconciler.js';
import { silentGroups } from './silent-groups.js';

const fullResyncMs = 300_000;
const discoveryMs = 30_000;
const discoveryKey = 'discovery';
const resyncKey = 'resync';
const quotaKey = (key: string): string => `quota:${key}`;
const ignored = new Set(['/bindings', '/componentstatuses', '/events', 'events.k8s.io/events']);

interface Monitor {
  readonly reference: ResourceReference<KubeObject>;
  readonly informer: Informer<KubeObject>;
  readonly registration: Disposable;
}

/** Counts what the objects of a namespace use of its quotas. Source: pkg/controller/resourcequota. */
class ResourceQuotaController extends Reconciler {
  readonly #quotas: Informer<ResourceQuota>;
  readonly #classes: Informer<DeviceClass>;
  #changes: Disposable | undefined;
  readonly #monitors = new Map<string, Monitor>();

  constructor(context: ControllerContext) {
    super(context, { name: 'resourcequota-controller' });
    this.#quotas = context.informers.informer(ResourceQuotas);
    this.#classes = context.informers.informer(DeviceClasses);
  }

  protected override register(): void {
    this.watch(this.#quotas, {
      added: entry => this.queue.add(quotaKey(keyOf(entry))),
      updated: (previous, entry) => {
        if (!jsonEqual(previous.object.spec, entry.object.spec)) this.queue.add(quotaKey(keyOf(entry)));
      },
    });
    // Classes say which names of a quota their devices are charged under.
    const classChanged = (): void => this.#enqueueAll(ResourceClaims);
    this.watch(this.#classes, { added: classChanged, updated: classChanged, deleted: classChanged });
    this.queue.add(discoveryKey);
    this.#changes = this.context.environment.catalogue.onChange?.(() => this.queue.add(discoveryKey));
    this.queue.addAfter(resyncKey, fullResyncMs);
  }

  override async stop(): Promise<void> {
    await this.#changes?.dispose();
    for (const { registration } of this.#monitors.values()) await registration.dispose();
    this.#monitors.clear();
    await super.stop();
  }

  protected override async sync(key: string): Promise<void> {
    if (key === discoveryKey) {
      this.#syncMonitors();
      this.queue.addAfter(discoveryKey, discoveryMs);
    } else if (key === resyncKey) {
      for (const quota of this.#quotas.entries()) this.queue.add(quotaKey(keyOf(quota)));
      this.queue.addAfter(resyncKey, fullResyncMs);
    } else await this.#syncQuota(key);
  }

  /** Watches what can be counted. Everything else than pods, Services and claims is counted only when it comes and goes. */
  #syncMonitors(): void {
    const wanted = new Map<string, ResourceReference<KubeObject>>();
    const served = new Set<string>();
    for (const { reference, verbs } of this.context.environment.catalogue.resources()) {
      const key = `${reference.group}/${reference.resource}`;
      served.add(`${key}/${reference.version}`);
      if (!reference.namespaced || ignored.has(key) || wanted.has(key)) continue;
      if (['create', 'list', 'watch', 'delete'].every(verb => verbs.includes(verb))) {
        wanted.set(key, reference as ResourceReference<KubeObject>);
      }
    }
    const silent = silentGroups(this.context.environment.catalogue);
    for (const [key, { registration, reference }] of this.#monitors) {
      if (silent.has(reference.group)) continue;
      // A version that is served no more tells of nothing, though the next one has the same objects.
      if (wanted.has(key) && served.has(`${key}/${reference.version}`)) continue;
      void registration.dispose();
      this.#monitors.delete(key);
      this.context.informers.release(reference);
    }
    for (const [key, reference] of wanted) if (!this.#monitors.has(key)) this.#monitors.set(key, this.#monitor(reference));
  }

  #monitor(reference: ResourceReference<KubeObject>): Monitor {
    const informer = this.context.informers.informer(reference);
    const touched = (entry: ObjectEntry<KubeObject>): void => this.#enqueue(reference, entry.namespace);
    const registration = informer.addHandler({
      // Admission charges what is created; only what nobody charged is missing.
      added: entry => {
        if (informer.synced) touched(entry);
      },
      updated: (previous, entry) => {
        if (usageMayChange(reference, previous, entry)) touched(entry);
      },
      deleted: touched,
    });
    void informer.whenSynced(this.signal).then(
      () => this.#enqueueAll(reference),
      () => undefined,
    );
    return { reference, informer, registration };
  }

  #enqueue(reference: ResourceReference, namespace: string): void {
    for (const quota of this.#quotas.entries(namespace)) {
      const names = Object.keys(quota.object.spec?.hard ?? {});
      if (trackedNames(reference, names, this.#facts(reference)).length > 0) this.queue.add(quotaKey(keyOf(quota)));
    }
  }

  #enqueueAll(reference: ResourceReference): void {
    for (const { namespace } of this.#quotas.entries()) this.#enqueue(reference, namespace);
  }

  async #syncQuota(key: string): Promise<void> {
    const { namespace, name } = splitObjectKey(key.slice(key.indexOf(':') + 1));
    const quota = this.#quotas.get(namespace, name);
    if (!quota) return;
    const hard = quota.spec?.hard ?? {};
    const counted = this.#count(quota, Object.keys(hard));
    // What cannot be counted at the moment keeps its last count.
    const used: Record<string, string> = {};
    for (const resource of Object.keys(hard)) {
      const amount = counted[resource] ?? quota.status?.used?.[resource];
      if (amount !== undefined) used[resource] = amount;
    }
    const status: ResourceQuotaStatus = { hard, used };
    if (sameAmounts(quota.status?.hard, hard) && sameAmounts(quota.status?.used, used)) return;
    await this.context.client.resource(ResourceQuotas, namespace).updateStatus(
      name,
      produce(quota, draft => void (draft.status = status)),
    );
  }

  /** Looked up for claims of devices only. */
  #facts(reference: ResourceReference): DeviceFacts {
    if (!isResourceClaim(reference)) return noDeviceFacts;
    const { informers, clock } = this.context;
    return {
      classes: this.#classes.list(),
      pod: (namespace, name) => informers.informer(Pods).get(namespace, name),
      claimsIn: namespace => informers.informer(ResourceClaims).list(namespace),
      podUsage: pod => podUsage(pod, clock.now()),
    };
  }

  #count(quota: ResourceQuota, names: readonly string[]): Record<string, string> {
    const { namespace } = quota.metadata;
    const scopes = quotaScopes(quota);
    const nowMs = this.context.clock.now();
    const totals: ResourceQuantities = new Map();
    for (const { reference, informer } of this.#monitors.values()) {
      const facts = this.#facts(reference);
      const tracked = trackedNames(reference, names, facts);
      if (tracked.length === 0 || !informer.synced) continue;
      for (const resource of tracked) if (!totals.has(resource)) totals.set(resource, Quantity.zero);
      for (const { object } of informer.entries(namespace)) {
        if (!liesInScopes(reference, scopes, object)) continue;
        for (const [resource, amount] of quotaUsage(reference, object, nowMs, facts)) {
          const total = totals.get(resource);
          if (total && tracked.includes(resource)) totals.set(resource, total.isZero ? amount : total.add(amount));
        }
      }
    }
    return toResourceList(totals);
  }
}

function usageMayChange(reference: ResourceReference, previous: ObjectEntry<KubeObject>, next: ObjectEntry<KubeObject>): boolean {
  if (reference.group !== '') return false;
  switch (reference.resource) {
    case 'pods': {
      const [before, after] = [previous.object as unknown as Pod, next.object as unknown as Pod];
      const ended = isPodFinished(before) !== isPodFinished(after);
      return ended || !jsonEqual(before.spec, after.spec) || !jsonEqual(before.status?.resources, after.status?.resources);
    }
    case 'services':
      return !jsonEqual((previous.object as unknown as Service).spec, (next.object as unknown as Service).spec);
    case 'persistentvolumeclaims':
      return !jsonEqual(previous.object, next.object);
    default:
      return false;
  }
}

function sameAmounts(a: Readonly<Record<string, string>> | undefined, b: Readonly<Record<string, string>>): boolean {
  if (!a || Object.keys(a).length !== Object.keys(b).length) return false;
  return Object.entries(b).every(([name, amount]) => {
    const other = a[name];
    return other !== undefined && Quantity.parse(other).equals(Quantity.parse(amount));
  });
}

export const resourceQuotaController: ControllerDescriptor = {
  name: 'resourcequota-controller',
  create: context => new ResourceQuotaController(context),
};
