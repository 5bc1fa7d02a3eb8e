import { ConfigMaps, EndpointSlices, Ingresses, Services } from '../../api/generated/resources.js';
import type { ResourceReference } from '../../api/resource-reference.js';
import { sleep } from '../../base/clock.js';
import { errorText } from '../../base/errors.js';
import { Client } from '../../client/client.js';
import type { ResourceClient } from '../../client/client.js';
import { whenEstablished } from '../../client/when-established.js';
import type { ApiTransport, CallerIdentity } from '../../contracts/api-transport.js';
import type { Clock } from '../../contracts/clock.js';
import type { ClusterSettings } from '../../contracts/cluster-settings.js';
import type { Logger } from '../../contracts/logger.js';
import type { Part } from '../../contracts/part.js';
import type { ResourceCatalogue } from '../../contracts/resource-catalogue.js';
import { formatApiVersion } from '../../machinery/object.js';
import type { KubeObject } from '../../machinery/object.js';
import { isStatusError } from '../../machinery/status-error.js';
import type { SelectedParts } from '../selected-parts.js';

/** What holders of these slots write into objects that are not theirs. A plugin writes it with its id as the field manager. */
const statusSlots: Readonly<Record<string, ResourceReference<KubeObject>>> = {
  ingress: Ingresses as ResourceReference<KubeObject>,
  'load-balancer': Services as ResourceReference<KubeObject>,
};
/** In the record, beside the owners, none of whom can be called so: who fills these slots, by id. */
const writersKey = '_status-writers';

/** On every object that was applied for a plugin; its id. */
export const ownerLabel = 'k3s-ts.io/owner';

/** Remembers what was applied for whom, so that it can be pruned when the owner's descriptor is not known any more. */
const recordName = 'k3s-ts-manifests';
const recordNamespace = 'kube-system';
const fieldManager = 'k3s-ts-manifests';

/** K3s' deploy controller writes with the server's own administrator, too. */
const identity: CallerIdentity = { name: 'system:admin', groups: ['system:masters', 'system:authenticated'] };

const definitionKind = 'CustomResourceDefinition';
const establishTimeoutMs = 10_000;
const maximumTries = 5;
const retryMs = 500;

interface AppliedObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly namespace?: string;
  readonly name: string;
}

export interface ManifestsPartOptions {
  readonly transport: ApiTransport;
  readonly catalogue: ResourceCatalogue;
  readonly selected: SelectedParts;
  readonly settings: Pick<ClusterSettings, 'clusterDns' | 'clusterDomain'>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Applies the `manifests` of every selected descriptor by server-side apply with an owner label, and removes what was applied for
 * plugins that are not selected any more, or is not in their manifests now. Parts that rely on theirs require the slot `core`.
 * An object that cannot be applied is reported and does not keep the others away.
 */
export class ManifestsPart implements Part {
  readonly #options: ManifestsPartOptions;
  readonly #client: Client;

  constructor(options: ManifestsPartOptions) {
    this.#options = options;
    this.#client = new Client(options.transport, identity, fieldManager);
  }

