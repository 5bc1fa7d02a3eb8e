import type { PersistentVolumeClaim, Pod, ResourceQuota } from '../../api/generated/types.js';
import { DeviceClasses, Pods, ResourceClaims, ResourceQuotas } from '../../api/generated/resources.js';
import type { DeviceFacts } from '../../api/device-quota.js';
import { noDeviceFacts } from '../../api/device-quota.js';
import type { ResourceQuantities } from '../../api/pod-resources.js';
import { parseResourceList } from '../../api/pod-resources.js';
import {
  attributesClassNames,
  hasDeadline,
  isResourceClaim,
  liesInScopes,
  missingDemands,
  podUsage,
  quotaScopes,
  quotaUsage,
  toResourceList,
  trackedNames,
} from '../../api/quota-usage.js';
import type { Clock } from '../../base/clock.js';
import type { Deferred } from '../../base/deferred.js';
import { deferred } from '../../base/deferred.js';
import type { AdmissionAttributes, AdmissionPlugin } from '../../contracts/admission.js';
import type { CallerIdentity } from '../../contracts/api-transport.js';
import type { Quantity } from '../../machinery/quantity.js';
import { parseQuantity } from '../../machinery/quantity.js';
import { cloneJson, semanticEqual } from '../../machinery/object.js';
import { isStatusError } from '../../machinery/status-error.js';
import type { ResourceStores } from '../registry/resource-definition.js';
import type { ObjectLookup } from './object-lookup.js';
import { refusal } from './refusal.js';

const conflictRetries = 3;
const zero = parseQuantity('0');
const identity: CallerIdentity = { name: 'system:apiserver', groups: ['system:masters'] };

/** Reviews, bindings and the like are not stored; events never were counted. */
const ignored = new Set([
  '/bindings',
  '/componentstatuses',
  '/events',
  'authentication.k8s.io/selfsubjectreviews',
  'authentication.k8s.io/tokenreviews',
  'authorization.k8s.io/localsubjectaccessreviews',
  'authorization.k8s.io/selfsubjectaccessreviews',
  'authorization.k8s.io/selfsubjectrulesreviews',
  'authorization.k8s.io/subjectaccessreviews',
  'events.k8s.io/events',
]);

interface Waiter {
  readonly attributes: AdmissionAttributes;
  readonly done: Deferred<void>;
}

/** A quota with what is used of it after the requests that were let through so far. */
interface RunningQuota {
  readonly quota: Readonly<ResourceQuota>;
  readonly hard: ResourceQuantities;
  used: ResourceQuantities;
  changed: boolean;
}

/**
 * Charges new objects to the quotas of their namespace, and refuses what does not fit. The requests of a namespace that arrive while
 * quotas are being written are judged together in the next round, so that one write serves them all.
 * Source: apiserver pkg/admission/plugin/resourcequota.
 */
export class ResourceQuotaAdmission implements AdmissionPlugin {
  readonly name = 'ResourceQuota';
  readonly #lookup: ObjectLookup;
  readonly #stores: ResourceStores;
  readonly #clock: Clock;
  readonly #waiting = new Map<string, Waiter[]>();

  constructor(lookup: ObjectLookup, stores: ResourceStores, clock: Clock) {
    this.#lookup = lookup;
    this.#stores = stores;
    this.#clock = clock;
  }

  handles(attributes: AdmissionAttributes): boolean {
    const { namespace, group, resource } = attributes;
    if (namespace === '' || ignored.has(`${group}/${resource}`)) return false;
    return mayCost(attributes) && this.#lookup.hasAny(ResourceQuotas, namespace);
  }

  async validate(attributes: AdmissionAttributes): Promise<void> {
    const waiter: Waiter = { attributes, done: deferred() };
    const queue = this.#waiting.get(attributes.namespace);
    if (queue) queue.push(waiter);
    else {
      this.#waiting.set(attributes.namespace, [waiter]);
      void this.#work(attributes.namespace);
    }
    await waiter.done.promise;
  }

