import { createHash } from 'node:crypto';
import { CodedError, errorText, formatApiVersion, isStatusError, whenEstablished } from '../../../core/plugin-api/index.js';
import type {
  Client,
  Clock,
  KubeObject,
  ResourceCatalogue,
  ResourceClient,
  ResourceReference,
} from '../../../core/plugin-api/index.js';
import { Addons } from './addon-group.js';

/** Labels and annotations as wrangler's apply sets them: users select by them. Source: rancher/wrangler pkg/apply. */
const prefix = 'objectset.rio.cattle.io';
export const hashLabel = `${prefix}/hash`;
const establishTimeoutMs = 5000;
const ownerKind = `${Addons.group}/${Addons.version}, Kind=${Addons.kind}`;

export interface ObjectSetOptions {
  readonly client: Client;
  readonly catalogue: ResourceCatalogue;
  readonly fieldManager: string;
  readonly clock: Clock;
}

/** `apps/v1, Kind=Deployment`, `/v1, Kind=Pod`: as the Addon's annotation keeps it. */
export type KindName = string;

export interface ApplyOutcome {
  readonly failures: readonly string[];
  /** A failure that may pass by itself: a kind or namespace that is not there yet, a server that did not answer. */
  readonly mayPass: boolean;
}

/** The objects of one Addon in the cluster. */
export class ObjectSet {
  readonly #options: ObjectSetOptions;
  readonly #owner: { readonly name: string; readonly namespace: string };
  readonly #hash: string;

  constructor(options: ObjectSetOptions, owner: { readonly name: string; readonly namespace: string }) {
    this.#options = options;
    this.#owner = owner;
    this.#hash = setHash(owner);
  }

  /** Applies each object, those that others live in first; one that fails keeps no other away. */
  async apply(objects: readonly KubeObject[]): Promise<ApplyOutcome> {
    const failures: string[] = [];
    let mayPass = false;
    for (const object of inOrder(objects)) {
      try {
        await this.#applyOne(object);
      } catch (error) {
        const { namespace, name } = object.metadata;
        failures.push(`${object.kind} ${namespace ? `${namespace}/` : ''}${name}: ${errorText(error)}`);
        mayPass ||= !isStatusError(error, 'Invalid', 'BadRequest', 'Forbidden');
      }
    }
    return { failures, mayPass };
  }

  /** Removes what the set has in the cluster and `keep` does not name, among objects of these kinds. */
  async prune(kinds: Iterable<KindName>, keep: readonly KubeObject[]): Promise<void> {
    const kept = new Set(keep.map(object => this.#keyOf(object)));
    for (const kind of [...kinds].reverse()) {
      const reference = this.#find(kind);
      // Gone with its definition, and all objects with it.
      if (!reference) continue;
      const all = await this.#options.client.resource(reference).objects({ labelSelector: `${hashLabel}=${this.#hash}` });
      for (const object of all) {
        const { annotations, namespace, name, uid } = object.metadata;
        if (kept.has(this.#keyOf({ ...object, ...typeOf(reference) }))) continue;
        if (annotations?.[`${prefix}/owner-name`] !== this.#owner.name) continue;
        try {
          const preconditions = { uid: uid! };
          await this.#options.client
            .resource(reference, namespace)
            .delete(name!, { propagationPolicy: 'Background', preconditions });
        } catch (error) {
          if (!isStatusError(error, 'NotFound', 'Conflict')) throw error;
        }
      }
    }
  }

  async #applyOne(object: KubeObject): Promise<void> {
    const resource = this.#resource(object);
    const { metadata } = object;
    const annotations = {
      ...metadata.annotations,
      [`${prefix}/id`]: '',
      [`${prefix}/owner-gvk`]: ownerKind,
      [`${prefix}/owner-name`]: this.#owner.name,
      [`${prefix}/owner-namespace`]: this.#owner.namespace,
    };
    const labels = { ...metadata.labels, [hashLabel]: this.#hash };
    const { fieldManager } = this.#options;
    const wanted = { ...object, metadata: { ...metadata, annotations, labels } };
    // Copied from a cluster: not what the file wants.
    for (const field of ['managedFields', 'resourceVersion', 'uid', 'creationTimestamp', 'generation'] as const) {
      delete wanted.metadata[field];
    }
    await resource.patch(metadata.name!, 'apply', wanted, { fieldManager, force: true });
    if (object.kind !== 'CustomResourceDefinition') return;
    // Objects of it may follow; where it takes long, they are tried again.
    const { client, clock } = this.#options;
    await whenEstablished(client, metadata.name!, { clock, timeoutMs: establishTimeoutMs });
  }

  #resource(object: KubeObject): ResourceClient<KubeObject> {
    const reference = this.#find(kindName(object));
    if (!reference) {
      throw new CodedError('KIND_UNKNOWN', `no matches for kind "${object.kind}" in version "${object.apiVersion}"`);
    }
    return this.#options.client.resource(reference, reference.namespaced ? namespaceOf(object) : undefined);
  }

  #find(kind: KindName): ResourceReference<KubeObject> | undefined {
    for (const { reference, verbs } of this.#options.catalogue.resources()) {
      if (kindName(typeOf(reference)) === kind && verbs.includes('patch')) return reference as ResourceReference<KubeObject>;
    }
    return undefined;
  }

  #keyOf(object: KubeObject): string {
    const reference = this.#find(kindName(object));
    const group = object.apiVersion.includes('/') ? object.apiVersion.split('/')[0]! : '';
    return [group, object.kind, reference?.namespaced ? namespaceOf(object) : '', object.metadata.name].join('\0');
  }
}

/** What selects an Addon's objects. */
export function setHash({ name, namespace }: { readonly name: string; readonly namespace: string }): string {
  return createHash('sha1').update(`${ownerKind}${name}${namespace}`).digest('hex');
}

export function kindName({ apiVersion, kind }: { apiVersion: string; kind: string }): KindName {
  return `${apiVersion.includes('/') ? '' : '/'}${apiVersion}, Kind=${kind}`;
}

function typeOf(reference: { group: string; version: string; kind: string }): { apiVersion: string; kind: string } {
  return { apiVersion: formatApiVersion(reference), kind: reference.kind };
}

function namespaceOf({ metadata }: KubeObject): string {
  return metadata.namespace || 'default';
}

function inOrder(objects: readonly KubeObject[]): KubeObject[] {
  const rank = ({ kind }: KubeObject): number => (kind === 'Namespace' ? 0 : kind === 'CustomResourceDefinition' ? 1 : 2);
  return [...objects].sort((a, b) => rank(a) - rank(b));
}