  async start(signal: AbortSignal): Promise<void> {
    const { selected, settings, logger } = this.#options;
    const variables = manifestVariables(settings);
    const wanted = new Map<string, KubeObject[]>();
    for (const { id, manifests } of selected) {
      if (manifests?.length)
        wanted.set(
          id,
          manifests.map(object => substitute(object, variables) as KubeObject),
        );
    }
    const { objects: before, writers: writersBefore } = await this.#readRecord();
    const writers = new Map(selected.flatMap(({ id, slot }) => (Object.hasOwn(statusSlots, slot) ? [[id, slot] as const] : [])));
    if (wanted.size === 0 && before.size === 0 && writers.size === 0 && writersBefore.size === 0) return;
    const both = new Map(before);
    for (const [owner, objects] of wanted) both.set(owner, union(before.get(owner) ?? [], objects.map(appliedObject)));
    // Written before anything is applied: a crash leaves an entry too many, never one too few.
    const allWriters = new Map([...writersBefore, ...writers]);
    await this.#writeRecord(both, allWriters);
    for (const [owner, objects] of wanted) {
      for (const object of inOrder(objects)) {
        await this.#attempt(signal, () => this.#apply(owner, object, signal), `applied for ${owner}`, appliedObject(object));
      }
    }
    const after = new Map<string, AppliedObject[]>();
    for (const [owner, objects] of both) {
      const kept = new Set((wanted.get(owner) ?? []).map(object => keyOf(appliedObject(object))));
      const left: AppliedObject[] = [];
      // What others need (accounts, roles) was applied first and goes last.
      for (const object of [...objects].reverse()) {
        if (kept.has(keyOf(object))) left.unshift(object);
        else if (!(await this.#attempt(signal, () => this.#prune(owner, object), 'pruned', object))) left.unshift(object);
      }
      if (left.length > 0) after.set(owner, left);
      else logger.info('pruned the objects of a plugin that is gone', { owner });
    }
    for (const [owner, slot] of allWriters) {
      if (!writers.has(owner) && !(await this.#clearStatuses(signal, owner, slot))) writers.set(owner, slot);
    }
    await this.#writeRecord(after, writers);
  }

  /** Takes back the addresses that a plugin gave and that nobody answers on any more. False when some could not be. */
  async #clearStatuses(signal: AbortSignal, owner: string, slot: string): Promise<boolean> {
    const reference = Object.hasOwn(statusSlots, slot) ? statusSlots[slot] : undefined;
    if (!reference) return true;
    let isDone = true;
    const { entries } = await this.#client.resource(reference).list();
    for (const entry of entries) {
      const object = await this.#client.resource(reference, entry.namespace).get(entry.name);
      const isOwn = object.metadata.managedFields?.some(
        ({ manager, subresource }) => manager === owner && subresource === 'status',
      );
      if (!isOwn || !(object as { status?: { loadBalancer?: { ingress?: unknown[] } } }).status?.loadBalancer?.ingress?.length)
        continue;
      const clear = async (): Promise<void> => {
        const statuses = this.#client.resource(reference, entry.namespace).subresource('status');
        await statuses.patch(entry.name, 'merge', { status: { loadBalancer: { ingress: null } } });
      };
      isDone = (await this.#attempt(signal, clear, 'cleared', appliedObject(object))) && isDone;
    }
    return isDone;
  }

  async #apply(owner: string, object: KubeObject, signal: AbortSignal): Promise<void> {
    const { metadata } = object;
    const labelled = { ...object, metadata: { ...metadata, labels: { ...metadata.labels, [ownerLabel]: owner } } };
    await this.#resource(appliedObject(object)).patch(metadata.name!, 'apply', labelled, { fieldManager, force: true });
    if (object.kind !== definitionKind) return;
    // Objects of it may follow.
    const { clock, logger } = this.#options;
    const established = await whenEstablished(this.#client, metadata.name!, { clock, timeoutMs: establishTimeoutMs, signal });
    if (!established) logger.warn('a custom resource definition is not established yet', { owner, name: metadata.name });
  }

  /** What somebody else made, or has taken over by changing the label, stays. */
  async #prune(owner: string, object: AppliedObject): Promise<void> {
    const resource = this.#resource(object);
    let found: KubeObject;
    try {
      found = await resource.get(object.name);
    } catch (error) {
      if (isStatusError(error, 'NotFound')) return;
      throw error;
    }
    if (found.metadata.labels?.[ownerLabel] !== owner) return;
    if (object.apiVersion === 'v1' && object.kind === 'Service') await this.#pruneEndpoints(owner, object);
    await resource.delete(object.name, { propagationPolicy: 'Background', preconditions: { uid: found.metadata.uid! } });
  }

  /** What `NodeEndpoints` keeps for the owner's Service belongs to Nodes, which stay. */
  async #pruneEndpoints(owner: string, { namespace, name }: AppliedObject): Promise<void> {
    const slices = this.#client.resource(EndpointSlices, namespace);
    const { entries } = await slices.list({ labelSelector: `kubernetes.io/service-name=${name}` });
    for (const entry of entries) {
      const slice = await slices.get(entry.name);
      const isOwn = slice.metadata.managedFields?.some(
        ({ manager = '' }) => manager === owner || manager.startsWith(`${owner}.`),
      );
      if (isOwn) await slices.delete(entry.name);
    }
  }

  #resource(object: AppliedObject): ResourceClient<KubeObject> {
    const { apiVersion, kind, namespace } = object;
    const found = this.#options.catalogue
      .resources()
      .find(({ reference }) => reference.kind === kind && formatApiVersion(reference) === apiVersion);
    if (!found) throw new Error(`the API does not serve ${kind} of ${apiVersion}`);
    return this.#client.resource(found.reference as ResourceReference<KubeObject>, namespace);
  }

  /** False when it failed for good. */
  async #attempt(signal: AbortSignal, action: () => Promise<void>, what: string, object: AppliedObject): Promise<boolean> {
    for (let tries = 1; ; tries++) {
      signal.throwIfAborted();
      try {
        await action();
        return true;
      } catch (error) {
        const transient = isStatusError(error, 'ServiceUnavailable', 'Timeout', 'TooManyRequests', 'Conflict', 'InternalError');
        if (transient && tries < maximumTries) {
          await sleep(this.#options.clock, retryMs * tries, signal);
          continue;
        }
        const { kind, namespace, name } = object;
        this.#options.logger.error(`an object could not be ${what}`, { kind, namespace, name, error: errorText(error) });
        return false;
      }
    }
  }

  async #readRecord(): Promise<{ objects: Map<string, AppliedObject[]>; writers: Map<string, string> }> {
    try {
      const { data = {} } = await this.#client.resource(ConfigMaps, recordNamespace).get(recordName);
      const { [writersKey]: writers = '{}', ...owners } = data;
      const objects = new Map(Object.entries(owners).map(([owner, text]) => [owner, parseObjects(text)]));
      return { objects, writers: parseWriters(writers) };
    } catch (error) {
      if (isStatusError(error, 'NotFound')) return { objects: new Map(), writers: new Map() };
      throw error;
    }
  }