  async #work(namespace: string): Promise<void> {
    for (;;) {
      const round = this.#waiting.get(namespace)!;
      if (round.length === 0) break;
      this.#waiting.set(namespace, []);
      try {
        await this.#judge(namespace, round);
      } catch (error) {
        for (const waiter of round) waiter.done.reject(error);
      }
    }
    this.#waiting.delete(namespace);
  }

  /** Settles every waiter. Those whose quota was written by somebody else meanwhile are judged again. */
  async #judge(namespace: string, round: readonly Waiter[]): Promise<void> {
    let undecided = round;
    for (let attempt = 0; undecided.length > 0; attempt++) {
      const quotas = await this.#quotas(namespace);
      const charged: Waiter[] = [];
      for (const waiter of undecided) {
        try {
          if (this.#charge(quotas, waiter.attributes)) charged.push(waiter);
          else waiter.done.resolve();
        } catch (error) {
          waiter.done.reject(error);
        }
      }
      try {
        for (const running of quotas) if (running.changed) await this.#write(running);
        for (const waiter of charged) waiter.done.resolve();
        return;
      } catch (error) {
        if (!isStatusError(error, 'Conflict', 'NotFound') || attempt >= conflictRetries) throw error;
        undecided = charged;
      }
    }
  }

  async #quotas(namespace: string): Promise<RunningQuota[]> {
    const found: RunningQuota[] = [];
    for (const { metadata } of this.#lookup.list(ResourceQuotas, namespace)) {
      const quota = await this.#lookup.newest(ResourceQuotas, namespace, metadata.name!);
      if (!quota) continue;
      const { hard, used } = quota.status ?? {};
      found.push({ quota, hard: parseResourceList(hard), used: parseResourceList(used), changed: false });
    }
    return found;
  }

  async #write({ quota, used }: RunningQuota): Promise<void> {
    const { namespace = '', name = '' } = quota.metadata;
    const store = this.#stores.get<ResourceQuota>(ResourceQuotas)!;
    const draft = cloneJson(quota) as ResourceQuota;
    draft.status = { ...draft.status, used: toResourceList(used) };
    const call = {
      caller: identity,
      namespace,
      name,
      dryRun: false,
      fieldManager: 'kube-apiserver',
      warn: (): void => undefined,
    };
    await store.update(call, () => cloneJson(draft), { subresource: 'status', createIfMissing: false });
  }

  /** Whether anything was charged. Throws Forbidden; then nothing was. */
  #charge(quotas: readonly RunningQuota[], attributes: AdmissionAttributes): boolean {
    const { object, oldObject, operation, subresource } = attributes;
    const nowMs = this.#clock.now();
    const interesting = quotas.filter(running => this.#concerns(running, attributes));
    if (interesting.length === 0) return false;
    const facts = this.#facts(attributes);
    const usage = quotaUsage(attributes, object!, nowMs, facts);
    const negative = [...usage].filter(([, amount]) => amount.compare(zero) < 0).map(([name]) => name);
    if (negative.length > 0) throw refusal(attributes, `quota usage is negative for resource(s): ${negative.sort().join(',')}`);
    const increase = operation === 'UPDATE' && oldObject ? growth(usage, quotaUsage(attributes, oldObject, nowMs, facts)) : usage;
    const charges: { running: RunningQuota; used: ResourceQuantities }[] = [];
    for (const running of interesting) {
      const before = operation === 'UPDATE' && oldObject && liesInScopes(attributes, quotaScopes(running.quota), oldObject);
      const requested = masked(before ? increase : usage, running.hard);
      if (requested.size === 0) continue;
      const used = new Map(running.used);
      for (const [name, amount] of requested) used.set(name, used.get(name)?.add(amount) ?? amount);
      if (subresource !== 'status') refuseExcess(attributes, running, requested, used);
      charges.push({ running, used });
    }
    if (attributes.dryRun) return false;
    for (const { running, used } of charges) {
      running.used = used;
      running.changed = true;
    }
    return charges.length > 0;
  }

  /** Looked up for claims of devices only. */
  #facts(attributes: AdmissionAttributes): DeviceFacts {
    if (!isResourceClaim(attributes)) return noDeviceFacts;
    const lookup = this.#lookup;
    return {
      classes: [...lookup.list(DeviceClasses)],
      pod: (namespace, name) => lookup.cached(Pods, namespace, name),
      claimsIn: namespace => lookup.list(ResourceClaims, namespace),
      podUsage: pod => podUsage(pod, this.#clock.now()),
    };
  }

  #concerns({ quota, hard, used }: RunningQuota, attributes: AdmissionAttributes): boolean {
    const tracked = trackedNames(attributes, [...hard.keys()], this.#facts(attributes));
    if (tracked.length === 0 || !liesInScopes(attributes, quotaScopes(quota), attributes.object!)) return false;
    const { name } = quota.metadata;
    const missing = missingDemands(attributes, tracked, attributes.object!);
    if (missing) throw refusal(attributes, `failed quota: ${name}: ${missing}`);
    if (tracked.some(resource => !used.has(resource)))
      throw refusal(attributes, `status unknown for quota: ${name}, resources: ${tracked.join(',')}`);
    return true;
  }
}

/** Whether the request could change what its object costs. */
function mayCost({ group, resource, subresource, operation, object, oldObject }: AdmissionAttributes): boolean {
  const kind = group === '' ? resource : '';
  if (operation === 'CREATE') return subresource === '';
  if (operation !== 'UPDATE' || !object || !oldObject) return false;
  switch (kind) {
    case 'pods':
      if (subresource === 'resize') return true;
      return subresource === '' && hasDeadline(object as unknown as Pod) !== hasDeadline(oldObject as unknown as Pod);
    case 'services':
      return subresource === '';
    case 'persistentvolumeclaims': {
      if (subresource === '') return true;
      const [claim, old] = [object as unknown as PersistentVolumeClaim, oldObject as unknown as PersistentVolumeClaim];
      return (
        subresource === 'status' &&
        (claim.status?.allocatedResources?.['storage'] !== old.status?.allocatedResources?.['storage'] ||
          !semanticEqual(attributesClassNames(claim), attributesClassNames(old)))
      );
    }
    default:
      return false;
  }
}

/** What is more than before; never less than nothing. */
function growth(usage: ResourceQuantities, before: ResourceQuantities): ResourceQuantities {
  const result: ResourceQuantities = new Map();
  for (const [name, amount] of usage) {
    const old = before.get(name);
    result.set(name, old ? (amount.compare(old) > 0 ? amount.sub(old) : zero) : amount);
  }
  return result;
}

function masked(amounts: ResourceQuantities, names: ReadonlyMap<string, Quantity>): ResourceQuantities {
  return new Map([...amounts].filter(([name, amount]) => names.has(name) && !amount.isZero));
}

function refuseExcess(
  attributes: AdmissionAttributes,
  { quota, hard, used }: RunningQuota,
  requested: ResourceQuantities,
  after: ResourceQuantities,
): void {
  const exceeded = [...requested.keys()].filter(name => after.get(name)!.compare(hard.get(name)!) > 0).sort();
  if (exceeded.length === 0) return;
  const list = (amounts: ResourceQuantities): string =>
    exceeded
      .filter(name => amounts.has(name))
      .map(name => `${name}=${amounts.get(name)!.toString()}`)
      .join(',');
  throw refusal(
    attributes,
    `exceeded quota: ${quota.metadata.name}, requested: ${list(requested)}, used: ${list(used)}, limited: ${list(hard)}`,
  );
}