  async #writeRecord(
    objects: ReadonlyMap<string, readonly AppliedObject[]>,
    writers: ReadonlyMap<string, string>,
  ): Promise<void> {
    const owners = Array.from(objects, ([owner, list]): [string, string] => [owner, JSON.stringify(list)]);
    if (writers.size > 0) owners.push([writersKey, JSON.stringify(Object.fromEntries(writers))]);
    const data = Object.fromEntries(owners);
    const metadata = { name: recordName, namespace: recordNamespace };
    const patch = { apiVersion: 'v1', kind: 'ConfigMap', metadata, data };
    await this.#client.resource(ConfigMaps, recordNamespace).patch(recordName, 'apply', patch, { fieldManager, force: true });
  }
}

type Variables = Readonly<Record<string, string | readonly string[]>>;

/** What manifests may say instead of a setting, as K3s' packaged manifests do: `%{NAME}%`. */
function manifestVariables({ clusterDns, clusterDomain }: ManifestsPartOptions['settings']): Variables {
  return {
    CLUSTER_DNS: clusterDns[0] ?? '',
    CLUSTER_DNS_IPFAMILYPOLICY: clusterDns.length > 1 ? 'RequireDualStack' : 'SingleStack',
    CLUSTER_DNS_LIST: clusterDns,
    CLUSTER_DOMAIN: clusterDomain,
  };
}

/** A string that is nothing but a variable becomes its value, a list, too. Unknown ones stay as they are. */
function substitute(value: unknown, variables: Variables): unknown {
  if (typeof value === 'string') {
    const whole = /^%\{([A-Z_]+)\}%$/.exec(value)?.[1];
    if (whole !== undefined && Object.hasOwn(variables, whole)) return variables[whole];
    return value.replace(/%\{([A-Z_]+)\}%/g, (text, name: string) => {
      return Object.hasOwn(variables, name) ? String(variables[name]) : text;
    });
  }
  if (Array.isArray(value)) return value.map(item => substitute(item, variables));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, substitute(item, variables)]));
}

/** What others live in or are made by comes first. */
function inOrder(objects: readonly KubeObject[]): KubeObject[] {
  const rank = ({ kind }: KubeObject): number => (kind === 'Namespace' ? 0 : kind === definitionKind ? 1 : 2);
  return [...objects].sort((a, b) => rank(a) - rank(b));
}

function appliedObject({ apiVersion, kind, metadata: { namespace, name } }: KubeObject): AppliedObject {
  return { apiVersion, kind, ...(namespace !== undefined && { namespace }), name: name! };
}

function keyOf({ apiVersion, kind, namespace = '', name }: AppliedObject): string {
  // Not the version: the same object in a newer version is not another one.
  return [apiVersion.includes('/') ? apiVersion.split('/')[0] : '', kind, namespace, name].join('\0');
}

function union(before: readonly AppliedObject[], now: readonly AppliedObject[]): AppliedObject[] {
  const keys = new Set(now.map(keyOf));
  return [...now, ...before.filter(object => !keys.has(keyOf(object)))];
}

function parseWriters(text: string): Map<string, string> {
  try {
    const value = JSON.parse(text) as Record<string, unknown> | null;
    return new Map(Object.entries(value ?? {}).filter((entry): entry is [string, string] => typeof entry[1] === 'string'));
  } catch {
    // Somebody edited it.
    return new Map();
  }
}

function parseObjects(text: string): AppliedObject[] {
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch {
    return [];
  }
  const isObject = (value: unknown): value is AppliedObject => {
    const { apiVersion, kind, name } = (value ?? {}) as Partial<Record<string, unknown>>;
    return typeof apiVersion === 'string' && typeof kind === 'string' && typeof name === 'string';
  };
  return Array.isArray(list) ? list.filter(isObject) : [];
}
